//! Tickets: issued once for each sold seat, with a signed code, to show, to print, and to be let in with once.
//!
//! A ticket keeps what it was sold for (movie, theater, hall, start, price) as it was when it was issued. Its code
//! can be verified offline: see [`code`]. It ends in one of two ways, never both: checked in at the door, or void.

pub mod code;
mod ends;
mod error;
mod grpc;
mod issue;
mod keys;
mod metrics;
mod pdf;
mod qr;
mod read;
mod rotate_keys;
mod shows;
mod store;
#[cfg(test)]
mod tests;
mod ticket;

use std::time::Duration;

use moviebooking_auth::ServiceLink;
use moviebooking_domain::clock::SharedClock;
use moviebooking_events::{LEASE_MIGRATION, outbox};
use moviebooking_proto::tickets::v1::{
    tickets_internal_server::TicketsInternalServer, tickets_service_server::TicketsServiceServer,
};
use moviebooking_store::{Db, Migrations, idempotency, migration};
use tokio_util::sync::CancellationToken;
use tonic::service::{Routes, RoutesBuilder};

pub(crate) use error::TicketError;
pub use rotate_keys::RotateKeys;

/// The service's name in service tokens and logs.
pub const NAME: &str = "tickets";

/// Its database.
pub static MIGRATIONS: Migrations = Migrations::new(&[
    migration!(1, "migrations/0001_tickets.sql"),
    migration!(2, "migrations/0002_refund_policy.sql"),
    migration!(3, "migrations/0003_key_times.sql"),
    migration!(4, "migrations/0004_one_sale.sql"),
    idempotency::MIGRATION,
    LEASE_MIGRATION,
    outbox::MIGRATION,
]);

/// How often the keys are looked at: an operator may have added one.
const LOOK: Duration = Duration::from_secs(10);

/// The tickets service. Clone it freely.
#[derive(Clone)]
pub struct Service {
    db: Db,
    clock: SharedClock,
    keys: keys::Keys,
    shows: shows::Shows,
    printer: pdf::Printer,
    issuer: store::Issuer,
}

impl Service {
    /// The service on its migrated database, with links to `movies` and `theaters`. The signing key is made or read
    /// when it is first needed.
    pub fn new(db: Db, clock: SharedClock, movies: ServiceLink, theaters: ServiceLink) -> Self {
        metrics::show();
        Self {
            keys: keys::Keys::new(db.clone(), clock.clone()),
            shows: shows::Shows::new(movies, theaters),
            printer: pdf::Printer::new(),
            issuer: store::Issuer::new(db.clone()),
            db,
            clock,
        }
    }

    /// Its RPCs, unprotected: wrap them with [`moviebooking_auth::protect`].
    pub fn routes(&self) -> Routes {
        let mut routes = RoutesBuilder::default();
        routes
            .add_service(TicketsServiceServer::new(self.clone()))
            .add_service(TicketsInternalServer::new(self.clone()));
        routes.routes()
    }

    /// Looks for new signing keys and deletes old idempotency keys from time to time, until told to stop.
    pub async fn run_background(&self, shutdown: CancellationToken) {
        let work =
            async { tokio::join!(idempotency::keep_purged(&self.db, &*self.clock), self.watch_keys()) };
        shutdown.run_until_cancelled(work).await;
    }

    async fn watch_keys(&self) {
        loop {
            if let Err(error) = self.keys.look().await {
                tracing::warn!(%error, "the ticket keys cannot be read; those that are known are used");
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}
