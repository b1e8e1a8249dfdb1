//! What admins do with webhooks.

use moviebooking_domain::clock::Clock as _;
use moviebooking_proto::{
    problem::reason_of,
    users::v1::{
        self as wire, ListWebhookDeliveriesRequest, UpdateWebhookRequest, WebhookDeliveryState,
        WebhookDisabledReason, webhooks_service_server::WebhooksService as _,
    },
};
use moviebooking_store::both_engines;
use prost_types::FieldMask;
use tonic_types::StatusExt as _;
use uuid::Uuid;

use super::{
    World, by_admin,
    receiver::{Answer, Receiver},
};
use crate::webhooks::store::{self, NewDelivery};

/// The fields that a refusal names.
fn fields<T>(result: Result<T, tonic::Status>) -> Vec<String> {
    let status = result.err().expect("it is refused");
    assert!(reason_of(&status).is_some());
    let violations = status.get_details_bad_request().map(|details| details.field_violations);
    violations.into_iter().flatten().map(|violation| violation.field).collect()
}

fn update(webhook: wire::Webhook, paths: &[&str]) -> tonic::Request<UpdateWebhookRequest> {
    let paths = paths.iter().map(ToString::to_string).collect();
    by_admin(UpdateWebhookRequest {
        webhook: Some(webhook),
        update_mask: Some(FieldMask { paths }),
        ..Default::default()
    })
}

both_engines! {
    &crate::MIGRATIONS;

    async fn it_is_made_changed_stopped_and_forgotten(db: Db) {
        let world = World::new(db);
        let receiver = Receiver::start(Answer::Status(200)).await;
        let webhook = world.hook(&receiver.url()).await;
        assert!(webhook.secret.starts_with("whsec_") && webhook.enabled);
        let shown = world.shown(&webhook.id).await;
        assert_eq!(shown, wire::Webhook { secret: String::new(), ..webhook.clone() });

        let stop = wire::Webhook { id: webhook.id.clone(), etag: "1".to_owned(), ..Default::default() };
        let stopped = world.webhooks.update_webhook(update(stop, &["enabled"])).await.unwrap().into_inner();
        assert_eq!((stopped.enabled, stopped.disabled_reason()), (false, WebhookDisabledReason::Stopped));
        assert_eq!(stopped.event_types, webhook.event_types);
        world.ticket_is_issued().await;
        // One that was being taken while the webhook was stopped.
        let late = NewDelivery {
            id: Uuid::now_v7(),
            webhook: webhook.id.parse().unwrap(),
            event_id: "late".to_owned(),
            event_type: "moviebooking.tickets.ticket.issued".to_owned(),
            payload: "{}".to_owned(),
        };
        store::add(&world.webhooks.db, &[late], world.clock.now()).await.unwrap();
        let start = wire::Webhook { enabled: true, description: "door".to_owned(), ..stopped };
        let started = world.webhooks.update_webhook(update(start, &["enabled", "description"])).await;
        let started = started.unwrap().into_inner();
        assert_eq!((started.enabled, started.description.as_str(), started.etag.as_str()), (true, "door", "3"));
        world.send_due().await;
        assert!(receiver.received().is_empty(), "what happened meanwhile is not sent");
        assert_eq!(world.log(&webhook.id).await[0].state(), WebhookDeliveryState::Failed);
        let stale = wire::Webhook { etag: "1".to_owned(), ..started.clone() };
        assert_eq!(fields(world.webhooks.update_webhook(update(stale, &["enabled"])).await), ["etag"]);

        world.ticket_is_issued().await;
        let delete = wire::DeleteWebhookRequest { id: webhook.id.clone(), ..Default::default() };
        world.webhooks.delete_webhook(by_admin(delete.clone())).await.unwrap();
        assert_eq!(world.webhooks.delete_webhook(by_admin(delete)).await.unwrap_err().code(), tonic::Code::NotFound);
        world.ticket_is_issued().await;
        world.send_due().await;
        assert!(receiver.received().is_empty());
    }

    async fn the_same_request_makes_one_webhook(db: Db) {
        let world = World::new(db);
        let webhook = wire::Webhook {
            url: "https://example.org/hook".to_owned(),
            event_types: vec!["*".to_owned()],
            ..Default::default()
        };
        let message = wire::CreateWebhookRequest { webhook: Some(webhook), request_id: "k".to_owned() };
        let first = world.webhooks.create_webhook(by_admin(message.clone())).await.unwrap().into_inner();
        let second = world.webhooks.create_webhook(by_admin(message)).await.unwrap().into_inner();
        assert_eq!(first, second);
        let list = world.webhooks.list_webhooks(by_admin(wire::ListWebhooksRequest::default())).await.unwrap();
        assert_eq!(list.into_inner().webhooks.len(), 1);
    }

    async fn bad_fields_are_named(db: Db) {
        let world = World::with(db, false);
        let good = || wire::Webhook {
            url: "https://example.org/hook".to_owned(),
            event_types: vec!["*".to_owned()],
            ..Default::default()
        };
        for (field, webhook) in [
            ("webhook", None),
            ("webhook.url", Some(wire::Webhook { url: String::new(), ..good() })),
            ("webhook.url", Some(wire::Webhook { url: "http://example.org/".to_owned(), ..good() })),
            ("webhook.url", Some(wire::Webhook { url: "https://169.254.169.254/".to_owned(), ..good() })),
            ("webhook.event_types", Some(wire::Webhook { event_types: Vec::new(), ..good() })),
            ("webhook.event_types[0]", Some(wire::Webhook { event_types: vec!["x".to_owned()], ..good() })),
            ("webhook.description", Some(wire::Webhook { description: "x".repeat(201), ..good() })),
        ] {
            let message = wire::CreateWebhookRequest { webhook, request_id: Uuid::new_v4().to_string() };
            assert_eq!(fields(world.webhooks.create_webhook(by_admin(message)).await), [field]);
        }
        let message = wire::CreateWebhookRequest { webhook: Some(good()), request_id: String::new() };
        assert_eq!(fields(world.webhooks.create_webhook(by_admin(message)).await), ["request_id"]);
        let webhook = world.create("https://example.org/hook", &["*"]).await;
        let secret = update(webhook.clone(), &["secret"]);
        assert_eq!(fields(world.webhooks.update_webhook(secret).await), ["update_mask"]);
        for (field, message) in [
            ("id", ListWebhookDeliveriesRequest { id: "x".to_owned(), ..Default::default() }),
            ("state", ListWebhookDeliveriesRequest { id: webhook.id.clone(), state: 9, ..Default::default() }),
            ("page_size", ListWebhookDeliveriesRequest { id: webhook.id, page_size: -1, ..Default::default() }),
        ] {
            assert_eq!(fields(world.webhooks.list_webhook_deliveries(by_admin(message)).await), [field]);
        }
    }
}
