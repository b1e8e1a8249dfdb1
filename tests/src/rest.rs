//! The REST interface as a client without any of our code sees it.

use std::net::SocketAddr;

use moviebooking_standalone::Account;
use reqwest::{
    Client, Method, RequestBuilder, StatusCode,
    header::{CONTENT_TYPE, HeaderMap},
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

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

    /// The same client, signed in as this account by the token that is in `cell` or gets there: hashing passwords
    /// takes time.
    pub async fn remembered(self, cell: &OnceCell<String>, account: &Account) -> Self {
        let token = cell
            .get_or_init(|| async {
                let signed_in = self.clone().sign_in(&account.email, &account.password).await;
                signed_in.token.unwrap_or_default()
            })
            .await
            .clone();
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
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await.expect("a whole answer").to_vec();
        let json = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status, headers, bytes, json }
    }

    /// `GET path`.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// `POST path` with a body and a fresh idempotency key.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::POST, path).header("idempotency-key", key()).json(&body)).await
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
