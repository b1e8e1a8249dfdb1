//! Who takes events from a relay.

use std::{error::Error, time::Duration};

use futures::future::BoxFuture;
use moviebooking_auth::ServiceLink;
use moviebooking_proto::users::v1::{AcceptEventsRequest, webhooks_internal_client::WebhooksInternalClient};
use tonic::Request;

use crate::Event;

/// Why events were not taken, or not all of them.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct PublishError(pub Box<dyn Error + Send + Sync>);

/// Who takes events from a relay.
pub trait Publish: Send + Sync {
    /// Takes the events for good, those with the same partition key in their order. After an error it is not known which
    /// were taken: all of them are given again.
    fn publish<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Result<(), PublishError>>;
}

/// How long the users service has to write events down.
const DEADLINE: Duration = Duration::from_secs(8);

/// Gives events straight to the webhooks of the users service, where there is no broker.
pub struct ToWebhooks(WebhooksInternalClient<ServiceLink>);

impl ToWebhooks {
    /// Over a link to the users service.
    pub fn new(users: ServiceLink) -> Self {
        Self(WebhooksInternalClient::new(users))
    }
}

impl Publish for ToWebhooks {
    fn publish<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Result<(), PublishError>> {
        let mut client = self.0.clone();
        Box::pin(async move {
            let mut request =
                Request::new(AcceptEventsRequest { events: events.iter().map(Into::into).collect() });
            request.set_timeout(DEADLINE);
            client.accept_events(request).await.map(drop).map_err(|status| {
                let text = format!(
                    "the users service does not take them: {:?}: {}",
                    status.code(),
                    status.message()
                );
                PublishError(text.into())
            })
        })
    }
}
