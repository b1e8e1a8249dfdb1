//! Somebody who is signed in: a buyer, or the admin who refunds.

use std::sync::{PoisonError, RwLock};

use reqwest::Method;
use serde_json::{Value, json};

use crate::ask::Rest;

/// An account and its access token.
pub(crate) struct Buyer {
    email: String,
    password: String,
    token: RwLock<String>,
}

/// Without password and token.
impl std::fmt::Debug for Buyer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.email)
    }
}

impl Buyer {
    /// An account that exists, not yet signed in.
    pub(crate) fn new(email: String, password: String) -> Self {
        Self { email, password, token: RwLock::default() }
    }

    /// The access token; empty until it has signed in.
    pub(crate) fn token(&self) -> String {
        self.token.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Signs in, and says whether that worked.
    pub(crate) async fn sign_in(&self, rest: &Rest) -> bool {
        let body = json!({"email": self.email, "password": self.password});
        let Ok((status, whole)) = rest.send(Method::POST, "/users/login", None, None, Some(&body)).await
        else {
            return false;
        };
        let session: Value = serde_json::from_slice(&whole).unwrap_or_default();
        let Some(token) = session["accessToken"].as_str().filter(|_| status.is_success()) else {
            return false;
        };
        *self.token.write().unwrap_or_else(PoisonError::into_inner) = token.to_owned();
        true
    }
}
