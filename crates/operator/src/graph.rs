//! The processes of a platform: what each listens on, keeps in databases, and calls. The one place that says so; variables,
//! network policies and the order of a roll-out follow from it.

/// A process of the platform: a service or the gateway.
#[derive(Clone, Copy, Debug)]
pub struct Component {
    /// Its name, which is also that of its image and of its database.
    pub name: &'static str,
    /// The port that it listens on.
    pub port: u16,
    /// Whether it has a database.
    pub database: bool,
    /// The components that it calls.
    pub calls: &'static [&'static str],
    /// Whether it calls others than the platform's, whose addresses nobody knows beforehand: receivers of webhooks.
    pub calls_outside: bool,
}

/// The gateway, the only component that others than the platform's call.
pub const GATEWAY: &str = "gateway";
/// The component that the payment provider is called by.
pub const PAYMENTS: &str = "payments";
/// The database of the sandbox payment provider, which is a part of [`PAYMENTS`].
pub const BANK: &str = "bank";
/// The port of every component's metrics and health.
pub const METRICS_PORT: u16 = 9464;

/// All components in the order in which a new version is rolled out: who is called comes before who calls, as far as they
/// do not call each other.
pub const COMPONENTS: [Component; 7] = [
    Component { name: "users", port: 50051, database: true, calls: &[], calls_outside: true },
    Component { name: "theaters", port: 50053, database: true, calls: &["users"], calls_outside: false },
    Component {
        name: "movies",
        port: 50052,
        database: true,
        calls: &["users", "theaters", "reservations", "payments"],
        calls_outside: false,
    },
    Component {
        name: "reservations",
        port: 50054,
        database: true,
        calls: &["users", "movies", "theaters"],
        calls_outside: false,
    },
    Component {
        name: "tickets",
        port: 50056,
        database: true,
        calls: &["users", "movies", "theaters"],
        calls_outside: false,
    },
    Component {
        name: PAYMENTS,
        port: 50055,
        database: true,
        calls: &["users", "reservations", "tickets"],
        calls_outside: false,
    },
    Component {
        name: GATEWAY,
        port: 3000,
        database: false,
        calls: &["users", "movies", "theaters", "reservations", "payments", "tickets"],
        calls_outside: false,
    },
];

/// The component of this name.
pub fn component(name: &str) -> Option<&'static Component> {
    COMPONENTS.iter().find(|component| component.name == name)
}

/// Who calls the component `name`.
pub fn callers(name: &str) -> impl Iterator<Item = &'static Component> {
    COMPONENTS.iter().filter(move |component| component.calls.contains(&name))
}
