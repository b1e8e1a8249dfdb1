//! The public keys that access tokens are verified with: fetched from `users` and kept.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::DecodingKey;
use moviebooking_domain::clock::SharedClock;
use moviebooking_proto::{
    Problem,
    users::v1::{GetJwksRequest, users_service_client::UsersServiceClient},
};
use moviebooking_serve::Link;
use tokio::sync::Mutex;
use tonic::Status;

use crate::access_token::decoding_key;

/// A token with an unknown key makes us ask again, but not more often than this, whether we got an answer or not.
const LEAST_BETWEEN_FETCHES: SignedDuration = SignedDuration::from_secs(1);
const FETCH_DEADLINE: Duration = Duration::from_secs(2);

/// Where the keys come from.
pub struct KeysFromUsers {
    client: UsersServiceClient<Link>,
}

impl KeysFromUsers {
    /// Keys from the `users` service at the end of this link.
    pub fn new(link: Link) -> Self {
        Self { client: UsersServiceClient::new(link.with_deadline(FETCH_DEADLINE)) }
    }

    async fn fetch(&self) -> Result<HashMap<String, Arc<DecodingKey>>, Status> {
        let keys = self.client.clone().get_jwks(GetJwksRequest {}).await?.into_inner().keys;
        Ok(keys.iter().filter_map(|jwk| Some((jwk.kid.clone(), Arc::new(decoding_key(jwk)?)))).collect())
    }
}

/// When asking for the keys ended, and whether there was an answer.
struct Fetch {
    ended: Timestamp,
    answered: bool,
}

/// The keys that are known, by id.
pub struct Keys {
    source: KeysFromUsers,
    clock: SharedClock,
    known: RwLock<HashMap<String, Arc<DecodingKey>>>,
    /// How they were last asked for. Held while asking, so that many requests with one new key ask once, and all of
    /// them learn at once that there is no answer.
    fetched: Mutex<Option<Fetch>>,
}

impl Keys {
    /// No keys yet; the first token makes us ask.
    pub fn new(source: KeysFromUsers, clock: SharedClock) -> Self {
        Self { source, clock, known: RwLock::default(), fetched: Mutex::new(None) }
    }

    /// The key with this id; `None` when `users` does not have it (any more).
    ///
    /// # Errors
    /// When the key is not known and `users` cannot be asked.
    pub(crate) async fn get(&self, id: &str) -> Result<Option<Arc<DecodingKey>>, Status> {
        if let Some(key) = self.known(id) {
            return Ok(Some(key));
        }
        let mut fetched = self.fetched.lock().await;
        if let Some(key) = self.known(id) {
            return Ok(Some(key));
        }
        let recent =
            |last: &&Fetch| self.clock.now().duration_since(last.ended).abs() < LEAST_BETWEEN_FETCHES;
        let answered = match fetched.as_ref().filter(recent) {
            Some(last) => last.answered,
            None => {
                let answered = self.fetch().await;
                *fetched = Some(Fetch { ended: self.clock.now(), answered });
                answered
            }
        };
        drop(fetched);
        if answered { Ok(self.known(id)) } else { Err(no_keys().into()) }
    }

    /// Asks for the keys; whether there was an answer.
    async fn fetch(&self) -> bool {
        match self.source.fetch().await {
            Ok(keys) => {
                *self.known.write().unwrap_or_else(PoisonError::into_inner) = keys;
                true
            }
            Err(status) => {
                tracing::warn!(code = ?status.code(), "the keys of access tokens cannot be fetched");
                false
            }
        }
    }

    /// Whether the keys can be had: what readiness asks.
    ///
    /// # Errors
    /// When no keys are known and `users` cannot be asked.
    pub async fn ready(&self) -> Result<(), Status> {
        if self.known.read().unwrap_or_else(PoisonError::into_inner).is_empty() {
            self.get("").await?;
        }
        Ok(())
    }

    fn known(&self, id: &str) -> Option<Arc<DecodingKey>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }
}

fn no_keys() -> Problem {
    Problem::unavailable("Access tokens cannot be verified now; try again in a second.")
}
