//! Requests to Stripe's API: form-encoded, answered with JSON, under a pinned version.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use http::{Response, StatusCode};
use moviebooking_serve::StartError;
use reqwest::{RequestBuilder, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;

use super::object::{Error, ErrorBody, PaymentIntent};
use crate::provider::{Operation, ProviderError, http_client};

/// The version of the API that this code is written for, whatever the account's own is
/// (<https://docs.stripe.com/api/versioning>).
const VERSION: &str = "2025-09-30.clover";
/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(2);

/// The header of an answer that Stripe has given before to a request with the same idempotency key.
const REPLAYED: &str = "idempotent-replayed";
/// Of how many operations it is remembered that they have failed.
const MOST_FAILED: usize = 10_000;

/// Stripe's API with our key.
pub(super) struct Client {
    http: reqwest::Client,
    url: Url,
    key: SecretString,
    /// How often an operation has failed for good under its idempotency key.
    failed: Mutex<HashMap<Operation, u32>>,
}

/// Why a request was not carried out, or may not have been.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Stripe's own word, which was final.
    Stripe(Box<Error>),
    /// No answer, or none that says what happened.
    Unknown(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stripe(error) => write!(f, "Stripe refused: {error}"),
            Self::Unknown(why) => f.write_str(why),
        }
    }
}

impl Refusal {
    /// Whether there is no such object.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Self::Stripe(error) if error.code() == "resource_missing")
    }

    /// The intent that was in a state in which it could not be done, or what the refusal means.
    pub(super) fn or_intent(self) -> Result<PaymentIntent, ProviderError> {
        match self {
            Self::Stripe(error) => error.unexpected_intent().ok_or_else(|| error.verdict()),
            Self::Unknown(why) => Err(ProviderError::Unknown(why)),
        }
    }
}

impl Client {
    pub(super) fn new(url: &str, key: SecretString) -> Result<Self, StartError> {
        let url = http_client::base_url("--stripe-api-url", url)?;
        let http = http_client::builder(&url)?.connect_timeout(CONNECT).build();
        let http = http.map_err(|error| StartError::config(format!("Stripe cannot be reached: {error}")))?;
        Ok(Self { http, url, key, failed: Mutex::default() })
    }

    /// Reads something.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<T, Refusal> {
        let url = self.url.join(path).map_err(|error| Refusal::Unknown(error.to_string()))?;
        read(&self.send(self.http.get(url).query(query)).await?)
    }

    /// Changes something, once for the operation.
    ///
    /// Stripe repeats its first answer to an idempotency key for at least 24 hours, server errors included
    /// (<https://docs.stripe.com/api/idempotent_requests>). So what it repeats has ended, and the operation gets another
    /// key, under which it can succeed: whoever sends it again looks it up before. A card that was declined stays so.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        operation: &Operation,
        form: &[(&str, String)],
    ) -> Result<T, Refusal> {
        let url = self.url.join(path).map_err(|error| Refusal::Unknown(error.to_string()))?;
        let failed = self.failed(|failed| failed.get(operation).copied());
        let key = failed.map_or_else(|| operation.to_string(), |times| format!("{operation}:{times}"));
        let answer = self.send(self.http.post(url).header("idempotency-key", key).form(form)).await?;
        let status = answer.status();
        let is_final = matches!(operation, Operation::Authorise(_)) && status.is_client_error();
        if !status.is_success() && !is_final && answer.headers().contains_key(REPLAYED) {
            self.failed(|failed| {
                // To forget is to be told again.
                if failed.len() >= MOST_FAILED {
                    failed.clear();
                }
                *failed.entry(*operation).or_default() += 1;
            });
            return Err(Refusal::Unknown(format!("Stripe repeats its earlier answer, {status}")));
        }
        if status.is_success() && failed.is_some() {
            self.failed(|failed| failed.remove(operation));
        }
        read(&answer)
    }

    fn failed<T>(&self, change: impl FnOnce(&mut HashMap<Operation, u32>) -> T) -> T {
        change(&mut self.failed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response<Vec<u8>>, Refusal> {
        let request = request.bearer_auth(self.key.expose_secret()).header("stripe-version", VERSION);
        http_client::send(request).await.map_err(Refusal::Unknown)
    }
}

/// What an answer says.
fn read<T: DeserializeOwned>(answer: &Response<Vec<u8>>) -> Result<T, Refusal> {
    let status = answer.status();
    if status.is_success() {
        return serde_json::from_slice(answer.body())
            .map_err(|error| Refusal::Unknown(format!("Stripe answered nonsense: {error}")));
    }
    let error = serde_json::from_slice(answer.body()).map(|ErrorBody { error }| error);
    match (status, error) {
        // 409 is for two requests with one key at once; 401, 403 and 429 say nothing about the payment.
        (StatusCode::BAD_REQUEST | StatusCode::PAYMENT_REQUIRED | StatusCode::NOT_FOUND, Ok(error))
            if !error.is_about_idempotency() =>
        {
            Err(Refusal::Stripe(Box::new(error)))
        }
        (status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN), _) => {
            tracing::error!(%status, "Stripe does not take our key");
            Err(Refusal::Unknown(format!("Stripe answered with {status}")))
        }
        (status, Ok(error)) => Err(Refusal::Unknown(format!("Stripe answered with {status}: {error}"))),
        (status, Err(_)) => Err(Refusal::Unknown(format!("Stripe answered with {status}"))),
    }
}
