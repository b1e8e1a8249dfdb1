//! Sends what is due, in every replica.

use std::{collections::HashMap, sync::LazyLock, time::Duration};

use moviebooking_serve::metrics::{self, IntCounterVec};
use moviebooking_store::StoreError;
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    Webhooks,
    delivery::{Delivery, State},
    store,
    webhook::{Disabled, Webhook},
};

/// Messages on their way to one webhook at once, from one process.
const AT_ONCE: usize = 4;
/// How often the database is asked for what is due.
const POLL: Duration = Duration::from_secs(1);
/// More events than this do not wait for one webhook.
const MOST_WAITING: i64 = 100_000;
/// Rows deleted at once, so that others do not wait long.
const BATCH: i64 = 1_000;

static MESSAGES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Messages sent to webhooks, by what became of the delivery.";
    let states = [State::Delivered, State::Pending, State::Failed].map(State::name);
    metrics::counter_of("moviebooking_webhook_messages_total", help, "state", &states)
});

impl Webhooks {
    /// Sends what is due until `shutdown`, and then waits for the answers that are under way.
    pub(crate) async fn run_background(&self, shutdown: CancellationToken) {
        // At zero: the first that is given up is to be seen as one more.
        LazyLock::force(&MESSAGES);
        let mut sending = JoinSet::new();
        let mut under_way: HashMap<Uuid, usize> = HashMap::new();
        loop {
            if let Err(error) = self.send_due(&mut sending, &mut under_way).await {
                tracing::warn!(error = error.chain(), "webhooks cannot be read; it is tried again");
            }
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = self.taken.notified() => {}
                () = sleep(POLL) => {}
                Some(sent) = sending.join_next() => ended(sent, &mut under_way),
            }
            while let Some(sent) = sending.try_join_next() {
                ended(sent, &mut under_way);
            }
        }
        while sending.join_next().await.is_some() {}
    }

    /// Begins to send as much of what is due as each webhook may be sent.
    async fn send_due(
        &self,
        sending: &mut JoinSet<Uuid>,
        under_way: &mut HashMap<Uuid, usize>,
    ) -> Result<(), StoreError> {
        for webhook in store::enabled(&self.db).await? {
            let running = under_way.entry(webhook.id).or_default();
            let free = AT_ONCE.saturating_sub(*running);
            if free == 0 {
                continue;
            }
            for delivery in store::claim(&self.db, webhook.id, free, self.clock.now()).await? {
                *running += 1;
                let (webhooks, webhook) = (self.clone(), webhook.clone());
                sending.spawn(async move {
                    if let Err(error) = webhooks.deliver(&webhook, &delivery).await {
                        // Its lease runs out, and it is sent again.
                        tracing::warn!(error = error.chain(), webhook = %webhook.id, "a delivery is not noted");
                    }
                    webhook.id
                });
            }
        }
        under_way.retain(|_, running| *running > 0);
        Ok(())
    }

    /// Sends a message, and notes what came of it.
    pub(super) async fn deliver(&self, webhook: &Webhook, delivery: &Delivery) -> Result<(), StoreError> {
        let outcome = self.sender.send(webhook, delivery, self.clock.now()).await;
        let now = self.clock.now();
        let after = delivery.after(&outcome, now);
        MESSAGES.with_label_values(&[after.state.name()]).inc();
        if !store::sent(&self.db, &after).await? {
            return Ok(());
        }
        let disabled = match after.state {
            State::Delivered => return store::succeeded(&self.db, webhook.id, now).await,
            State::Pending => return Ok(()),
            State::Failed if outcome.is_gone() => Disabled::Gone,
            State::Failed => Disabled::Failing,
        };
        // A receiver that took other messages meanwhile is not down: it does not like this one.
        let taken_since = (disabled == Disabled::Failing).then_some(delivery.created_at);
        if store::disable(&self.db, webhook.id, disabled, taken_since, now).await? {
            tracing::warn!(webhook = %webhook.id, reason = disabled.name(), "a webhook is sent nothing any more");
        }
        Ok(())
    }

    /// Stops webhooks for which too much is waiting, and forgets what is old.
    pub(crate) async fn keep_in_order(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        for id in store::overfull(&self.db, MOST_WAITING).await? {
            if store::disable(&self.db, id, Disabled::QueueFull, None, now).await? {
                tracing::warn!(webhook = %id, "a webhook is sent nothing any more: too many events wait for it");
            }
        }
        while store::purge(&self.db, now, BATCH).await? >= BATCH.unsigned_abs() {}
        Ok(())
    }
}

fn ended(sent: Result<Uuid, tokio::task::JoinError>, under_way: &mut HashMap<Uuid, usize>) {
    match sent {
        Ok(webhook) => {
            if let Some(running) = under_way.get_mut(&webhook) {
                *running = running.saturating_sub(1);
            }
        }
        // Whose it was is not known: begin to count anew, which at worst sends a few more at once.
        Err(error) => {
            tracing::error!(%error, "sending a webhook broke off");
            under_way.clear();
        }
    }
}
