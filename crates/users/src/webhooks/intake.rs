//! Taking events.

use futures::future::BoxFuture;
use moviebooking_domain::id::version_7;
use moviebooking_events::{Event, Nats, Publish, PublishError};
use moviebooking_store::StoreError;
use tokio_util::sync::CancellationToken;

use super::{
    Webhooks,
    store::{self, NewDelivery},
};

/// The name under which all replicas take events from a broker.
const CONSUMER: &str = "webhooks";

impl Webhooks {
    /// Writes down which of the events go to whom. Those that were taken before change nothing.
    ///
    /// # Errors
    /// [`StoreError`]; then none was taken.
    pub async fn take(&self, events: &[Event]) -> Result<(), StoreError> {
        let webhooks = store::enabled(&self.db).await?;
        let now = self.clock.now();
        let mut new = Vec::new();
        for event in events {
            let mut wanting = webhooks.iter().filter(|webhook| webhook.wants(&event.kind)).peekable();
            if wanting.peek().is_none() {
                continue;
            }
            let payload = event.cloud_event();
            new.extend(wanting.map(|webhook| NewDelivery {
                id: version_7(now),
                webhook: webhook.id,
                event_id: event.id.clone(),
                event_type: event.kind.clone(),
                payload: payload.clone(),
            }));
        }
        if new.is_empty() {
            return Ok(());
        }
        // Ids of one millisecond are random among themselves; sorted they keep the order of the events.
        let mut ids: Vec<_> = new.iter().map(|delivery| delivery.id).collect();
        ids.sort_unstable();
        for (delivery, id) in new.iter_mut().zip(ids) {
            delivery.id = id;
        }
        store::add(&self.db, &new, now).await?;
        self.taken.notify_one();
        Ok(())
    }
}

impl Webhooks {
    /// Takes events from the broker, where there is one, until `shutdown`.
    pub async fn consume(&self, broker: Option<&Nats>, shutdown: CancellationToken) {
        let Some(broker) = broker else { return };
        let take = async |events: Vec<Event>| {
            let taken = self.take(&events).await;
            if let Err(error) = &taken {
                tracing::warn!(error = error.chain(), "events are not taken for webhooks; it is tried again");
            }
            taken.is_ok()
        };
        broker.consume(CONSUMER, take, shutdown).await;
    }
}

/// The relays of the same process need no way round.
impl Publish for Webhooks {
    fn publish<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Result<(), PublishError>> {
        Box::pin(async { self.take(events).await.map_err(|error| PublishError(error.into())) })
    }
}
