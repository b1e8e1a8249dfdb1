//! A service as a process.

use std::{process::ExitCode, sync::Arc};

use moviebooking_auth::{
    Keys, KeysFromUsers, ServiceCredentials, ServiceLink, ServiceSecret, Verifier, protect,
};
use moviebooking_domain::clock::{SharedClock, SystemClock};
use moviebooking_events::{EventsArgs, Nats, NatsSettings, Publish, Relay, Source, ToWebhooks};
use moviebooking_proto::{DESCRIPTOR_SET, access};
use moviebooking_serve::{Health, Limits, Link, REQUESTS, Server, StartError, grpc_router, metrics};
use moviebooking_store::{
    DatabaseUrl, Db, Migrations,
    observe::{self, Observer},
};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::{
    Peer, Process, ProcessArgs, Users,
    database::{DatabaseArgs, DatabaseUrls},
    secret::SecretArgs,
};

/// What every service takes.
#[derive(Clone, Debug, clap::Args)]
pub struct ServiceArgs {
    #[command(flatten)]
    process: ProcessArgs,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    secret: SecretArgs,
    #[command(flatten)]
    events: EventsArgs,
    /// Calls that are worked on at once, those that wait for the database included; more are refused with
    /// RESOURCE_EXHAUSTED at once.
    #[arg(long, env = "MOVIEBOOKING_MAX_REQUESTS", value_name = "COUNT", default_value_t = REQUESTS,
          value_parser = places)]
    max_requests: usize,
    /// Run pending migrations and end, instead of serving: for whoever rolls out a new version.
    #[arg(long)]
    migrate_only: bool,
}

/// Reads how many requests may be worked on at once.
fn places(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if (1..=100_000).contains(&count) => Ok(count),
        _ => Err("use a number from 1 to 100000".to_owned()),
    }
}

impl ServiceArgs {
    /// Runs the process of the service `name` ("movies"), or its migrations alone if that is asked for: what `main`
    /// returns.
    pub fn main(
        &self,
        name: &'static str,
        migrate: impl Future<Output = Result<(), StartError>>,
        run: impl Future<Output = Result<(), StartError>>,
    ) -> ExitCode {
        observe::install(Observer { statement: metrics::sql_statement, pool: metrics::sql_pool });
        self.process.main(name, async { if self.migrate_only { migrate.await } else { run.await } })
    }

    /// Runs the pending migrations of the database of the service `name`.
    ///
    /// # Errors
    /// When it cannot be used.
    pub async fn migrate(&self, name: &'static str, migrations: &Migrations) -> Result<(), StartError> {
        let url = Arc::clone(&self.database.urls().await?.borrow());
        self.database.migrate(name, "--database-url", &url, migrations).await
    }

    /// Runs the pending migrations of another database, called `name`, that was chosen with `flag`.
    ///
    /// # Errors
    /// When it cannot be used.
    pub async fn migrate_other(
        &self,
        name: &'static str,
        flag: &str,
        url: &DatabaseUrl,
        migrations: &Migrations,
    ) -> Result<(), StartError> {
        self.database.migrate(name, flag, url, migrations).await
    }

    /// The process of the service `name`, once its settings are known to be good.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub async fn start(&self, name: &'static str) -> Result<ServiceProcess<'_>, StartError> {
        let urls = self.database.urls().await?;
        let secret = self.secret.read().await?;
        let nats = self.events.nats()?;
        let process = self.process.start().await?;
        let clock = SystemClock::shared();
        let credentials = ServiceCredentials::new(name, secret.clone(), Arc::clone(&clock));
        Ok(ServiceProcess { args: self, process, name, urls, secret, credentials, clock, nats })
    }

    /// The database of the service `name`: all that a command that does not serve needs.
    ///
    /// # Errors
    /// When it cannot be used.
    pub async fn database(&self, name: &'static str, migrations: &Migrations) -> Result<Db, StartError> {
        self.database.open(name, &self.database.urls().await?, migrations).await
    }
}

/// A service that is about to be served.
pub struct ServiceProcess<'a> {
    args: &'a ServiceArgs,
    process: Process<'a>,
    name: &'static str,
    urls: DatabaseUrls,
    secret: ServiceSecret,
    credentials: ServiceCredentials,
    clock: SharedClock,
    nats: Option<NatsSettings>,
}

impl ServiceProcess<'_> {
    /// The time.
    pub fn clock(&self) -> SharedClock {
        Arc::clone(&self.clock)
    }

    /// A link to a peer on which nobody says who they are: for what anybody may ask, such as the public keys.
    ///
    /// # Errors
    /// When its URL is none.
    pub fn connect<P: Peer>(&self, peer: &P) -> Result<Link, StartError> {
        self.process.connect(peer)
    }

    /// A link to a peer on which every call says that this service makes it.
    ///
    /// # Errors
    /// When its URL is none.
    pub fn link<P: Peer>(&self, peer: &P) -> Result<ServiceLink, StartError> {
        Ok(self.credentials.link(P::NAME, self.connect(peer)?))
    }

    /// The broker of events, where one is configured.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub async fn nats(&self) -> Result<Option<Nats>, StartError> {
        match &self.nats {
            Some(settings) => Nats::connect(settings).await.map(Some),
            None => Ok(None),
        }
    }

    /// Publishes what the service has to tell: to the broker where one is configured, else to the users service.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub async fn relay<S: Source>(&self, db: &Db, source: S, users: &Users) -> Result<Relay<S>, StartError> {
        let publisher: Arc<dyn Publish> = match self.nats().await? {
            Some(nats) => Arc::new(nats),
            None => Arc::new(ToWebhooks::new(self.link(users)?)),
        };
        Ok(Relay::new(db.clone(), self.clock(), source, publisher))
    }

    /// The service's database; its connections follow the URL's file.
    ///
    /// # Errors
    /// When it cannot be used.
    pub async fn database(&self, migrations: &Migrations) -> Result<Db, StartError> {
        self.args.database.open(self.name, &self.urls, migrations).await
    }

    /// Another database than the service's own, called `name`, that was chosen with `flag`.
    ///
    /// # Errors
    /// When it cannot be used.
    pub async fn other_database(
        &self,
        name: &'static str,
        flag: &str,
        url: &DatabaseUrl,
        migrations: &Migrations,
    ) -> Result<Db, StartError> {
        self.args.database.database(name, flag, url, migrations).open(&*self.clock).await
    }

    /// Serves the service's RPCs behind the check of who may call them, with health and reflection, until the process
    /// is told to stop. It is ready while its database answers and the keys of access tokens can be had from `users`.
    ///
    /// # Errors
    /// When the port cannot be had.
    pub async fn serve(
        self,
        routes: Routes,
        db: Db,
        users: Link,
        background: impl AsyncFnOnce(CancellationToken),
    ) -> Result<(), StartError> {
        let keys = Arc::new(Keys::new(KeysFromUsers::new(users), self.clock()));
        let verifier = Verifier::new(self.name, keys, Some(self.secret), self.clock);
        let names = grpc_services(self.name);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let health = Health::new(&names).await;
        let ready = async || -> Result<(), String> {
            db.ping().await.map_err(|error| error.chain())?;
            verifier.ready().await.map_err(|status| status.message().to_owned())
        };
        let router = grpc_router(protect(routes, verifier.clone()), &health, DESCRIPTOR_SET, &names)?;
        let beside = async |stop: CancellationToken| {
            tokio::join!(health.clone().watch(ready, stop.clone()), background(stop));
        };
        let limits = Limits { requests: self.args.max_requests, ..Limits::default() };
        let server = Server::new(router).with_limits(limits);
        Box::pin(self.process.serve(server, &health, beside)).await?;
        db.close().await;
        Ok(())
    }
}

/// The full names of the gRPC services in the package of the service `name`.
fn grpc_services(name: &str) -> Vec<String> {
    let package = format!("moviebooking.{name}.v1");
    let services = access::pool().services().filter(|service| service.package_name() == package);
    services.map(|service| service.full_name().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_what_its_package_has() {
        assert_eq!(
            grpc_services("tickets"),
            ["moviebooking.tickets.v1.TicketsService", "moviebooking.tickets.v1.TicketsInternal"]
        );
    }
}
