//! Who holds or owns which seat of which showtime: never two.
//!
//! What is so now stands in `seat_claims`, whose primary key is showtime and seat; what was so in `seat_history`. Each
//! change of a showtime's seats, in whichever process, first adds one to the `sequence` in the showtime's row, which
//! orders all changes of a showtime and gives each its number in the history. So what more than one seat decides (the
//! rules of a hold) is decided on a state that nothing else changes meanwhile.
//!
//! A hold is decided on a board, the claims of a showtime after one of its changes, and written under
//! the condition that this is still the last one: in one statement on PostgreSQL. Boards are kept in memory to save
//! reading; that a seat is not sold twice never depends on them.
//!
//! Whether a hold has expired is a matter of the time alone: nothing is written when it does, and the next hold takes
//! the seats over.

pub mod audit;
mod board;
mod boards;
mod catalogue;
mod change;
mod choose;
mod config;
mod convert;
mod error;
mod events;
mod grpc;
mod hall;
mod hold;
mod metrics;
mod offer;
mod read;
mod recent;
mod reservation;
mod store;
#[cfg(test)]
mod tests;
mod watch;

use std::sync::Arc;

use jiff::SignedDuration;
use moviebooking_auth::ServiceLink;
use moviebooking_domain::clock::SharedClock;
use moviebooking_events::LEASE_MIGRATION;
use moviebooking_proto::reservations::v1::{
    reservations_internal_server::ReservationsInternalServer,
    reservations_service_server::ReservationsServiceServer,
};
use moviebooking_serve::metrics::keep_fresh;
use moviebooking_store::{Db, Engine, Migrations, idempotency, migration};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::{boards::Boards, catalogue::Catalogue, recent::Recent, store::AtOnce, watch::Watches};
pub use crate::{config::Config, events::History};

/// The service's name in service tokens and logs.
pub const NAME: &str = "reservations";

/// Its tables.
pub static MIGRATIONS: Migrations = Migrations::new(&[
    migration!(1, "migrations/0001_reservations.sql"),
    migration!(2, "migrations/0002_offers.sql"),
    migration!(3, "migrations/0003_published_changes.sql"),
    migration!(4, "migrations/0004_unpublished_changes.sql"),
    migration!(5, "migrations/0005_changes_published_together.sql"),
    migration!(6, "migrations/0006_room_for_updates.sql"),
    idempotency::MIGRATION,
    LEASE_MIGRATION,
]);

/// The service; cheap to clone.
#[derive(Clone)]
pub struct Service {
    db: Db,
    clock: SharedClock,
    catalogue: Arc<Catalogue>,
    boards: Boards,
    watches: Arc<Watches>,
    /// What reads and writes for several buyers in one statement, where the database can.
    at_once: Option<AtOnce>,
    recent: Recent,
    /// How long a hold lasts.
    hold: SignedDuration,
}

impl Service {
    /// The service on its migrated database, with links to movies and theaters.
    pub fn new(db: Db, clock: SharedClock, movies: ServiceLink, theaters: ServiceLink) -> Self {
        metrics::show();
        Self {
            catalogue: Arc::new(Catalogue::new(movies, theaters)),
            boards: Boards::new(),
            watches: Watches::new(db.clone(), clock.clone()),
            at_once: (db.engine() == Engine::Postgres).then(|| AtOnce::new(&db)),
            recent: Recent::new(),
            hold: Config::default().hold(),
            db,
            clock,
        }
    }

    /// The service with other settings.
    #[must_use]
    pub fn with(self, config: Config) -> Self {
        Self { hold: config.hold(), ..self }
    }

    /// Its RPCs, not yet protected.
    pub fn routes(&self) -> Routes {
        Routes::new(ReservationsServiceServer::new(self.clone()))
            .add_service(ReservationsInternalServer::new(self.clone()))
    }

    /// Counts holds that have expired and deletes old idempotency keys until `shutdown`, and then ends all watching, so
    /// that open streams do not keep the process from stopping.
    pub async fn run_background(&self, shutdown: CancellationToken) {
        let expiries = metrics::Expiries::from_now(&*self.clock);
        let count = || async {
            expiries.count(&self.db, self.clock.now()).await.map(drop).map_err(|error| error.chain())
        };
        let work =
            async { tokio::join!(idempotency::keep_purged(&self.db, &*self.clock), keep_fresh(count)) };
        shutdown.run_until_cancelled(work).await;
        self.watches.close();
    }
}
