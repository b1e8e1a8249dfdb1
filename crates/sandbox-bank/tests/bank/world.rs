//! A bank on a port of its own.

use std::{sync::Arc, time::Duration};

use moviebooking_domain::clock::ManualClock;
use moviebooking_sandbox_bank::{
    Bank, BankSecret, Settings, router,
    wire::{Amount, Answer, NewPayment},
};
use moviebooking_store::Db;
use reqwest::{Client, Method, Response};
use secrecy::ExposeSecret as _;
use serde::Serialize;
use uuid::Uuid;

pub(crate) struct World {
    pub(crate) bank: Bank,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) http: Client,
    pub(crate) url: String,
}

pub(crate) fn secret() -> BankSecret {
    BankSecret::new("a secret of the tests".into()).unwrap()
}

pub(crate) fn euro(minor: i64) -> Amount {
    Amount { minor, currency: "EUR".to_owned() }
}

impl World {
    pub(crate) async fn new(db: Db, webhook_url: Option<String>) -> Self {
        moviebooking_serve::install_crypto_provider();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let clock = ManualClock::at("2026-11-22T18:00:00Z".parse().unwrap());
        let settings =
            Settings { secret: secret(), public_url: url.clone(), webhook_url, slow_reply: Duration::ZERO };
        let bank = Bank::new(db, clock.clone(), settings);
        let router = router(&bank);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { bank, clock, http: Client::new(), url }
    }

    /// A request of the merchant.
    pub(crate) async fn send(&self, method: Method, path: &str, body: &impl Serialize) -> Response {
        let request = self.http.request(method, format!("{}{path}", self.url)).json(body);
        request.header("authorization", secret().bearer().expose_secret()).send().await.unwrap()
    }

    pub(crate) async fn authorise(&self, id: Uuid, token: &str) -> Response {
        let new = NewPayment { id, amount: euro(900), token: token.to_owned() };
        self.send(Method::POST, "/v1/payments", &new).await
    }

    pub(crate) async fn look_up(&self, id: Uuid, operation: &str) -> Answer {
        let path = format!("/v1/payments/{id}/operations/{operation}");
        self.send(Method::GET, &path, &()).await.json().await.unwrap()
    }
}
