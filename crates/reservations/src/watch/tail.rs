//! The end of one showtime's history, as all of its watchers in this process see it.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use moviebooking_domain::seating::SeatIndex;
use moviebooking_proto::reservations::v1 as wire;
use tokio::sync::broadcast::{self, Receiver, Sender};

use crate::{
    board::{Board, Change},
    convert,
};

/// What all watchers of a showtime are sent; none where a map says it: the showtime was closed.
pub(crate) type Event = Option<Arc<wire::SeatsEvent>>;

/// How many events wait for the slowest watcher.
const WAITING: usize = 64;

pub(crate) struct Tail(Mutex<State>);

struct State {
    board: Board,
    /// The seats that watchers were told are taken: the time may free them.
    taken: BTreeSet<SeatIndex>,
    events: Sender<Event>,
}

impl Tail {
    /// A tail that starts at a board, of which the watchers have seen what was so at `now`.
    pub(super) fn new(board: Board, now: Timestamp) -> Self {
        let taken = board.taken(now).iter().collect();
        Self(Mutex::new(State { board, taken, events: broadcast::channel(WAITING).0 }))
    }

    /// The board as it is and all events after it.
    pub(super) fn subscribe(&self) -> (Board, Receiver<Event>) {
        let state = self.state();
        (state.board.clone(), state.events.subscribe())
    }

    pub(super) fn is_watched(&self) -> bool {
        self.state().events.receiver_count() > 0
    }

    pub(super) fn sequence(&self) -> i64 {
        self.state().board.sequence
    }

    /// Applies the changes that are next, if they are, and sends the state of the seats that they touched and of those
    /// whose hold has expired by `now`, or that all is to be shown anew.
    pub(super) fn advance(&self, changes: &[Change], now: Timestamp) {
        let mut state = self.state();
        let State { board, taken, events } = &mut *state;
        let mut touched: BTreeSet<SeatIndex> = BTreeSet::new();
        let was_closed = board.closed;
        for change in changes {
            if board.apply(change) {
                touched.extend(change.seats.iter().filter_map(|label| board.hall.plan.seat(label)));
            }
        }
        touched.extend(taken.iter().filter(|seat| board.claim(**seat, now).is_none()));
        let closes = board.closed && !was_closed;
        if touched.is_empty() && !closes {
            return;
        }
        for seat in &touched {
            if board.claim(*seat, now).is_some() {
                taken.insert(*seat);
            } else {
                taken.remove(seat);
            }
        }
        // Nobody may be watching at the moment; then the tail is about to be forgotten.
        let _ = events.send((!closes).then(|| Arc::new(convert::seat_changes(board, touched, now))));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
