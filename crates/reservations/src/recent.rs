//! Reservations that were just made or looked at, for the payment that mostly follows within moments.
//!
//! What is here may be old where another process has changed the reservation since, or this one while it was read. Nothing
//! is done by it for good: a payment that begins by it is refused when its seats are to be sold, and the statement that
//! sells a reservation in one go does so where the reservation is still what it was.

use std::{sync::Arc, time::Duration};

use moka::{policy::EvictionPolicy, sync::Cache};
use moviebooking_domain::id::ReservationId;

use crate::reservation::Reservation;

/// Longer than most payments take from their hold or their look to their sale.
const KEPT: Duration = Duration::from_secs(10);
/// A bound on memory, about a megabyte.
const MOST: u64 = 1_000;

/// Reservations by id; a clone is a handle on the same.
#[derive(Clone)]
pub(crate) struct Recent(Cache<ReservationId, Arc<Reservation>>);

impl Recent {
    pub(crate) fn new() -> Self {
        let cache = Cache::builder().max_capacity(MOST).eviction_policy(EvictionPolicy::lru());
        Self(cache.time_to_live(KEPT).build())
    }

    /// Keeps what was just written or read.
    pub(crate) fn keep(&self, reservation: Reservation) {
        self.0.insert(reservation.id, Arc::new(reservation));
    }

    /// What was kept.
    pub(crate) fn look(&self, id: ReservationId) -> Option<Arc<Reservation>> {
        self.0.get(&id)
    }

    /// What was kept, which is not kept any longer.
    pub(crate) fn take(&self, id: ReservationId) -> Option<Arc<Reservation>> {
        self.0.remove(&id)
    }
}
