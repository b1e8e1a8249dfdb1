//! Webhooks with receivers over real sockets.

mod broker;
mod managing;
mod receiver;
mod sending;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use moviebooking_auth::{Caller, User};
use moviebooking_domain::{
    clock::{Clock as _, ManualClock, SystemClock},
    id::{SessionId, UserId},
};
use moviebooking_events::Event;
use moviebooking_proto::{
    tickets::v1::{TicketFacts, TicketIssued},
    users::v1::{self as wire, webhooks_service_server::WebhooksService as _},
};
use moviebooking_store::Db;
use tonic::Request;
use uuid::Uuid;

use super::{Webhooks, store};
use crate::Config;

/// The webhooks with their clock, which begins now, so that others' programs take the signatures.
pub(super) struct World {
    pub(super) webhooks: Webhooks,
    pub(super) clock: Arc<ManualClock>,
}

impl World {
    pub(super) fn new(db: Db) -> Self {
        Self::with(db, true)
    }

    pub(super) fn with(db: Db, webhooks_allow_local: bool) -> Self {
        moviebooking_serve::install_crypto_provider();
        let clock = ManualClock::at(SystemClock.now());
        let config = Config { webhooks_allow_local, ..Config::default() };
        Self { webhooks: Webhooks::new(db, Arc::clone(&clock) as _, &config), clock }
    }

    pub(super) fn pass(&self, time: SignedDuration) {
        self.clock.advance(time);
    }

    /// A webhook for all events of tickets.
    pub(super) async fn hook(&self, url: &str) -> wire::Webhook {
        self.create(url, &["moviebooking.tickets.*"]).await
    }

    pub(super) async fn create(&self, url: &str, event_types: &[&str]) -> wire::Webhook {
        let webhook = wire::Webhook {
            url: url.to_owned(),
            event_types: event_types.iter().map(ToString::to_string).collect(),
            ..Default::default()
        };
        let message =
            wire::CreateWebhookRequest { webhook: Some(webhook), request_id: Uuid::new_v4().to_string() };
        self.webhooks.create_webhook(by_admin(message)).await.unwrap().into_inner()
    }

    pub(super) async fn shown(&self, id: &str) -> wire::Webhook {
        let get = self.webhooks.get_webhook(by_admin(wire::GetWebhookRequest { id: id.to_owned() }));
        get.await.unwrap().into_inner()
    }

    /// The log of a webhook, newest first.
    pub(super) async fn log(&self, id: &str) -> Vec<wire::WebhookDelivery> {
        let message = wire::ListWebhookDeliveriesRequest { id: id.to_owned(), ..Default::default() };
        self.webhooks.list_webhook_deliveries(by_admin(message)).await.unwrap().into_inner().deliveries
    }

    /// Takes an event that a ticket was issued, and gives its id.
    pub(super) async fn ticket_is_issued(&self) -> String {
        let event = ticket_issued(self.clock.now());
        self.webhooks.take(std::slice::from_ref(&event)).await.unwrap();
        event.id
    }

    /// Sends once what is due, one after the other.
    pub(super) async fn send_due(&self) {
        for webhook in store::enabled(&self.webhooks.db).await.unwrap() {
            for delivery in store::claim(&self.webhooks.db, webhook.id, 100, self.clock.now()).await.unwrap()
            {
                self.webhooks.deliver(&webhook, &delivery).await.unwrap();
            }
        }
    }
}

pub(super) fn ticket_issued(now: Timestamp) -> Event {
    let ticket = TicketFacts { ticket_id: "ticket".to_owned(), ..Default::default() };
    Event::new(Uuid::now_v7(), "ticket", now, &TicketIssued { ticket: Some(ticket) }).unwrap()
}

pub(super) fn by_admin<T>(message: T) -> Request<T> {
    let now = Timestamp::UNIX_EPOCH;
    let mut request = Request::new(message);
    request.extensions_mut().insert(Caller::User(Arc::new(User {
        id: UserId::from(Uuid::nil()),
        session: SessionId::new(now),
        admin: true,
        staff_of: Vec::new(),
        expire_time: Timestamp::MAX,
    })));
    request
}
