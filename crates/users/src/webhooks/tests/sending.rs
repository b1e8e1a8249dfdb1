//! What receivers are sent, and what becomes of it.

use std::time::Instant;

use jiff::SignedDuration;
use moviebooking_domain::clock::Clock as _;
use moviebooking_proto::users::v1::{
    ReplayWebhookDeliveryRequest, RotateWebhookSecretRequest, WebhookDeliveryState, WebhookDisabledReason,
    webhooks_service_server::WebhooksService as _,
};
use moviebooking_store::both_engines;
use standardwebhooks::Webhook;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    super::{send::EXCHANGE, store},
    World, by_admin,
    receiver::{Answer, Receiver},
    ticket_issued,
};

const DAY: SignedDuration = SignedDuration::from_hours(24);

both_engines! {
    &crate::MIGRATIONS;

    async fn who_asks_for_an_event_is_sent_it_once_and_signed(db: Db) {
        let world = World::new(db);
        let (asks, does_not) = (Receiver::start(Answer::Status(204)).await, Receiver::start(Answer::Status(204)).await);
        let webhook = world.hook(&asks.url()).await;
        world.create(&does_not.url(), &["moviebooking.payments.*", "moviebooking.tickets.ticket.voided"]).await;
        let event = ticket_issued(world.clock.now());
        for _ in 0..2 {
            world.webhooks.take(std::slice::from_ref(&event)).await.unwrap();
            world.send_due().await;
        }
        let received = asks.received();
        let [message] = received.as_slice() else { panic!("{received:?}") };
        assert_eq!((message.header("webhook-id"), does_not.received().len()), (event.id.as_str(), 0));
        Webhook::new(&webhook.secret).unwrap().verify(&message.body, &message.headers).unwrap();
        let json = message.json();
        assert_eq!((&json["id"], &json["type"]), (&event.id.into(), &"moviebooking.tickets.ticket.issued".into()));
        assert_eq!(json["data"]["ticket"]["ticketId"], "ticket");
        let log = world.log(&webhook.id).await;
        assert_eq!((log.len(), log[0].state(), log[0].response_status), (1, WebhookDeliveryState::Delivered, 204));
        assert!(world.shown(&webhook.id).await.last_success_time.is_some());
    }

    async fn what_is_not_taken_is_sent_again_for_three_days_and_then_the_webhook_is_stopped(db: Db) {
        let world = World::new(db);
        let receiver = Receiver::start(Answer::Status(500)).await;
        let webhook = world.hook(&receiver.url()).await;
        let began = world.clock.now();
        let event = world.ticket_is_issued().await;
        world.send_due().await;
        world.send_due().await;
        assert_eq!(receiver.received().len(), 1, "not again at once");
        world.pass(SignedDuration::from_secs(6));
        world.send_due().await;
        let messages = receiver.received();
        assert_eq!(messages.len(), 2);
        assert!(messages.iter().all(|message| message.header("webhook-id") == event));
        assert_ne!(messages[0].header("webhook-timestamp"), messages[1].header("webhook-timestamp"));
        assert!(messages.iter().all(|message| message.is_signed_with(&webhook.secret)));

        let log = world.log(&webhook.id).await;
        assert_eq!((log[0].state(), log[0].attempts), (WebhookDeliveryState::Pending, 2));
        assert_eq!((log[0].response_status, log[0].error.as_str()), (500, "answered with 500"));
        while world.log(&webhook.id).await[0].state() == WebhookDeliveryState::Pending {
            world.pass(SignedDuration::from_mins(30));
            world.send_due().await;
        }
        let lasted = world.clock.now().duration_since(began);
        assert!(lasted > DAY * 3 && lasted < DAY * 4, "{lasted}");
        assert_eq!(receiver.received().len(), 10);
        let stopped = world.shown(&webhook.id).await;
        assert_eq!((stopped.enabled, stopped.disabled_reason()), (false, WebhookDisabledReason::Failing));
        world.ticket_is_issued().await;
        assert_eq!(world.log(&webhook.id).await.len(), 1, "nothing more is kept for it");
    }

    async fn a_message_that_alone_is_not_taken_stops_nothing(db: Db) {
        let world = World::new(db);
        let receiver = Receiver::start(Answer::Status(400)).await;
        let webhook = world.hook(&receiver.url()).await;
        world.ticket_is_issued().await;
        for _ in 0..9 {
            world.send_due().await;
            world.pass(DAY + DAY);
        }
        receiver.answers(Answer::Status(200));
        let good = ticket_issued(world.clock.now());
        world.webhooks.take(&[good]).await.unwrap();
        receiver.answers(Answer::Status(200));
        let claimed = store::claim(&world.webhooks.db, webhook.id.parse().unwrap(), 2, world.clock.now());
        let claimed = claimed.await.unwrap();
        let hook = &store::enabled(&world.webhooks.db).await.unwrap()[0];
        let (bad, good): (Vec<_>, Vec<_>) = claimed.into_iter().partition(|delivery| delivery.attempts > 0);
        world.webhooks.deliver(hook, &good[0]).await.unwrap();
        receiver.answers(Answer::Status(400));
        world.webhooks.deliver(hook, &bad[0]).await.unwrap();
        assert_eq!(world.log(&webhook.id).await[1].state(), WebhookDeliveryState::Failed);
        assert!(world.shown(&webhook.id).await.enabled);
    }

    async fn a_receiver_that_is_gone_is_left_alone(db: Db) {
        let world = World::new(db);
        let receiver = Receiver::start(Answer::Status(410)).await;
        let webhook = world.hook(&receiver.url()).await;
        world.ticket_is_issued().await;
        world.send_due().await;
        world.pass(DAY);
        world.send_due().await;
        assert_eq!(receiver.received().len(), 1);
        let stopped = world.shown(&webhook.id).await;
        assert_eq!((stopped.enabled, stopped.disabled_reason()), (false, WebhookDisabledReason::Gone));
    }

    async fn a_replay_sends_the_same_message_again(db: Db) {
        let world = World::new(db);
        let receiver = Receiver::start(Answer::Status(200)).await;
        let webhook = world.hook(&receiver.url()).await;
        world.ticket_is_issued().await;
        world.send_due().await;
        let delivery = world.log(&webhook.id).await.remove(0);
        let replay = |delivery_id: &str, request_id: &str| {
            let (delivery_id, request_id) = (delivery_id.to_owned(), request_id.to_owned());
            let message = ReplayWebhookDeliveryRequest { id: webhook.id.clone(), delivery_id, request_id };
            world.webhooks.replay_webhook_delivery(by_admin(message))
        };
        let again = replay(&delivery.id, "a").await.unwrap().into_inner();
        assert_eq!((again.id.as_str(), again.state()), (delivery.id.as_str(), WebhookDeliveryState::Pending));
        world.send_due().await;
        replay(&delivery.id, "a").await.unwrap();
        world.send_due().await;
        let messages = receiver.received();
        assert_eq!(messages.len(), 2, "the same request again changes nothing");
        assert_eq!(messages[0].body, messages[1].body);
        let none = replay(&Uuid::now_v7().to_string(), "b").await.unwrap_err();
        assert_eq!(none.code(), tonic::Code::NotFound);
    }

    async fn an_old_secret_signs_for_a_day(db: Db) {
        let world = World::new(db);
        let receiver = Receiver::start(Answer::Status(200)).await;
        let old = world.hook(&receiver.url()).await;
        let rotate = RotateWebhookSecretRequest { id: old.id.clone(), request_id: "k".to_owned() };
        let new = world.webhooks.rotate_webhook_secret(by_admin(rotate.clone())).await.unwrap().into_inner();
        let again = world.webhooks.rotate_webhook_secret(by_admin(rotate)).await.unwrap().into_inner();
        assert!(new.secret != old.secret && new.secret == again.secret);
        assert!(world.shown(&old.id).await.secret.is_empty());
        for both in [true, false] {
            world.ticket_is_issued().await;
            world.send_due().await;
            let message = receiver.received().pop().unwrap();
            assert!(message.is_signed_with(&new.secret));
            assert_eq!(message.is_signed_with(&old.secret), both);
            world.pass(DAY);
        }
    }

    async fn redirects_are_not_followed_and_long_answers_not_read(db: Db) {
        let world = World::new(db);
        let receiver = Receiver::start(Answer::Redirect).await;
        let webhook = world.hook(&receiver.url()).await;
        world.ticket_is_issued().await;
        world.send_due().await;
        let log = world.log(&webhook.id).await;
        assert_eq!((receiver.received().len(), log[0].response_status), (1, 302));
        receiver.answers(Answer::Endless);
        world.pass(DAY);
        world.send_due().await;
        assert_eq!(world.log(&webhook.id).await[0].state(), WebhookDeliveryState::Delivered);
    }

    /// A name that leads inside is found out when it is resolved, and connected to by nobody.
    async fn nothing_is_sent_to_what_is_not_public(db: Db) {
        let world = World::with(db, false);
        let receiver = Receiver::start(Answer::Status(200)).await;
        let webhook = world.hook(&format!("https://localhost:{}/hook", receiver.port())).await;
        world.ticket_is_issued().await;
        world.send_due().await;
        let log = world.log(&webhook.id).await;
        assert!(log[0].error.contains("no public address"), "{}", log[0].error);
        assert!(receiver.received().is_empty());
    }

    async fn one_that_does_not_answer_keeps_no_other_waiting(db: Db) {
        let world = World::new(db);
        let (slow, quick) = (Receiver::start(Answer::Hang).await, Receiver::start(Answer::Status(200)).await);
        world.hook(&slow.url()).await;
        world.hook(&quick.url()).await;
        let stop = CancellationToken::new();
        let running = tokio::spawn({
            let (webhooks, stop) = (world.webhooks.clone(), stop.clone());
            async move { webhooks.run_background(stop).await }
        });
        let begun = Instant::now();
        for _ in 0..50 {
            world.ticket_is_issued().await;
        }
        quick.has_received(50).await;
        slow.has_received(4).await;
        let received = slow.received().len();
        // Others have their turn when the first have been given up.
        let turns = 1 + begun.elapsed().as_secs() / EXCHANGE.as_secs();
        assert!(received as u64 <= 4 * turns, "a few at once and no more: {received} in {turns} turns");
        running.abort();
    }
}
