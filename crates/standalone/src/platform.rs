//! The services, linked with each other, behind the gateway.

use std::sync::Arc;

use axum::Router;
use jiff::Timestamp;
use moviebooking_auth::{Keys, KeysFromUsers, ServiceCredentials, ServiceSecret, Verifier, protect};
use moviebooking_domain::clock::{Clock, SharedClock};
use moviebooking_events::{Nats, Outbox, Publish, Relay, Source};
use moviebooking_gateway::{Gateway, Upstreams};
use moviebooking_movies::import;
use moviebooking_sandbox_bank as sandbox;
use moviebooking_serve::{Link, LinkSlot, StartError};
use moviebooking_store::Db;
use tokio_util::sync::CancellationToken;
use tonic::{Status, service::Routes};

use crate::{Storage, args::ServeArgs};

/// Where the sandbox bank's pages are, below the platform's own URL.
const BANK_PAGES: &str = "/sandbox-bank";

/// The database of each service, and the sandbox bank's.
struct Databases {
    users: Db,
    movies: Db,
    theaters: Db,
    reservations: Db,
    payments: Db,
    bank: Option<Db>,
    tickets: Db,
}

impl Databases {
    async fn open(storage: &Storage, embeds_bank: bool, clock: &dyn Clock) -> Result<Self, StartError> {
        let open = |service, migrations| storage.database(service, migrations, clock);
        Ok(Self {
            users: open(moviebooking_users::NAME, &moviebooking_users::MIGRATIONS).await?,
            movies: open(moviebooking_movies::NAME, &moviebooking_movies::MIGRATIONS).await?,
            theaters: open(moviebooking_theaters::NAME, &moviebooking_theaters::MIGRATIONS).await?,
            reservations: open(moviebooking_reservations::NAME, &moviebooking_reservations::MIGRATIONS)
                .await?,
            payments: open(moviebooking_payments::NAME, &moviebooking_payments::MIGRATIONS).await?,
            bank: match embeds_bank {
                true => Some(storage.bank(clock).await?),
                false => None,
            },
            tickets: open(moviebooking_tickets::NAME, &moviebooking_tickets::MIGRATIONS).await?,
        })
    }

    async fn close(self) {
        let services =
            [self.users, self.movies, self.theaters, self.reservations, self.payments, self.tickets];
        for db in services.into_iter().chain(self.bank) {
            db.close().await;
        }
    }
}

/// A link to each service.
struct Links {
    users: Link,
    movies: Link,
    theaters: Link,
    reservations: Link,
    payments: Link,
    tickets: Link,
}

/// The running platform, without a port.
pub struct Platform {
    users: moviebooking_users::Service,
    movies: moviebooking_movies::Service,
    theaters: moviebooking_theaters::Service,
    reservations: moviebooking_reservations::Service,
    payments: moviebooking_payments::Service,
    tickets: moviebooking_tickets::Service,
    bank: Option<sandbox::Bank>,
    databases: Databases,
    clock: SharedClock,
    gateway: Gateway,
    nats: Option<Arc<Nats>>,
}

impl Platform {
    /// Opens every database and links the services with each other.
    ///
    /// # Errors
    /// When a database or a setting cannot be used.
    pub async fn open(storage: &Storage, args: &ServeArgs, clock: SharedClock) -> Result<Self, StartError> {
        let secret = ServiceSecret::random();
        let (links, slots) = Links::unfilled();
        let keys = Arc::new(Keys::new(KeysFromUsers::new(links.users.clone()), Arc::clone(&clock)));
        let verifier =
            |service| Verifier::new(service, Arc::clone(&keys), Some(secret.clone()), Arc::clone(&clock));
        let credentials = |service| ServiceCredentials::new(service, secret.clone(), Arc::clone(&clock));
        let nats = match args.events.nats()? {
            Some(settings) => Some(Arc::new(Nats::connect(&settings).await?)),
            None => None,
        };
        let databases = Databases::open(storage, args.payments.embeds_bank(), &*clock).await?;

        let users =
            moviebooking_users::Service::new(databases.users.clone(), Arc::clone(&clock), args.users.clone());
        let theaters = moviebooking_theaters::Service::new(databases.theaters.clone(), Arc::clone(&clock));
        let from_movies = credentials(moviebooking_movies::NAME);
        let movies = moviebooking_movies::Service::new(
            databases.movies.clone(),
            Arc::clone(&clock),
            from_movies.link(moviebooking_theaters::NAME, links.theaters.clone()),
            from_movies.link(moviebooking_reservations::NAME, links.reservations.clone()),
            from_movies.link(moviebooking_payments::NAME, links.payments.clone()),
        );
        let from_reservations = credentials(moviebooking_reservations::NAME);
        let reservations = moviebooking_reservations::Service::new(
            databases.reservations.clone(),
            Arc::clone(&clock),
            from_reservations.link(moviebooking_movies::NAME, links.movies.clone()),
            from_reservations.link(moviebooking_theaters::NAME, links.theaters.clone()),
        )
        .with(args.reservations);
        let from_tickets = credentials(moviebooking_tickets::NAME);
        let tickets = moviebooking_tickets::Service::new(
            databases.tickets.clone(),
            Arc::clone(&clock),
            from_tickets.link(moviebooking_movies::NAME, links.movies.clone()),
            from_tickets.link(moviebooking_theaters::NAME, links.theaters.clone()),
        );
        let bank = databases.bank.clone().map(|db| {
            let settings = sandbox::Settings {
                secret: sandbox::BankSecret::random(),
                public_url: format!("{}{BANK_PAGES}", args.public_url()),
                webhook_url: None,
                slow_reply: sandbox::SLOW_REPLY,
            };
            sandbox::Bank::new(db, Arc::clone(&clock), settings)
        });
        let from_payments = credentials(moviebooking_payments::NAME);
        let payments = moviebooking_payments::Service::new(
            databases.payments.clone(),
            Arc::clone(&clock),
            args.payments.open(bank.as_ref())?,
            from_payments.link(moviebooking_reservations::NAME, links.reservations.clone()),
            from_payments.link(moviebooking_tickets::NAME, links.tickets.clone()),
        );

        let fill = |slot: LinkSlot, routes: Routes, service| slot.fill(protect(routes, verifier(service)));
        fill(slots.users, users.routes(), moviebooking_users::NAME);
        fill(slots.movies, movies.routes(), moviebooking_movies::NAME);
        fill(slots.theaters, theaters.routes(), moviebooking_theaters::NAME);
        fill(slots.reservations, reservations.routes(), moviebooking_reservations::NAME);
        fill(slots.payments, payments.routes(), moviebooking_payments::NAME);
        fill(slots.tickets, tickets.routes(), moviebooking_tickets::NAME);

        // No service token ever comes from outside: the gateway knows no secret to take one by.
        let edge = Verifier::new("gateway", Arc::clone(&keys), None, Arc::clone(&clock));
        let gateway = Gateway::new(links.upstreams(), edge, args.gateway.clone()).await?;
        Ok(Self {
            users,
            movies,
            theaters,
            reservations,
            payments,
            tickets,
            bank,
            databases,
            clock,
            gateway,
            nats,
        })
    }

    /// What the gateway answers, REST, gRPC-Web and gRPC, and the sandbox bank's pages for buyers.
    pub fn router(&self) -> Router {
        let router = self.gateway.router();
        match &self.bank {
            Some(bank) => router.nest(BANK_PAGES, sandbox::pages(bank)),
            None => router,
        }
    }

    /// Does what the services do on their own, until told to stop.
    pub async fn run_background(&self, shutdown: CancellationToken) {
        tokio::join!(
            self.users.run_background(shutdown.clone()),
            self.movies.run_background(shutdown.clone()),
            self.theaters.run_background(shutdown.clone()),
            self.reservations.run_background(shutdown.clone()),
            self.payments.run_background(shutdown.clone()),
            self.tickets.run_background(shutdown.clone()),
            self.publish_events(shutdown.clone()),
            self.gateway.run_background(shutdown),
        );
    }

    /// Publishes what the services have to tell: to the broker where one is configured, else straight to the webhooks.
    async fn publish_events(&self, shutdown: CancellationToken) {
        let databases = &self.databases;
        tokio::join!(
            self.relay(&databases.users, Outbox).run(shutdown.clone()),
            self.relay(&databases.movies, Outbox).run(shutdown.clone()),
            self.relay(&databases.theaters, Outbox).run(shutdown.clone()),
            self.relay(&databases.reservations, moviebooking_reservations::History).run(shutdown.clone()),
            self.relay(&databases.payments, moviebooking_payments::History).run(shutdown.clone()),
            self.relay(&databases.tickets, Outbox).run(shutdown.clone()),
            self.users.webhooks().consume(self.nats.as_deref(), shutdown),
        );
    }

    fn relay<S: Source>(&self, db: &Db, source: S) -> Relay<S> {
        let publisher: Arc<dyn Publish> = match &self.nats {
            Some(nats) => Arc::clone(nats) as _,
            None => Arc::new(self.users.webhooks().clone()),
        };
        Relay::new(db.clone(), Arc::clone(&self.clock), source, publisher)
    }

    /// Closes the databases: to be done when nothing is served any more.
    pub async fn close(self) {
        self.databases.close().await;
    }

    /// A link to the gateway.
    pub(crate) fn link(&self) -> Link {
        Link::local(Routes::from(self.router()))
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Whether nobody has an account on it.
    pub(crate) async fn is_new(&self) -> Result<bool, StartError> {
        self.users.has_accounts().await.map(|any| !any).map_err(unknown)
    }

    /// Whether somebody has an account with this e-mail on it.
    pub(crate) async fn has_account(&self, email: &str) -> Result<bool, StartError> {
        self.users.has_account(email).await.map_err(unknown)
    }

    pub(crate) async fn bootstrap_admin(
        &self,
        email: &str,
        password: &str,
        name: &str,
    ) -> Result<(), Status> {
        self.users.bootstrap_admin(email, password, name).await.map(drop)
    }

    /// Fills the catalogue from JSON; what is there already is left as it is.
    pub(crate) async fn import_movies(&self, json: &[u8]) -> Result<(), StartError> {
        import::run(&self.databases.movies, &*self.clock, json, import::Format::Json, &mut import::Silent)
            .await
            .map(drop)
            .map_err(|error| StartError::software(format!("the demo catalogue cannot be imported: {error}")))
    }
}

fn unknown(status: Status) -> StartError {
    StartError::unavailable(format!("the platform's accounts cannot be read: {}", status.message()))
}

/// The other ends of [`Links`], to be filled when the services exist.
struct Slots {
    users: LinkSlot,
    movies: LinkSlot,
    theaters: LinkSlot,
    reservations: LinkSlot,
    payments: LinkSlot,
    tickets: LinkSlot,
}

impl Links {
    fn unfilled() -> (Self, Slots) {
        let (users, to_users) = Link::slot();
        let (movies, to_movies) = Link::slot();
        let (theaters, to_theaters) = Link::slot();
        let (reservations, to_reservations) = Link::slot();
        let (payments, to_payments) = Link::slot();
        let (tickets, to_tickets) = Link::slot();
        (
            Self { users, movies, theaters, reservations, payments, tickets },
            Slots {
                users: to_users,
                movies: to_movies,
                theaters: to_theaters,
                reservations: to_reservations,
                payments: to_payments,
                tickets: to_tickets,
            },
        )
    }

    fn upstreams(&self) -> Upstreams {
        Upstreams::from_iter([
            (moviebooking_users::NAME, self.users.clone()),
            (moviebooking_movies::NAME, self.movies.clone()),
            (moviebooking_theaters::NAME, self.theaters.clone()),
            (moviebooking_reservations::NAME, self.reservations.clone()),
            (moviebooking_payments::NAME, self.payments.clone()),
            (moviebooking_tickets::NAME, self.tickets.clone()),
        ])
    }
}
