//! The REST interface as a client without any of our code sees it.

use std::{net::SocketAddr, time::Duration};

use reqwest::{
    Client, Method, RequestBuilder, StatusCode,
    header::{CONTENT_TYPE, HeaderMap},
};
use serde_json::{Value, json};

use crate::key;

/// A client, possibly signed in.
#[derive(Clone)]
pub struct Rest {
    client: Client,
    base: String,
    token: Option<String>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it came.
    pub bytes: Vec<u8>,
    /// The body as JSON; null where it is none.
    pub json: Value,
}

impl Answer {
    /// The JSON of a good answer.
    ///
    /// # Panics
    /// When the answer is not a good one.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert!(self.status.is_success(), "{}: {}", self.status, self.json);
        self.json
    }

    /// The problem of a bad answer, which must be one as RFC 9457 has it, with this status and reason.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn problem(self, status: u16, reason: &str) -> Value {
        assert_eq!(
            (self.status.as_u16(), self.json["reason"].as_str()),
            (status, Some(reason)),
            "{}",
            self.json
        );
        assert_eq!(self.headers[CONTENT_TYPE], "application/problem+json");
        assert!(self.json["title"].is_string() && self.json["detail"].is_string(), "{}", self.json);
        self.json
    }

    /// Like [`Answer::problem`] for a bad field, which the problem must name.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn bad_field(self, status: u16, reason: &str, field: &str) -> Value {
        let problem = self.problem(status, reason);
        let named = problem["errors"]
            .as_array()
            .is_some_and(|errors| errors.iter().any(|error| error["field"] == field));
        assert!(named, "does not name {field}: {problem}");
        problem
    }
}

impl Rest {
    /// A client that nobody is signed in to.
    pub fn new(address: SocketAddr) -> Self {
        Self { client: Client::new(), base: format!("http://{address}"), token: None }
    }

    /// The same client, signed in.
    pub async fn sign_in(self, email: &str, password: &str) -> Self {
        let session = self.post("/users/login", json!({"email": email, "password": password})).await.ok();
        Self { token: session["accessToken"].as_str().map(str::to_owned), ..self }
    }

    /// The same client with this access token.
    pub fn with_token(self, token: String) -> Self {
        Self { token: Some(token), ..self }
    }

    /// The access token.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// A request to be completed by the caller.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request.
    ///
    /// # Panics
    /// When no answer comes.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        self.try_send(request).await.expect("a whole answer")
    }

    /// Sends a request.
    ///
    /// # Errors
    /// When no whole answer comes.
    pub async fn try_send(&self, request: RequestBuilder) -> reqwest::Result<Answer> {
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await?.to_vec();
        let json = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Ok(Answer { status, headers, bytes, json })
    }

    /// `GET path`.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// `POST path` with a body and a fresh idempotency key.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::POST, path).header("idempotency-key", key()).json(&body)).await
    }

    /// Sends a request until it is done: again while what it needs is away (no answer, or 503), and while it is being worked
    /// on.
    ///
    /// # Panics
    /// When its body is a stream.
    pub async fn send_until_done(&self, request: RequestBuilder) -> Answer {
        loop {
            let once = request.try_clone().expect("a body that is no stream");
            match self.try_send(once).await {
                Ok(answer)
                    if answer.status != StatusCode::SERVICE_UNAVAILABLE
                        && answer.json["reason"] != "REQUEST_IN_FLIGHT" =>
                {
                    return answer;
                }
                _ => {}
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// `POST path` with a body and a fresh idempotency key, the same one until it is done.
    pub async fn post_until_done(&self, path: &str, body: Value) -> Answer {
        self.send_until_done(self.request(Method::POST, path).header("idempotency-key", key()).json(&body))
            .await
    }

    /// `PATCH path` with a body.
    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::PATCH, path).json(&body)).await
    }

    /// `PUT path` with a body.
    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::PUT, path).json(&body)).await
    }

    /// `DELETE path`.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }
}
