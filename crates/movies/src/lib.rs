//! The catalogue, and what is shown when, where and at which price.
//!
//! A movie is shown at a showtime: in one hall, from one instant on, with the hall's seat layout of the moment frozen into
//! it and one price per seat category. What the service has to know of halls and theaters it asks the theaters service
//! when a showtime is scheduled, and never again. A cancelled showtime is told to reservations, which give its seats back, and to
//! payments, which refund it.
//!
//! [`import`] loads catalogues from files.

mod catalogue;
mod closing;
mod error;
mod fold;
mod grpc;
pub mod import;
mod movie;
mod neighbours;
mod schedule;
mod showtime;
mod store;

use moviebooking_auth::ServiceLink;
use moviebooking_domain::clock::SharedClock;
use moviebooking_events::{LEASE_MIGRATION, outbox};
use moviebooking_proto::movies::v1::movies_service_server::MoviesServiceServer;
use moviebooking_store::{Db, Migrations, idempotency, migration};
use tonic::service::Routes;

use crate::{error::Error, neighbours::Neighbours};

/// The service's name: in service tokens and logs.
pub const NAME: &str = "movies";

/// What its database must look like.
pub static MIGRATIONS: Migrations = Migrations::new(&[
    migration!(1, "migrations/0001_movies.sql"),
    migration!(2, "migrations/0002_showtimes.sql"),
    idempotency::MIGRATION,
    LEASE_MIGRATION,
    outbox::MIGRATION,
]);

/// The service. Clone it freely.
#[derive(Clone)]
pub struct Service {
    db: Db,
    clock: SharedClock,
    neighbours: Neighbours,
}

impl Service {
    /// The service on its database, which has [`MIGRATIONS`], and the services that it calls.
    pub fn new(
        db: Db,
        clock: SharedClock,
        theaters: ServiceLink,
        reservations: ServiceLink,
        payments: ServiceLink,
    ) -> Self {
        Self { db, clock, neighbours: Neighbours::new(theaters, reservations, payments) }
    }

    /// Its RPCs, for `moviebooking_auth::protect`.
    pub fn routes(&self) -> Routes {
        Routes::new(MoviesServiceServer::new(self.clone()))
    }
}
