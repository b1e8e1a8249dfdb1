//! Theaters, their halls, and the halls' seat layouts: the service `moviebooking.theaters.v1.TheatersService`.
//!
//! A layout is published as an immutable version of its hall, written here or read from a seating plan in pretix's
//! format. Nothing is ever deleted: a theater or hall is closed, is no longer listed, takes no change any more, and
//! stays readable by its id, because tickets that were sold name it.
//!
//! Everything that changes a theater or one of its halls does so under the lock of that theater: what more than one
//! row decides (a time zone that no hall depends on yet, the next version of a layout, a hall that is not opened in a
//! theater that is being closed) is true when it is committed.

mod error;
mod grpc;
mod halls;
mod layouts;
mod pretix;
mod store;
mod theaters;
mod zone;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use jiff::Timestamp;
use moka::sync::Cache;
use moviebooking_domain::{clock::SharedClock, id::HallId};
use moviebooking_events::{LEASE_MIGRATION, outbox};
use moviebooking_proto::theaters::v1::{self as wire, theaters_service_server::TheatersServiceServer};
use moviebooking_store::{Db, Migrations, Tx, idempotency, migration, retry};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::error::Error;

/// The service's name in service tokens and logs.
pub const NAME: &str = "theaters";

/// The service's tables.
pub static MIGRATIONS: Migrations = Migrations::new(&[
    migration!(1, "migrations/0001_theaters.sql"),
    migration!(2, "migrations/0002_refund_policy.sql"),
    idempotency::MIGRATION,
    LEASE_MIGRATION,
    outbox::MIGRATION,
]);

/// Seats of all layouts that are kept decoded: some hundred halls, 15 MB.
const MOST_SEATS_KEPT: u64 = 50_000;

/// The service; clone it freely.
#[derive(Clone)]
pub struct Service {
    db: Db,
    clock: SharedClock,
    layouts: Cache<(HallId, i32), Arc<wire::Layout>>,
}

impl Service {
    /// A service over a database that has [`MIGRATIONS`].
    pub fn new(db: Db, clock: SharedClock) -> Self {
        let seats = |_: &_, layout: &Arc<wire::Layout>| {
            let seats = layout.rows.iter().map(|row| row.seats.len()).sum::<usize>();
            u32::try_from(seats).unwrap_or(u32::MAX)
        };
        let layouts = Cache::builder().max_capacity(MOST_SEATS_KEPT).weigher(seats).build();
        Self { db, clock, layouts }
    }

    /// The service's RPCs, without the check of who may call them.
    pub fn routes(&self) -> Routes {
        Routes::new(TheatersServiceServer::new(self.clone()))
    }

    /// Deletes old idempotency keys from time to time, until told to stop.
    pub async fn run_background(&self, shutdown: CancellationToken) {
        shutdown.run_until_cancelled(idempotency::keep_purged(&self.db, &*self.clock)).await;
    }

    /// Does `work` and keeps its answer for repetitions of the request, in one transaction, which `work` gives back.
    async fn once<T, M, F>(
        &self,
        request: &idempotency::Request,
        work: impl Fn(Tx, Timestamp) -> F,
    ) -> Result<M, Error>
    where
        F: Future<Output = Result<(Tx, T), Error>>,
        M: prost::Message + Default + From<T>,
    {
        let now = self.clock.now();
        retry(|| async {
            let mut tx = self.db.begin().await?;
            if let Some(answer) = request.begin(&mut tx, now).await? {
                return Ok(answer);
            }
            let (mut tx, answer) = work(tx, now).await?;
            let answer = M::from(answer);
            request.finish(&mut tx, &answer).await?;
            tx.commit().await?;
            Ok(answer)
        })
        .await
    }
}
