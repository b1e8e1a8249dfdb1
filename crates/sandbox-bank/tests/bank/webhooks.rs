//! What the bank tells, to a merchant that fails now and then.

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Bytes, http::HeaderMap, http::StatusCode, routing::post};
use jiff::SignedDuration;
use moviebooking_domain::clock::Clock as _;
use moviebooking_sandbox_bank::{MIGRATIONS, SIGNATURE_HEADER, wire::Event};
use moviebooking_store::both_engines;
use reqwest::Method;
use serde_json::json;
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::world::{World, secret};

/// A merchant that refuses as many webhooks as it is told to, and passes on what comes.
struct Merchant {
    url: String,
    refusals: Arc<Mutex<usize>>,
    told: mpsc::UnboundedReceiver<(Event, String, String)>,
}

impl Merchant {
    async fn new() -> Self {
        let (sender, told) = mpsc::unbounded_channel();
        let refusals = Arc::new(Mutex::new(0));
        let left = Arc::clone(&refusals);
        let take = async move |headers: HeaderMap, body: Bytes| {
            let signature = headers[SIGNATURE_HEADER].to_str().unwrap().to_owned();
            let text = String::from_utf8(body.to_vec()).unwrap();
            let _ = sender.send((serde_json::from_str(&text).unwrap(), text, signature));
            let mut left = left.lock().await;
            if *left == 0 {
                return StatusCode::OK;
            }
            *left -= 1;
            StatusCode::SERVICE_UNAVAILABLE
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/webhooks", listener.local_addr().unwrap());
        tokio::spawn(
            async move { axum::serve(listener, Router::new().route("/webhooks", post(take))).await },
        );
        Self { url, refusals, told }
    }

    async fn next(&mut self) -> (Event, String, String) {
        tokio::time::timeout(Duration::from_secs(30), self.told.recv()).await.unwrap().unwrap()
    }
}

/// A bank that sends webhooks until it is dropped.
struct Sending {
    world: World,
    stop: CancellationToken,
}

impl Sending {
    async fn new(db: moviebooking_store::Db, merchant: &Merchant) -> Self {
        let world = World::new(db, Some(merchant.url.clone())).await;
        let stop = CancellationToken::new();
        let (bank, until) = (world.bank.clone(), stop.clone());
        tokio::spawn(async move { bank.run_background(until).await });
        Self { world, stop }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

both_engines! {
    &MIGRATIONS;

    async fn each_operation_is_told_of_with_a_signature(db: Db) {
        let mut merchant = Merchant::new().await;
        let sending = Sending::new(db, &merchant).await;
        let (world, id) = (&sending.world, Uuid::new_v4());
        world.authorise(id, "tok_approve").await;
        let (event, body, signature) = merchant.next().await;
        assert_eq!((event.kind.as_str(), event.payment_id), ("payment.authorised", id));
        assert_eq!(signature, secret().sign(&body, world.clock.now()));
        let amount = json!({"minor": 900, "currency": "EUR"});
        world.send(Method::POST, &format!("/v1/payments/{id}/capture"), &json!({"amount": amount})).await;
        assert_eq!(merchant.next().await.0.kind, "payment.captured");
        let refund = json!({"id": Uuid::new_v4(), "amount": amount});
        world.send(Method::POST, &format!("/v1/payments/{id}/refunds"), &refund).await;
        assert_eq!(merchant.next().await.0.kind, "payment.refunded");
        world.authorise(Uuid::new_v4(), "tok_expired_card").await;
        let (event, ..) = merchant.next().await;
        assert_eq!((event.kind.as_str(), event.code.as_deref()), ("payment.declined", Some("expired_card")));
    }

    async fn one_that_is_not_taken_is_sent_again(db: Db) {
        let mut merchant = Merchant::new().await;
        *merchant.refusals.lock().await = 2;
        let sending = Sending::new(db, &merchant).await;
        sending.world.authorise(Uuid::new_v4(), "tok_approve").await;
        let first = merchant.next().await.0;
        for _ in 0..2 {
            let again = async {
                loop {
                    // Its pause passes; the bank looks again by itself.
                    sending.world.clock.advance(SignedDuration::from_secs(60));
                    if let Ok(told) = tokio::time::timeout(Duration::from_millis(100), merchant.told.recv()).await {
                        break told.unwrap().0;
                    }
                }
            };
            assert_eq!(tokio::time::timeout(Duration::from_secs(30), again).await.unwrap(), first);
        }
    }

    async fn a_token_has_each_webhook_sent_three_times(db: Db) {
        let mut merchant = Merchant::new().await;
        let sending = Sending::new(db, &merchant).await;
        sending.world.authorise(Uuid::new_v4(), "tok_webhook_twice").await;
        let first = merchant.next().await.0;
        assert_eq!((merchant.next().await.0, merchant.next().await.0), (first.clone(), first));
    }

    async fn a_token_has_the_webhook_come_before_the_reply(db: Db) {
        let mut merchant = Merchant::new().await;
        // Nobody sends in the background.
        let world = World::new(db, Some(merchant.url.clone())).await;
        let id = Uuid::new_v4();
        assert_eq!(world.authorise(id, "tok_webhook_first").await.status(), 200);
        assert_eq!(merchant.told.try_recv().unwrap().0.payment_id, id);
    }
}
