//! Watching a showtime's seats, whichever process changes them.
//!
//! One task per process reads the history of the showtimes that are watched in it, a few times a second and at once
//! after a change of its own process, and gives what is new to all who watch. Because the numbers of a showtime's
//! history have no gaps and are committed in order, it misses nothing. A hold that expires is written nowhere: the task
//! sees it by the time.
//!
//! Memory is bounded: the number of watchers is, and so is what waits for a slow one, who is shown the whole map again
//! when it has missed events.

mod stream;
mod tail;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use moviebooking_domain::{clock::SharedClock, id::ShowtimeId};
use moviebooking_store::{Db, StoreError};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, broadcast::Receiver};
use tokio_util::sync::CancellationToken;

use crate::{board::Board, error::Error, hall::Hall, store};
use tail::{Event, Tail};

/// How many may watch in one process.
const MOST_WATCHERS: usize = 1_000;
/// How often the database is asked for changes of other processes.
const POLL: Duration = Duration::from_millis(250);
/// How long changes of this process are gathered before it is asked for them.
const GATHER: Duration = Duration::from_millis(15);
/// How many changes are read at once.
const BATCH: i64 = 500;

/// The showtimes that are watched in this process.
pub(crate) struct Watches {
    db: Db,
    clock: SharedClock,
    tails: Mutex<HashMap<ShowtimeId, Arc<Tail>>>,
    /// Whether any showtime is watched: spares those who change seats the lock.
    watched: AtomicBool,
    places: Arc<Semaphore>,
    wake: Notify,
    closing: CancellationToken,
}

/// One who watches.
struct Watcher {
    tail: Arc<Tail>,
    events: Receiver<Event>,
    _place: OwnedSemaphorePermit,
}

impl Watches {
    pub(crate) fn new(db: Db, clock: SharedClock) -> Arc<Self> {
        Self::with_places(db, clock, MOST_WATCHERS)
    }

    pub(crate) fn with_places(db: Db, clock: SharedClock, places: usize) -> Arc<Self> {
        Arc::new(Self {
            db,
            clock,
            tails: Mutex::default(),
            watched: AtomicBool::new(false),
            places: Arc::new(Semaphore::new(places)),
            wake: Notify::new(),
            closing: CancellationToken::new(),
        })
    }

    /// Says that this process has changed seats of a showtime.
    pub(crate) fn wake(&self, showtime: ShowtimeId) {
        if self.watched.load(Ordering::Acquire) && self.tails().contains_key(&showtime) {
            self.wake.notify_one();
        }
    }

    /// Ends all watching, for the end of the process: whoever watches goes on at another.
    pub(crate) fn close(&self) {
        self.closing.cancel();
    }

    /// A new watcher of the showtime and the board that its first event comes after.
    async fn join(
        self: &Arc<Self>,
        showtime: ShowtimeId,
        hall: &Arc<Hall>,
    ) -> Result<(Watcher, Board), Error> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Error::TooManyWatchers)?;
        let existing = self.existing(showtime);
        // The receiver keeps the tail in the map while it is brought up to now.
        let (tail, _receiver) = match existing {
            Some(existing) => existing,
            None => self.existing_or(showtime, store::board(&self.db, showtime, hall).await?),
        };
        self.follow(showtime, &tail).await?;
        let (board, events) = tail.subscribe();
        Ok((Watcher { tail, events, _place: place }, board))
    }

    pub(crate) fn existing(&self, showtime: ShowtimeId) -> Option<(Arc<Tail>, Receiver<Event>)> {
        self.tails().get(&showtime).map(|tail| (Arc::clone(tail), tail.subscribe().1))
    }

    fn existing_or(self: &Arc<Self>, showtime: ShowtimeId, board: Board) -> (Arc<Tail>, Receiver<Event>) {
        let mut tails = self.tails();
        if tails.is_empty() {
            self.watched.store(true, Ordering::Release);
            tokio::spawn(Arc::clone(self).run());
        }
        let now = self.clock.now();
        let tail = tails.entry(showtime).or_insert_with(|| Arc::new(Tail::new(board, now)));
        (Arc::clone(tail), tail.subscribe().1)
    }

    /// Gives what is new to those who watch, until nobody does.
    async fn run(self: Arc<Self>) {
        let mut failing = false;
        loop {
            tokio::select! {
                () = self.closing.cancelled() => return,
                () = tokio::time::sleep(POLL) => {}
                () = self.wake.notified() => tokio::time::sleep(GATHER).await,
            }
            let Some(tails) = self.still_watched() else { return };
            match self.read(&tails).await {
                Ok(()) => failing = false,
                Err(error) if failing => tracing::debug!(error = error.chain(), "seats cannot be watched"),
                Err(error) => {
                    failing = true;
                    tracing::warn!(
                        error = error.chain(),
                        "seats cannot be watched until the database answers"
                    );
                }
            }
            for (_, tail) in tails {
                tail.advance(&[], self.clock.now());
            }
        }
    }

    /// Forgets the showtimes that nobody watches any more; `None` when there is no other.
    fn still_watched(&self) -> Option<Vec<(ShowtimeId, Arc<Tail>)>> {
        let mut tails = self.tails();
        tails.retain(|_, tail| tail.is_watched());
        if tails.is_empty() {
            self.watched.store(false, Ordering::Release);
            return None;
        }
        Some(tails.iter().map(|(showtime, tail)| (*showtime, Arc::clone(tail))).collect())
    }

    async fn read(&self, tails: &[(ShowtimeId, Arc<Tail>)]) -> Result<(), StoreError> {
        let known: Vec<_> = tails.iter().map(|(showtime, tail)| (*showtime, tail.sequence())).collect();
        let changed = store::changed_since(&self.db, &known).await?;
        for (showtime, tail) in tails {
            if changed.contains(showtime) {
                self.follow(*showtime, tail).await?;
            }
        }
        Ok(())
    }

    /// Brings a tail up to now.
    pub(crate) async fn follow(&self, showtime: ShowtimeId, tail: &Tail) -> Result<(), StoreError> {
        loop {
            let changes = store::changes_after(&self.db, showtime, tail.sequence(), BATCH).await?;
            tail.advance(&changes, self.clock.now());
            if i64::try_from(changes.len()).is_ok_and(|count| count < BATCH) {
                return Ok(());
            }
        }
    }

    fn tails(&self) -> MutexGuard<'_, HashMap<ShowtimeId, Arc<Tail>>> {
        self.tails.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
