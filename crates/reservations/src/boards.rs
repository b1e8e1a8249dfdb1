//! The boards of the showtimes that sell at the moment, and a queue for each.
//!
//! A board saves reading a showtime's claims before each hold. It decides nothing for good: what is decided by it is
//! written only where the showtime's sequence in the database is still the board's.
//!
//! Whoever changes a showtime waits in its queue first. The database would make them wait as well, for the showtime's
//! row, but each with a connection that the buyers of other showtimes need.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Instant,
};

use moka::sync::Cache;
use moviebooking_domain::id::ShowtimeId;
use tokio::sync::{Mutex, MutexGuard};

use crate::board::{Board, Change};

/// How many claims all boards may have together, of about 60 bytes each; an empty board counts as [`EMPTY`].
const MOST_CLAIMS: u64 = 1_000_000;
const EMPTY: u32 = 8;

/// A board and a moment at which it was what the database had: to who asked before, its refusal is as good as the
/// database's.
pub(crate) struct Kept {
    pub(crate) board: Board,
    pub(crate) as_of: Instant,
}

#[derive(Default)]
struct Slot {
    board: Mutex<Option<Kept>>,
    weight: AtomicU32,
}

/// Boards by showtime; those that were not used for the longest time are forgotten first.
#[derive(Clone)]
pub(crate) struct Boards(Cache<ShowtimeId, Arc<Slot>>);

/// A place in the queue of a showtime.
pub(crate) struct Place {
    boards: Boards,
    showtime: ShowtimeId,
    slot: Arc<Slot>,
}

impl Boards {
    pub(crate) fn new() -> Self {
        let weigh = |_: &ShowtimeId, slot: &Arc<Slot>| EMPTY + slot.weight.load(Ordering::Relaxed);
        Self(Cache::builder().max_capacity(MOST_CLAIMS).weigher(weigh).build())
    }

    /// A place in the queue of a showtime.
    pub(crate) fn place(&self, showtime: ShowtimeId) -> Place {
        let slot = self.0.get_with(showtime, Arc::default);
        Place { boards: self.clone(), showtime, slot }
    }
}

impl Place {
    /// Waits in the queue. What is left in the slot at the end is the board for the next in the queue.
    pub(crate) async fn wait(&self) -> MutexGuard<'_, Option<Kept>> {
        self.slot.board.lock().await
    }

    /// Leaves the board for the next in the queue.
    pub(crate) fn leave(&self, mut slot: MutexGuard<'_, Option<Kept>>, kept: Kept) {
        let weight = u32::try_from(kept.board.weight()).unwrap_or(u32::MAX);
        *slot = Some(kept);
        if self.slot.weight.swap(weight, Ordering::Relaxed) != weight {
            self.boards.0.insert(self.showtime, Arc::clone(&self.slot));
        }
    }

    /// Leaves the board with the changes that were committed. One that was not the last before them stays as it is.
    pub(crate) fn leave_changed(&self, mut slot: MutexGuard<'_, Option<Kept>>, changes: &[Change]) {
        if let Some(mut kept) = slot.take() {
            for change in changes {
                kept.board.apply(change);
            }
            self.leave(slot, kept);
        }
    }
}
