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
mod pdf;
mod qr;
mod read;
mod shows;
mod store;
#[cfg(test)]
mod tests;
mod ticket;

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

/// The service's name in service tokens and logs.
pub const NAME: &str = "tickets";

/// Its database.
pub static MIGRATIONS: Migrations = Migrations::new(&[
    migration!(1, "migrations/0001_tickets.sql"),
    migration!(2, "migrations/0002_refund_policy.sql"),
    idempotency::MIGRATION,
    LEASE_MIGRATION,
    outbox::MIGRATION,
]);

/// The tickets service. Clone it freely.
#[derive(Clone)]
pub struct Service {
    db: Db,
    clock: SharedClock,
    keys: keys::Keys,
    shows: shows::Shows,
    printer: pdf::Printer,
}

impl Service {
    /// The service on its migrated database, with links to `movies` and `theaters`. The signing key is made or read
    /// when it is first needed.
    pub fn new(db: Db, clock: SharedClock, movies: ServiceLink, theaters: ServiceLink) -> Self {
        Self {
            keys: keys::Keys::new(db.clone(), clock.clone()),
            shows: shows::Shows::new(movies, theaters),
            printer: pdf::Printer::new(),
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

    /// Deletes old idempotency keys from time to time, until told to stop.
    pub async fn run_background(&self, shutdown: CancellationToken) {
        shutdown.run_until_cancelled(idempotency::keep_purged(&self.db, &*self.clock)).await;
    }
}
