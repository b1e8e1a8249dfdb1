//! Runs sagas: one step after another, by whoever holds the lease, whether or not somebody waits for the end.

use std::{future::Future, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use moviebooking_domain::{clock::SharedClock, id::PaymentId};
use moviebooking_proto::{Problem, Reason};
use moviebooking_store::{Row, StoreError};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout_at},
};
use tracing::Instrument as _;
use uuid::Uuid;

use crate::{
    Limits,
    kind::Kind,
    parking,
    store::{Lease, Leases, Store},
};

/// How many due rows one worker takes at once.
const BATCH: i64 = 16;

/// After how long a step that is not done yet has its lease renewed, again and again: twice within a lease.
const RENEWAL: Duration = Duration::from_secs(2);

/// How long who waits for another's work pauses before looking again: at first and at most.
const LOOK_AGAIN: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(250));

/// A piece of work in steps, whose state is in the database before each step's outside effect.
pub(crate) trait Saga: Send + Sync + 'static {
    /// Which saga it is.
    const KIND: Kind;

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
    /// The payment that it is about; none for what is not parked itself, because it only waits for what is.
    fn payment(&self) -> Option<PaymentId>;
    fn lease(&self) -> Lease;
    /// Since when its next step is the one to be done.
    fn since(&self) -> Timestamp;
    /// Whether no step is left.
    fn ended(&self) -> bool;
    /// Whether it waits for a person.
    fn parked(&self) -> bool {
        !self.ended() && self.lease().due_at.is_none()
    }
}

/// Why a saga does not go on now.
#[derive(Debug)]
pub(crate) enum Halt {
    /// The step is to be tried again after a pause; the text is for the log.
    Later(String),
    /// Somebody else must do something first, and nothing is wrong: look again after this pause.
    Waiting(SignedDuration),
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
    /// A step was tried for long enough; a person has to look at it.
    #[error("parked")]
    Parked,
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
            Pending::Parked => Self::new(
                Reason::PaymentParked,
                "It could not be finished for hours, and waits for the people who run the platform. Nothing is lost: \
                 they go on with it or give the money back.",
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
    limits: Limits,
}

impl<S> Clone for Runner<S> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<S: Saga> Runner<S> {
    pub(crate) fn new(saga: S, store: &Store, clock: SharedClock, limits: Limits) -> Self {
        let leases = store.leases(S::KIND);
        Self { shared: Arc::new(Shared { saga, leases, clock, limits }) }
    }

    /// The saga, to be stopped anywhere.
    #[cfg(test)]
    pub(crate) fn saga(&self) -> &S {
        &self.shared.saga
    }

    /// Runs an item whose lease the caller holds to its end, or until it waits for somebody outside. A step that could not
    /// be done is tried once more before the caller is told, if there is time: that makes up for a replica that has just
    /// ended, and for an answer that took too long.
    pub(crate) async fn finish(&self, item: S::Item) -> Result<S::Item, Pending> {
        let (id, until) = (item.id(), self.deadline());
        match self.finish_until(until, item).await {
            Err(Pending::Later) if Instant::now() + self.shared.limits.again < until => {
                sleep(self.shared.limits.again).await;
                self.follow_until(until, self.shared.saga.load(id).await?).await
            }
            answer => answer,
        }
    }

    /// When a request that begins now is answered at the latest.
    fn deadline(&self) -> Instant {
        Instant::now() + self.shared.limits.request
    }

    /// Runs the item in a task of its own, so that nobody who stops waiting stops it.
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
    pub(crate) async fn follow(&self, item: S::Item) -> Result<S::Item, Pending> {
        self.follow_until(self.deadline(), item).await
    }

    async fn follow_until(&self, until: Instant, mut item: S::Item) -> Result<S::Item, Pending> {
        let (mut pause, longest) = LOOK_AGAIN;
        loop {
            if item.ended() {
                return Ok(item);
            }
            if item.parked() {
                return Err(Pending::Parked);
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

    /// Does one step, and keeps the lease for as long as that takes.
    async fn step(&self, item: &S::Item) -> Result<S::Item, Halt> {
        let renew = async {
            loop {
                sleep(RENEWAL).await;
                let now = self.shared.clock.now();
                if let Err(error) = self.shared.leases.renew(item.id(), item.lease(), now).await {
                    tracing::warn!(id = %item.id(), error = error.chain(), "a saga's lease is not renewed");
                }
            }
        };
        tokio::select! {
            done = self.shared.saga.step(item) => done,
            never = renew => never,
        }
    }

    /// Gives an item whose step could not be done back to the workers or, when that has gone on for long enough, to the
    /// platform's people.
    async fn set_aside(&self, item: &S::Item, why: &str) -> Pending {
        let (id, lease, now) = (item.id(), item.lease(), self.shared.clock.now());
        let saga = S::KIND.label();
        let (pending, done) = match item.payment().filter(|_| parking::is_over(item, now)) {
            Some(payment) => (Pending::Parked, self.shared.leases.park((id, payment), lease, why, now).await),
            None => (Pending::Later, self.shared.leases.postpone(id, lease, now).await.map(|()| false)),
        };
        match done {
            Ok(true) => {
                let payment = item.payment().map(tracing::field::display);
                tracing::error!(saga, %id, payment, why, "a saga is parked: resume or compensate its payment")
            }
            Ok(false) => {
                tracing::warn!(saga, %id, attempts = lease.attempts, why, "a saga's step is postponed")
            }
            Err(error) => {
                let error = error.chain();
                tracing::warn!(saga, %id, why, error, "a saga's lease is left to run out");
                return Pending::Later;
            }
        }
        pending
    }

    async fn advance(&self, mut item: S::Item) -> Result<S::Item, Pending> {
        // An item that waits for somebody outside is held by nobody.
        while !item.ended() && item.lease().token.is_some() {
            item = match self.step(&item).await {
                Ok(next) => next,
                Err(Halt::Waiting(pause)) => {
                    let now = self.shared.clock.now();
                    self.shared.leases.pause(item.id(), item.lease(), pause, now).await?;
                    return Ok(item);
                }
                Err(Halt::Lost) => return Err(Pending::InFlight),
                Err(Halt::Later(why)) => return Err(self.set_aside(&item, &why).await),
            };
        }
        Ok(item)
    }
}
