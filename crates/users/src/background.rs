//! What the service does by itself: keys come and go, and what has expired is deleted; webhooks are sent.

use std::time::Duration;

use moviebooking_store::{StoreError, idempotency};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::{Service, error::Error, store};

/// How often. Well below the time for which a key is published before it signs.
const PERIOD: Duration = Duration::from_secs(60);
/// How often the keys are looked at meanwhile: an operator may have replaced them.
const LOOK: Duration = Duration::from_secs(5);
/// Rows deleted at once, so that others do not wait long.
const BATCH: i64 = 1_000;

impl Service {
    /// Keeps the service in order until `shutdown`: every replica runs it.
    pub async fn run_background(&self, shutdown: CancellationToken) {
        tokio::join!(self.webhooks.run_background(shutdown.clone()), self.run_upkeep(shutdown));
    }

    async fn run_upkeep(&self, shutdown: CancellationToken) {
        let mut ticks = tokio::time::interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let done = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                _ = ticks.tick() => self.keep_in_order().await,
                _ = looks.tick() => self.keyring.look().await,
            };
            if let Err(error) = done {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "background work failed; it is tried again"
                );
            }
        }
    }

    pub(crate) async fn keep_in_order(&self) -> Result<(), Error> {
        self.keyring.rotate().await?;
        self.webhooks.keep_in_order().await?;
        let now = self.clock.now();
        all(|| store::sessions::purge_tokens(&self.db, now, BATCH)).await?;
        all(|| store::sessions::purge(&self.db, now, BATCH)).await?;
        all(|| store::attempts::purge(&self.db, now, BATCH)).await?;
        all(|| idempotency::purge(&self.db, now, BATCH)).await?;
        Ok(())
    }
}

/// Deletes batch after batch until one is not full.
async fn all<F: Future<Output = Result<u64, StoreError>>>(delete: impl Fn() -> F) -> Result<(), StoreError> {
    while delete().await? >= BATCH.unsigned_abs() {}
    Ok(())
}
