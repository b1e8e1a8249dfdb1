//! Sending one message.

use std::{
    error::Error as _,
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use reqwest::{Client, Response, header::CONTENT_TYPE, redirect::Policy};
use tokio::sync::OnceCell;

use super::{
    delivery::{Delivery, Outcome},
    reach::{self, PublicOnly},
    secret::signatures,
    webhook::Webhook,
};

/// How long connecting may take, and the whole exchange.
const CONNECT: Duration = Duration::from_secs(5);
pub(super) const EXCHANGE: Duration = Duration::from_secs(15);
/// How much of an answer is read, so that its connection can be used again. What it says does not matter.
const MOST_READ: usize = 16 * 1024;
/// How much of an error's text is kept.
const LONGEST_ERROR: usize = 300;

/// Sends messages; a clone is a handle on the same.
#[derive(Clone)]
pub(super) struct Sender {
    allow_local: bool,
    /// Made when the first message is sent: most platforms have no webhooks.
    client: Arc<OnceCell<Client>>,
}

impl Sender {
    pub(super) fn new(allow_local: bool) -> Self {
        Self { allow_local, client: Arc::default() }
    }

    /// Whether it also sends without TLS, and to addresses that are not public.
    pub(super) fn allows_local(&self) -> bool {
        self.allow_local
    }

    /// Sends a message once.
    pub(super) async fn send(&self, webhook: &Webhook, delivery: &Delivery, now: Timestamp) -> Outcome {
        let began = Instant::now();
        let (status, error) = match self.exchange(webhook, delivery, now).await {
            Ok(status @ 200..300) => (status, String::new()),
            Ok(status) => (status, format!("answered with {status}")),
            Err(error) => (0, error.chars().take(LONGEST_ERROR).collect()),
        };
        Outcome { status: i32::from(status), error, took: began.elapsed() }
    }

    async fn exchange(&self, webhook: &Webhook, delivery: &Delivery, now: Timestamp) -> Result<u16, String> {
        let url = reach::parse(&webhook.url, self.allow_local)?;
        let client =
            self.client.get_or_try_init(|| async { client(self.allow_local) }).await.map_err(told)?;
        let response = client
            .post(url)
            .header(CONTENT_TYPE, "application/cloudevents+json; charset=utf-8")
            .header("webhook-id", &delivery.event_id)
            .header("webhook-timestamp", now.as_second())
            .header("webhook-signature", signatures(webhook, &delivery.event_id, now, &delivery.payload))
            .body(delivery.payload.clone())
            .send()
            .await
            .map_err(told)?;
        let status = response.status().as_u16();
        drain(response).await;
        Ok(status)
    }
}

fn client(allow_local: bool) -> reqwest::Result<Client> {
    let builder = Client::builder()
        .user_agent(concat!("moviebooking/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .no_proxy()
        .no_gzip()
        .connect_timeout(CONNECT)
        .timeout(EXCHANGE)
        .pool_max_idle_per_host(1)
        .https_only(!allow_local);
    if allow_local { builder.build() } else { builder.dns_resolver(PublicOnly).build() }
}

/// Reads the answer's body, as far as it is short. That it has been accepted is known by then.
async fn drain(mut response: Response) {
    let mut read = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        read += chunk.len();
        if read > MOST_READ {
            break;
        }
    }
}

/// What went wrong, without the URL, which people know and which may be a secret in itself.
fn told(error: reqwest::Error) -> String {
    let error = error.without_url();
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
