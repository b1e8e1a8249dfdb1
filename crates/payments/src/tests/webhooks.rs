//! What the provider tells on its own.

use std::sync::atomic::Ordering;

use futures::future::join_all;
use jiff::SignedDuration;
use moviebooking_domain::clock::Clock as _;
use moviebooking_proto::{
    Reason,
    google::api::HttpBody,
    payments::v1::{
        PaymentState, ReceiveWebhookRequest, payments_service_server::PaymentsService as _,
        webhook_receipt::Outcome,
    },
    problem::reason_of,
};
use moviebooking_sandbox_bank::{SIGNATURE_HEADER, wire};
use moviebooking_store::{both_engines, sql};
use tonic::{Request, Status};

use super::{
    neighbours::Fault,
    world::{World, bank_secret, customer},
};

fn event(id: &str, kind: &str, payment: &str) -> String {
    let event = wire::Event {
        id: id.to_owned(),
        kind: kind.to_owned(),
        payment_id: payment.parse().unwrap(),
        amount: wire::Amount { minor: 900, currency: "EUR".to_owned() },
        code: None,
        time: "2026-11-22T18:00:00Z".parse().unwrap(),
    };
    serde_json::to_string(&event).unwrap()
}

/// A webhook as the bank signs it now.
fn signed(world: &World, body: &str) -> Request<ReceiveWebhookRequest> {
    let signature = bank_secret().sign(body, world.clock.now());
    let body = HttpBody { data: body.to_owned().into_bytes().into(), ..HttpBody::default() };
    let mut request =
        Request::new(ReceiveWebhookRequest { provider: "sandbox".to_owned(), body: Some(body) });
    request.metadata_mut().insert(SIGNATURE_HEADER, signature.parse().unwrap());
    request
}

async fn receive(world: &World, webhook: Request<ReceiveWebhookRequest>) -> Result<Outcome, Status> {
    Ok(world.service.receive_webhook(webhook).await?.into_inner().outcome())
}

both_engines! {
    &crate::MIGRATIONS;

    async fn a_webhook_finishes_a_payment_that_waits(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let waiting =
            world.charge(&buyer, &world.bill(&world.hold(&buyer, &[900]), "tok_confirm")).await.unwrap();
        world.decide(&waiting.buyer_action.unwrap().url, "approve").await;
        let told = signed(&world, &event("evt:1", "payment.authorised", &waiting.id));
        assert_eq!(receive(&world, told).await.unwrap(), Outcome::Applied);
        world.service.tick().await.unwrap();
        assert_eq!(world.payment(&waiting.id).await.state(), PaymentState::Completed);
        world.check().await;
    }

    async fn one_that_comes_while_somebody_asks_is_acted_on_as_soon_as_they_are_done(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        // A worker that has been told that the buyer has not confirmed, and one that then extends the hold.
        for (number, (call, after)) in [("look_up", 5), ("keep", 9 * 60)].into_iter().enumerate() {
            let bill = world.bill(&world.hold(&buyer, &[900]), "tok_confirm");
            let waiting = world.charge(&buyer, &bill).await.unwrap();
            world.clock.advance(SignedDuration::from_secs(after));
            world.faults.next(call, Fault::Late, 1);
            let worker = tokio::spawn({
                let service = world.service.clone();
                async move { service.tick().await }
            });
            while world.faults.late.load(Ordering::SeqCst) == number {
                tokio::task::yield_now().await;
            }
            world.decide(&waiting.buyer_action.unwrap().url, "approve").await;
            let told = signed(&world, &event(call, "payment.authorised", &waiting.id));
            assert_eq!(receive(&world, told).await.unwrap(), Outcome::Applied);
            world.faults.gate.add_permits(1);
            worker.await.unwrap().unwrap();
            assert_eq!(world.payment(&waiting.id).await.state(), PaymentState::ActionRequired, "{call}");
            // No time passes.
            world.service.tick().await.unwrap();
            assert_eq!(world.payment(&waiting.id).await.state(), PaymentState::Completed, "{call}");
        }
        world.check().await;
    }

    async fn one_that_claims_what_is_not_so_changes_nothing(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let waiting =
            world.charge(&buyer, &world.bill(&world.hold(&buyer, &[900]), "tok_confirm")).await.unwrap();
        for kind in ["payment.authorised", "payment.declined", "payment.voided"] {
            let told = signed(&world, &event(kind, kind, &waiting.id));
            assert_eq!(receive(&world, told).await.unwrap(), Outcome::Applied);
            world.service.tick().await.unwrap();
            assert_eq!(world.payment(&waiting.id).await.state(), PaymentState::ActionRequired, "{kind}");
        }
    }

    async fn each_event_is_acted_on_once_however_often_it_comes(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let waiting =
            world.charge(&buyer, &world.bill(&world.hold(&buyer, &[900]), "tok_confirm")).await.unwrap();
        let body = event("evt:1", "payment.authorised", &waiting.id);
        let outcomes = join_all((0..32).map(|_| receive(&world, signed(&world, &body)))).await;
        let applied = outcomes.iter().filter(|outcome| *outcome.as_ref().unwrap() == Outcome::Applied).count();
        assert_eq!(applied, 1);
        for _ in 0..10_000 {
            assert_eq!(receive(&world, signed(&world, &body)).await.unwrap(), Outcome::Duplicate);
        }
        let kept = sql("SELECT event_id FROM provider_events").fetch_all(&world.db).await.unwrap();
        assert_eq!(kept.len(), 1);
    }

    async fn what_it_is_not_about_is_ignored(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let paid = world.paid(&buyer, &[900]).await;
        let nobody = uuid::Uuid::new_v4().to_string();
        for (id, kind, payment) in [
            ("evt:1", "payment.captured", paid.id.as_str()),
            ("evt:2", "payment.authorised", nobody.as_str()),
            ("evt:3", "weather.changed", paid.id.as_str()),
        ] {
            let told = signed(&world, &event(id, kind, payment));
            assert_eq!(receive(&world, told).await.unwrap(), Outcome::Ignored, "{kind}");
        }
        world.check().await;
    }

    async fn what_the_provider_did_not_sign_or_long_ago_is_refused(db: Db) {
        let world = World::new(db).await;
        let body = event("evt:1", "payment.authorised", &uuid::Uuid::new_v4().to_string());
        let refused = async |webhook: Request<ReceiveWebhookRequest>| {
            reason_of(&receive(&world, webhook).await.unwrap_err()).unwrap()
        };
        let mut unsigned = signed(&world, &body);
        unsigned.metadata_mut().remove(SIGNATURE_HEADER);
        assert_eq!(refused(unsigned).await, Reason::WebhookSignatureInvalid);
        let mut other = signed(&world, &body);
        other.get_mut().body.as_mut().unwrap().data = b"{}".as_slice().into();
        assert_eq!(refused(other).await, Reason::WebhookSignatureInvalid);
        let old = signed(&world, &body);
        world.clock.advance(jiff::SignedDuration::from_secs(301));
        assert_eq!(refused(old).await, Reason::WebhookSignatureInvalid);
        for nonsense in ["", "null", "{}", "[]", "{\"id\":1}", "\u{0}"] {
            assert_eq!(refused(signed(&world, nonsense)).await, Reason::MalformedBody, "{nonsense}");
        }
        let mut elsewhere = signed(&world, &body);
        elsewhere.get_mut().provider = "stripe".to_owned();
        assert_eq!(refused(elsewhere).await, Reason::ProviderNotFound);
        assert!(sql("SELECT event_id FROM provider_events").fetch_all(&world.db).await.unwrap().is_empty());
    }

    async fn old_events_are_forgotten(db: Db) {
        let world = World::new(db).await;
        let body = event("evt:1", "payment.authorised", &uuid::Uuid::new_v4().to_string());
        receive(&world, signed(&world, &body)).await.unwrap();
        let store = &world.service.store;
        assert_eq!(store.forget_notices(world.clock.now()).await.unwrap(), 0);
        world.clock.advance(jiff::SignedDuration::from_hours(31 * 24));
        assert_eq!(store.forget_notices(world.clock.now()).await.unwrap(), 1);
    }
}
