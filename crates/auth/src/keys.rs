//! The public keys that access tokens are verified with: fetched from `users` and kept.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::DecodingKey;
use moviebooking_domain::clock::SharedClock;
use moviebooking_proto::users::v1::{GetJwksRequest, users_service_client::UsersServiceClient};
use moviebooking_serve::Link;
use tokio::sync::Mutex;
use tonic::Status;

use crate::access_token::decoding_key;

/// A token with an unknown key makes us ask again, but not more often than this.
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

/// The keys that are known, by id.
pub struct Keys {
    source: KeysFromUsers,
    clock: SharedClock,
    known: RwLock<HashMap<String, Arc<DecodingKey>>>,
    /// When they were last asked for. Held while asking, so that many requests with one new key ask once.
    fetched: Mutex<Option<Timestamp>>,
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
        let now = self.clock.now();
        if fetched.is_some_and(|last| now.duration_since(last) < LEAST_BETWEEN_FETCHES) {
            return Ok(None);
        }
        let keys = self.source.fetch().await?;
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = keys;
        *fetched = Some(now);
        drop(fetched);
        Ok(self.known(id))
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
