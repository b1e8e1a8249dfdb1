//! The RPCs: requests into domain values, and the way back. Who may call them is checked before: admins alone.

use moviebooking_auth::Caller;
use moviebooking_events::Event;
use moviebooking_fields::{self as fields, Mask, Page, time};
use moviebooking_proto::{
    Problem,
    users::v1::{
        self as wire, webhooks_internal_server::WebhooksInternal, webhooks_service_server::WebhooksService,
    },
};
use moviebooking_store::idempotency;
use prost::Message;
use secrecy::ExposeSecret as _;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{
    Webhooks,
    delivery::{Delivery, State},
    webhook::{Disabled, Webhook},
};
use crate::error::Error;

/// What an update may change.
const CHANGEABLE: [&str; 4] = ["url", "event_types", "description", "enabled"];

/// The most events that are taken at once.
const MOST_EVENTS: usize = 1_000;

fn optional<T: Message>(
    request: &Request<T>,
    request_id: &str,
    method: &'static str,
) -> Result<idempotency::Request, Error> {
    let scope = Caller::of(request).key_scope();
    Ok(idempotency::Request::optional(&scope, request_id, method, request.get_ref())?)
}

fn required<T: Message>(
    request: &Request<T>,
    request_id: &str,
    method: &'static str,
) -> Result<idempotency::Request, Error> {
    let scope = Caller::of(request).key_scope();
    Ok(idempotency::Request::required(&scope, request_id, method, request.get_ref())?)
}

/// The id that a page token holds.
fn last(page: &Page) -> Result<Option<Uuid>, Problem> {
    let key = page.after.as_deref().map(|key| key.first().map_or("", String::as_str));
    key.map(|id| fields::id("page_token", id)).transpose()
}

#[tonic::async_trait]
impl WebhooksService for Webhooks {
    async fn list_webhooks(
        &self,
        request: Request<wire::ListWebhooksRequest>,
    ) -> Result<Response<wire::ListWebhooksResponse>, Status> {
        let message = request.into_inner();
        let page = Page::parse(message.page_size, &message.page_token, "webhooks", &[])?;
        let (found, next_page_token) = self.list(&page, last(&page)?).await?;
        let webhooks = found.into_iter().map(shown).collect();
        Ok(Response::new(wire::ListWebhooksResponse { webhooks, next_page_token }))
    }

    async fn create_webhook(
        &self,
        request: Request<wire::CreateWebhookRequest>,
    ) -> Result<Response<wire::Webhook>, Status> {
        let message = request.get_ref();
        let key = required(&request, &message.request_id, "webhooks.Create")?;
        Ok(Response::new(with_secret(self.create(given(message.webhook.as_ref())?, &key).await?)))
    }

    async fn get_webhook(
        &self,
        request: Request<wire::GetWebhookRequest>,
    ) -> Result<Response<wire::Webhook>, Status> {
        let id = fields::id("id", &request.get_ref().id)?;
        Ok(Response::new(shown(self.get(id).await?)))
    }

    async fn update_webhook(
        &self,
        request: Request<wire::UpdateWebhookRequest>,
    ) -> Result<Response<wire::Webhook>, Status> {
        let message = request.get_ref();
        let key = optional(&request, &message.request_id, "webhooks.Update")?;
        let wanted = given(message.webhook.as_ref())?;
        let id = fields::id("webhook.id", &wanted.id)?;
        let mask = Mask::parse(message.update_mask.as_ref(), &CHANGEABLE)?;
        Ok(Response::new(shown(self.update(id, wanted, &mask, &key).await?)))
    }

    async fn delete_webhook(
        &self,
        request: Request<wire::DeleteWebhookRequest>,
    ) -> Result<Response<()>, Status> {
        let message = request.get_ref();
        let key = optional(&request, &message.request_id, "webhooks.Delete")?;
        Ok(Response::new(self.delete(fields::id("id", &message.id)?, &key).await?))
    }

    async fn rotate_webhook_secret(
        &self,
        request: Request<wire::RotateWebhookSecretRequest>,
    ) -> Result<Response<wire::Webhook>, Status> {
        let message = request.get_ref();
        let key = required(&request, &message.request_id, "webhooks.RotateSecret")?;
        let id = fields::id("id", &message.id)?;
        Ok(Response::new(with_secret(self.rotate_secret(id, &key).await?)))
    }

    async fn list_webhook_deliveries(
        &self,
        request: Request<wire::ListWebhookDeliveriesRequest>,
    ) -> Result<Response<wire::ListWebhookDeliveriesResponse>, Status> {
        let message = request.into_inner();
        let id = fields::id("id", &message.id)?;
        let state = match message.state() {
            wire::WebhookDeliveryState::Unspecified if message.state == 0 => None,
            wire::WebhookDeliveryState::Unspecified => {
                return Err(Problem::invalid("state", "use PENDING, DELIVERED or FAILED").into());
            }
            wire::WebhookDeliveryState::Pending => Some(State::Pending),
            wire::WebhookDeliveryState::Delivered => Some(State::Delivered),
            wire::WebhookDeliveryState::Failed => Some(State::Failed),
        };
        let filters = [message.id.as_str(), state.map_or("", State::name)];
        let page = Page::parse(message.page_size, &message.page_token, "webhook deliveries", &filters)?;
        let (found, next_page_token) = self.deliveries(id, state, &page, last(&page)?).await?;
        let deliveries = found.into_iter().map(delivery).collect();
        Ok(Response::new(wire::ListWebhookDeliveriesResponse { deliveries, next_page_token }))
    }

    async fn replay_webhook_delivery(
        &self,
        request: Request<wire::ReplayWebhookDeliveryRequest>,
    ) -> Result<Response<wire::WebhookDelivery>, Status> {
        let message = request.get_ref();
        let key = required(&request, &message.request_id, "webhooks.Replay")?;
        let (id, of) = (fields::id("id", &message.id)?, fields::id("delivery_id", &message.delivery_id)?);
        Ok(Response::new(delivery(self.replay(id, of, &key).await?)))
    }
}

#[tonic::async_trait]
impl WebhooksInternal for Webhooks {
    async fn accept_events(
        &self,
        request: Request<wire::AcceptEventsRequest>,
    ) -> Result<Response<()>, Status> {
        let events = request.into_inner().events;
        fields::at_most("events", &events, MOST_EVENTS)?;
        let events: Vec<Event> = events.into_iter().map(Event::from).collect();
        self.take(&events).await.map_err(Error::from)?;
        Ok(Response::new(()))
    }
}

fn given(webhook: Option<&wire::Webhook>) -> Result<&wire::Webhook, Problem> {
    webhook.ok_or_else(|| Problem::invalid("webhook", "give the webhook"))
}

fn with_secret(webhook: Webhook) -> wire::Webhook {
    let secret = webhook.secret.expose_secret().to_owned();
    wire::Webhook { secret, ..shown(webhook) }
}

fn shown(webhook: Webhook) -> wire::Webhook {
    let disabled_reason = match webhook.disabled {
        None => wire::WebhookDisabledReason::Unspecified,
        Some(Disabled::Stopped) => wire::WebhookDisabledReason::Stopped,
        Some(Disabled::Failing) => wire::WebhookDisabledReason::Failing,
        Some(Disabled::Gone) => wire::WebhookDisabledReason::Gone,
        Some(Disabled::QueueFull) => wire::WebhookDisabledReason::QueueFull,
    };
    wire::Webhook {
        id: webhook.id.to_string(),
        url: webhook.url,
        event_types: webhook.event_types,
        description: webhook.description,
        enabled: webhook.disabled.is_none(),
        disabled_reason: disabled_reason.into(),
        secret: String::new(),
        last_success_time: webhook.last_success_at.map(time::to_wire),
        create_time: Some(time::to_wire(webhook.created_at)),
        update_time: Some(time::to_wire(webhook.updated_at)),
        etag: fields::to_etag(webhook.version),
    }
}

fn delivery(delivery: Delivery) -> wire::WebhookDelivery {
    let state = match delivery.state {
        State::Pending => wire::WebhookDeliveryState::Pending,
        State::Delivered => wire::WebhookDeliveryState::Delivered,
        State::Failed => wire::WebhookDeliveryState::Failed,
    };
    wire::WebhookDelivery {
        id: delivery.id.to_string(),
        webhook_id: delivery.webhook.to_string(),
        event_id: delivery.event_id,
        event_type: delivery.event_type,
        state: state.into(),
        attempts: delivery.attempts,
        next_attempt_time: delivery.due_at.map(time::to_wire),
        response_status: delivery.response_status,
        error: delivery.error,
        duration_millis: delivery.duration_millis,
        create_time: Some(time::to_wire(delivery.created_at)),
        update_time: Some(time::to_wire(delivery.updated_at)),
        payload: delivery.payload,
    }
}
