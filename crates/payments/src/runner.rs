//! Runs sagas: one step after another, by whoever holds the lease, whether or not somebody waits for the end.

use std::{future::Future, sync::Arc, time::Duration};

use moviebooking_domain::clock::SharedClock;
use moviebooking_proto::{Problem, Reason};
use moviebooking_store::{Row, StoreError};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout_at},
};
use tracing::Instrument as _;
use uuid::Uuid;

use crate::store::{Lease, Leases};

/// How many due rows one worker takes at once.
const BATCH: i64 = 16;

/// How long who waits for another's work pauses before looking again: at first and at most.
const LOOK_AGAIN: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(250));

/// A piece of work in steps, whose state is in the database before each step's outside effect.
pub(crate) trait Saga: Send + Sync + 'static {
    /// One such piece.
    type Item: Item;

    /// Reads an item from its row.
    fn read(row: &Row) -> Result<Self::Item, StoreError>;

    /// Reads an item from the database.
    fn load(&self, id: Uuid) -> impl Future<Output = Result<Self::Item, StoreError>> + Send;

    /// Does the item's next step and writes down what came of it. The caller holds the lease.
    fn step(&self, item: &Self::Item) -> impl Future<Output = Result<Self::Item, Halt>> + Send;
}

/// What a runner needs to know of an item.
pub(crate) trait Item: Clone + Send + Sync + 'static {
    fn id(&self) -> Uuid;
    fn lease(&self) -> Lease;
    /// Whether no step is left.
    fn ended(&self) -> bool;
}

/// Why a saga does not go on now.
#[derive(Debug)]
pub(crate) enum Halt {
    /// The step is to be tried again after a pause; the text is for the log.
    Later(String),
    /// Somebody else has the lease and goes on.
    Lost,
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Later(error.chain())
    }
}

/// Why the end of a saga is not known yet.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Pending {
    /// Somebody works on it.
    #[error("still being worked on")]
    InFlight,
    /// A step could not be done and is tried again later.
    #[error("a step is to be tried again")]
    Later,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Pending> for Problem {
    fn from(pending: Pending) -> Self {
        match pending {
            Pending::InFlight => Self::new(
                Reason::RequestInFlight,
                "It is still being worked on: repeat the request with the same idempotency key.",
            )
            .retry_after(Duration::from_secs(1)),
            Pending::Later => Self::unavailable(
                "A part of the platform or the payment provider does not answer. The platform goes on by itself: \
                 repeat the request with the same idempotency key to learn how it ended.",
            ),
            Pending::Store(error) => error.into(),
        }
    }
}

/// Runs the sagas of one kind.
pub(crate) struct Runner<S> {
    shared: Arc<Shared<S>>,
}

struct Shared<S> {
    saga: S,
    leases: Leases,
    clock: SharedClock,
    /// How long a request waits for the end.
    patience: Duration,
}

impl<S> Clone for Runner<S> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<S: Saga> Runner<S> {
    pub(crate) fn new(saga: S, leases: Leases, clock: SharedClock, patience: Duration) -> Self {
        Self { shared: Arc::new(Shared { saga, leases, clock, patience }) }
    }

    /// Runs an item whose lease the caller holds, in a task of its own so that nobody who stops waiting stops it.
    pub(crate) async fn finish(&self, item: S::Item) -> Result<S::Item, Pending> {
        self.finish_until(Instant::now() + self.shared.patience, item).await
    }

    async fn finish_until(&self, until: Instant, item: S::Item) -> Result<S::Item, Pending> {
        let runner = self.clone();
        let run = tokio::spawn(async move { runner.advance(item).await }.in_current_span());
        match timeout_at(until, run).await {
            Ok(Ok(ended)) => ended,
            Ok(Err(error)) => {
                tracing::error!(%error, "a saga's task ended early; a worker takes it over");
                Err(Pending::Later)
            }
            Err(_elapsed) => Err(Pending::InFlight),
        }
    }

    /// Waits for the end of an item that somebody else began, or goes on with it when nobody does.
    pub(crate) async fn follow(&self, mut item: S::Item) -> Result<S::Item, Pending> {
        let until = Instant::now() + self.shared.patience;
        let (mut pause, longest) = LOOK_AGAIN;
        loop {
            if item.ended() {
                return Ok(item);
            }
            if let Some(row) = self.shared.leases.claim(item.id(), self.shared.clock.now()).await? {
                return self.finish_until(until, S::read(&row)?).await;
            }
            if Instant::now() + pause > until {
                return Err(Pending::InFlight);
            }
            sleep(pause).await;
            pause = (pause * 2).min(longest);
            item = self.shared.saga.load(item.id()).await?;
        }
    }

    /// Goes on with items that nobody works on and whose time has come. Returns how many it took.
    pub(crate) async fn tick(&self) -> Result<usize, StoreError> {
        let rows = self.shared.leases.claim_due(BATCH, self.shared.clock.now()).await?;
        let taken = rows.len();
        let mut running = JoinSet::new();
        for row in rows {
            match S::read(&row) {
                Ok(item) => {
                    let runner = self.clone();
                    running.spawn(async move { runner.advance(item).await.map(drop) });
                }
                // One row that cannot be read must not stop the others.
                Err(error) => tracing::error!(error = error.chain(), "a saga's row cannot be read"),
            }
        }
        while let Some(ended) = running.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a saga's task ended early; it is taken over later");
            }
        }
        Ok(taken)
    }

    /// Whether a worker has more to do at once than it took in one [`tick`](Self::tick).
    pub(crate) fn is_full(taken: usize) -> bool {
        i64::try_from(taken).is_ok_and(|taken| taken >= BATCH)
    }

    async fn advance(&self, mut item: S::Item) -> Result<S::Item, Pending> {
        while !item.ended() {
            item = match self.shared.saga.step(&item).await {
                Ok(next) => next,
                Err(Halt::Lost) => return Err(Pending::InFlight),
                Err(Halt::Later(why)) => {
                    tracing::warn!(id = %item.id(), attempts = item.lease().attempts, why, "a saga's step is postponed");
                    // When this fails, too, the lease runs out.
                    let now = self.shared.clock.now();
                    if let Err(error) = self.shared.leases.postpone(item.id(), item.lease(), now).await {
                        tracing::warn!(id = %item.id(), error = error.chain(), "a saga's lease is left to run out");
                    }
                    return Err(Pending::Later);
                }
            };
        }
        Ok(item)
    }
}
