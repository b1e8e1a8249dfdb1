//! Where the other processes of the platform are.

/// One of the platform's services, as another process finds it.
pub trait Peer {
    /// Its name in service tokens and in its flag `--NAME-url`.
    const NAME: &'static str;
    /// The environment variable of its URL.
    const VARIABLE: &'static str;

    /// Where it is: `http://host:port`.
    fn url(&self) -> &str;
}

macro_rules! peers {
    ($($Peer:ident $name:literal $flag:literal $variable:literal $default:literal)*) => {$(
        #[doc = concat!("Where the ", $name, " service is; flatten it into the settings of a process that calls it.")]
        #[derive(Clone, Debug, clap::Args)]
        pub struct $Peer {
            #[arg(id = $flag, long = $flag, env = $variable, value_name = "URL", default_value = $default,
                  help = concat!("URL of the ", $name, " service"))]
            url: String,
        }

        impl Peer for $Peer {
            const NAME: &'static str = $name;
            const VARIABLE: &'static str = $variable;

            fn url(&self) -> &str {
                &self.url
            }
        }
    )*};
}

peers! {
    Users "users" "users-url" "MOVIEBOOKING_USERS_URL" "http://127.0.0.1:50051"
    Movies "movies" "movies-url" "MOVIEBOOKING_MOVIES_URL" "http://127.0.0.1:50052"
    Theaters "theaters" "theaters-url" "MOVIEBOOKING_THEATERS_URL" "http://127.0.0.1:50053"
    Reservations "reservations" "reservations-url" "MOVIEBOOKING_RESERVATIONS_URL" "http://127.0.0.1:50054"
    Payments "payments" "payments-url" "MOVIEBOOKING_PAYMENTS_URL" "http://127.0.0.1:50055"
    Tickets "tickets" "tickets-url" "MOVIEBOOKING_TICKETS_URL" "http://127.0.0.1:50056"
}
