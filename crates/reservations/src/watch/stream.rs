//! What one watcher is sent.

use std::{collections::BTreeSet, sync::Arc};

use futures::{Stream, StreamExt as _, stream};
use moviebooking_auth::Caller;
use moviebooking_domain::id::{ShowtimeId, UserId};
use moviebooking_proto::reservations::v1::{SeatsEvent, seats_event::Event};
use tokio::sync::broadcast::error::RecvError;

use crate::{
    Service,
    board::{Board, ChangeKind},
    catalogue::Showtime,
    convert,
    error::Error,
    read::viewer,
    store,
};

use super::Watcher;

/// A watcher that has missed more changes than this is shown the whole map.
const MOST_MISSED: i64 = 1_000;

/// What a map is drawn with.
struct View {
    service: Service,
    showtime: Arc<Showtime>,
    viewer: Option<UserId>,
}

impl Service {
    /// The seat map, or what has changed after the change numbered `after` (0: none), and then each change.
    ///
    /// # Errors
    /// `SHOWTIME_NOT_FOUND`; [`Error::TooManyWatchers`].
    pub(crate) async fn watch(
        &self,
        caller: &Caller,
        showtime: ShowtimeId,
        after: i64,
    ) -> Result<impl Stream<Item = SeatsEvent> + Send + use<>, Error> {
        let showtime = self.catalogue.showtime(showtime).await?;
        let hall = self.catalogue.hall(&showtime).await?;
        let (watcher, board) = self.watches.join(showtime.id, &hall).await?;
        let view = View { service: self.clone(), showtime, viewer: viewer(caller) };
        let first = match view.missed(&board, after).await? {
            Some(missed) => missed,
            None => Some(view.map(&board)),
        };
        let closing = self.watches.closing.clone();
        let later = stream::unfold((watcher, view), |(mut watcher, view)| async {
            let event = next(&mut watcher, &view).await?;
            Some((event, (watcher, view)))
        });
        Ok(stream::iter(first).chain(later).take_until(closing.cancelled_owned()))
    }
}

/// The next event; `None` at the end.
async fn next(watcher: &mut Watcher, view: &View) -> Option<SeatsEvent> {
    match watcher.events.recv().await {
        Ok(Some(event)) => Some((*event).clone()),
        Err(RecvError::Closed) => None,
        Ok(None) | Err(RecvError::Lagged(_)) => {
            let (board, events) = watcher.tail.subscribe();
            watcher.events = events;
            Some(view.map(&board))
        }
    }
}

impl View {
    fn map(&self, board: &Board) -> SeatsEvent {
        let map = convert::seat_map(&self.showtime, board, self.service.clock.now(), self.viewer);
        SeatsEvent { sequence: board.sequence, event: Some(Event::Snapshot(map)) }
    }

    /// What is to be told to who has seen everything until `after`: the seats that were touched since, and those that
    /// the time has freed, of which who was away cannot know. `None` when that cannot be told without a map.
    async fn missed(&self, board: &Board, after: i64) -> Result<Option<Option<SeatsEvent>>, Error> {
        let behind = board.sequence - after;
        if after == 0 || !(0..=MOST_MISSED).contains(&behind) {
            return Ok(None);
        }
        let changes = store::changes_after(&self.service.db, self.showtime.id, after, behind).await?;
        if changes.iter().any(|change| change.kind == ChangeKind::Closed) {
            return Ok(None);
        }
        let now = self.service.clock.now();
        let touched = changes.iter().flat_map(|change| &change.seats);
        let mut seats: BTreeSet<_> = touched.filter_map(|label| board.hall.plan.seat(label)).collect();
        seats.extend(board.expired(now));
        Ok(Some((!seats.is_empty()).then(|| convert::seat_changes(board, seats, now))))
    }
}
