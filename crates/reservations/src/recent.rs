//! Reservations that another service has just looked at, for the sale that mostly follows within moments.
//!
//! What is here may be old: only the statement that sells a reservation in one go, which does so where the reservation is
//! still what it was, is made from it.

use std::{sync::Arc, time::Duration};

use moka::sync::Cache;
use moviebooking_domain::id::ReservationId;

use crate::reservation::Reservation;

/// Longer than most payments take from their look to their sale.
const KEPT: Duration = Duration::from_secs(10);
/// A bound on memory, about a megabyte.
const MOST: u64 = 1_000;

/// Reservations by id; a clone is a handle on the same.
#[derive(Clone)]
pub(crate) struct Recent(Cache<ReservationId, Arc<Reservation>>);

impl Recent {
    pub(crate) fn new() -> Self {
        Self(Cache::builder().max_capacity(MOST).time_to_live(KEPT).build())
    }

    /// Keeps what was just read.
    pub(crate) fn keep(&self, reservation: Reservation) {
        self.0.insert(reservation.id, Arc::new(reservation));
    }

    /// What was kept; it is not needed a second time.
    pub(crate) fn take(&self, id: ReservationId) -> Option<Arc<Reservation>> {
        self.0.remove(&id)
    }
}
