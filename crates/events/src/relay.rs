//! From a database to a publisher.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use moviebooking_domain::clock::SharedClock;
use moviebooking_serve::metrics::{self, IntCounterVec, IntGaugeVec};
use moviebooking_store::{Db, StoreError};
use rand::RngExt as _;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::{Event, Publish, PublishError, lease::Lease};

/// How many events are read and published at once.
const BATCH: i64 = 500;
/// How long a publisher has for a batch. A lease outlasts it.
const PUBLISH_BOUND: Duration = Duration::from_secs(10);
/// How often the database is asked for what other processes have written.
const POLL: Duration = Duration::from_secs(1);
/// How long what this process commits is gathered before it is published.
const GATHER: Duration = Duration::from_millis(100);
/// The first and the longest pause after a failure.
const PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(15)];
/// Every so many failures in a row are logged as one that people should see: every few minutes.
const REMINDED: u32 = 20;

static EVENTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Events that were given to who publishes them, by whether they were taken.";
    metrics::counter("moviebooking_events_total", help, &["service", "outcome"])
});

static OLDEST: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    let help = "Age of the oldest event that is not published yet; 0 without one. The same in every replica.";
    metrics::gauge("moviebooking_events_oldest_unpublished_seconds", help, &["service"])
});

/// Where a service keeps what it has to tell.
pub trait Source: Send + Sync {
    /// What notes that a batch was published.
    type Receipt: Send;

    /// Events that are committed and not known to be published, from at most `limit` rows. Of those with one partition
    /// key it reads all before a later one, and none that an earlier one could still be committed before.
    ///
    /// # Errors
    /// [`StoreError`]
    fn unpublished(
        &self,
        db: &Db,
        limit: i64,
    ) -> impl Future<Output = Result<Batch<Self::Receipt>, StoreError>> + Send;

    /// Notes that a batch was published.
    ///
    /// # Errors
    /// [`StoreError`]; then the batch is published again.
    fn published(
        &self,
        db: &Db,
        receipt: Self::Receipt,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Events to be published together.
#[derive(Debug)]
pub struct Batch<R> {
    /// In order; fewer than rows where some rows tell nobody anything.
    pub events: Vec<Event>,
    /// What notes that they were published.
    pub receipt: R,
    /// How many rows were read.
    pub rows: usize,
}

/// Publishes what one service has to tell. Every replica runs one; one of them works at a time.
pub struct Relay<S> {
    db: Db,
    clock: SharedClock,
    source: S,
    publisher: Arc<dyn Publish>,
    lease: Lease,
    /// Whose events they are, once there was one.
    service: String,
}

/// What a turn found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// There may be more.
    Full,
    /// Nothing is left.
    Done,
    /// Another process publishes.
    Elsewhere,
}

/// Why a turn did not end well.
#[derive(Debug, thiserror::Error)]
enum TurnError {
    #[error("events cannot be read: {}", .0.chain())]
    Store(#[from] StoreError),
    #[error("events are not published: {0}")]
    Publish(#[from] PublishError),
    #[error("events are not published within {} s", PUBLISH_BOUND.as_secs())]
    Late,
}

impl<S: Source> Relay<S> {
    /// A relay from `source` in `db` to `publisher`.
    pub fn new(db: Db, clock: SharedClock, source: S, publisher: Arc<dyn Publish>) -> Self {
        Self { db, clock, source, publisher, lease: Lease::new(), service: String::new() }
    }

    /// Publishes until `shutdown`, and then what the last requests have left.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut failures: u32 = 0;
        loop {
            let turn = self.turn().await;
            // While a publisher is away, or another process publishes, nobody's commit hurries this one.
            let hurried = matches!(turn, Ok(Turn::Done));
            let pause = match turn {
                Ok(turn) => {
                    if failures > 0 {
                        tracing::info!("events are published again");
                    }
                    failures = 0;
                    if turn == Turn::Full { Duration::ZERO } else { POLL }
                }
                Err(error) => {
                    if failures.is_multiple_of(REMINDED) {
                        tracing::warn!(%error, failures, "it is tried again, less and less often");
                    } else {
                        tracing::debug!(%error, failures, "it is tried again");
                    }
                    failures += 1;
                    back_off(failures)
                }
            };
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                () = sleep(pause) => {}
                () = self.db.events_committed(), if hurried => sleep(GATHER).await,
            }
        }
        // What cannot be published now is by another process, or after the next start.
        if failures == 0
            && let Err(error) = self.turn().await
        {
            tracing::debug!(%error, "the last events are left to others");
        }
        if let Err(error) = self.lease.release(&self.db).await {
            tracing::debug!(error = error.chain(), "the lease is left to expire");
        }
    }

    async fn turn(&mut self) -> Result<Turn, TurnError> {
        // Without the lease first a look, which writes nothing: mostly there is nothing to do.
        let held = self.lease.lasts(self.clock.now());
        let mut batch = self.source.unpublished(&self.db, if held { BATCH } else { 1 }).await?;
        self.show_age(batch.events.first());
        if batch.rows == 0 {
            return Ok(Turn::Done);
        }
        if !held {
            if !self.lease.take(&self.db, self.clock.now()).await? {
                return Ok(Turn::Elsewhere);
            }
            // Read under the lease, so that nothing is published that another process has published meanwhile.
            batch = self.source.unpublished(&self.db, BATCH).await?;
        }
        #[cfg(feature = "sabotage")]
        if moviebooking_sabotage::Fault::EventsLost.is_on()
            && batch.events.first().is_some_and(|event| event.service() == "payments")
        {
            batch.events.clear();
        }
        if !batch.events.is_empty() {
            let publish = timeout(PUBLISH_BOUND, self.publisher.publish(&batch.events)).await;
            count(&batch.events, if matches!(publish, Ok(Ok(()))) { "published" } else { "failed" });
            publish.map_err(|_| TurnError::Late)??;
        }
        let full = i64::try_from(batch.rows).is_ok_and(|rows| rows >= BATCH);
        if batch.rows > 0 {
            self.source.published(&self.db, batch.receipt).await?;
        }
        Ok(if full { Turn::Full } else { Turn::Done })
    }

    /// Shows how long the oldest event waits, in every process: who is to publish may be who does not.
    fn show_age(&mut self, oldest: Option<&Event>) {
        if let Some(event) = oldest
            && self.service.is_empty()
        {
            event.service().clone_into(&mut self.service);
        }
        if !self.service.is_empty() {
            let now = self.clock.now();
            let age = oldest.map_or(0, |event| now.duration_since(event.time).as_secs().max(0));
            OLDEST.with_label_values(&[&self.service]).set(age);
        }
    }
}

fn count(events: &[Event], outcome: &str) {
    let service = events.first().map_or("", Event::service);
    let number = u64::try_from(events.len()).unwrap_or(u64::MAX);
    EVENTS.with_label_values(&[service, outcome]).inc_by(number);
}

/// Twice as long after each failure, and not at the same time in all processes.
fn back_off(failures: u32) -> Duration {
    let [first, longest] = PAUSES;
    let pause = first.saturating_mul(1 << failures.min(10)).min(longest);
    pause.mul_f64(rand::rng().random_range(0.5..1.0))
}
