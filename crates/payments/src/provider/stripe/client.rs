//! Requests to Stripe's API: form-encoded, answered with JSON, under a pinned version.

use std::{fmt, time::Duration};

use http::StatusCode;
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

/// Stripe's API with our key.
pub(super) struct Client {
    http: reqwest::Client,
    url: Url,
    key: SecretString,
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
        Ok(Self { http, url, key })
    }

    /// Reads something.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<T, Refusal> {
        let url = self.url.join(path).map_err(|error| Refusal::Unknown(error.to_string()))?;
        self.send(self.http.get(url).query(query)).await
    }

    /// Changes something, once for the operation.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        operation: &Operation,
        form: &[(&str, String)],
    ) -> Result<T, Refusal> {
        let url = self.url.join(path).map_err(|error| Refusal::Unknown(error.to_string()))?;
        self.send(self.http.post(url).header("idempotency-key", operation.to_string()).form(form)).await
    }

    async fn send<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Refusal> {
        let request = request.bearer_auth(self.key.expose_secret()).header("stripe-version", VERSION);
        let (status, body) = http_client::send(request).await.map_err(Refusal::Unknown)?;
        if status.is_success() {
            return serde_json::from_slice(&body)
                .map_err(|error| Refusal::Unknown(format!("Stripe answered nonsense: {error}")));
        }
        let error = serde_json::from_slice(&body).map(|ErrorBody { error }| error);
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
}
