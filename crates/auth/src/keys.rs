//! The public keys that access tokens are verified with: fetched from `users` and kept.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
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

/// A token with an unknown key makes us ask again, but not more often than this.
const LEAST_BETWEEN_FETCHES: SignedDuration = SignedDuration::from_secs(1);
/// As long as there was no answer, we ask again after this.
const LEAST_AFTER_FAILURE: SignedDuration = SignedDuration::from_millis(100);
/// Keys are asked for again after this although all are known: one may have been withdrawn, or be about to sign.
const FRESH: SignedDuration = SignedDuration::from_secs(60);
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
    /// How often a key has gone: whatever was verified before may have been with it.
    withdrawals: AtomicU64,
    /// How they were last asked for. Held while asking, so that many requests with one new key ask once, and all of
    /// them learn at once that there is no answer.
    fetched: Mutex<Option<Fetch>>,
}

impl Keys {
    /// No keys yet; the first token makes us ask.
    pub fn new(source: KeysFromUsers, clock: SharedClock) -> Self {
        Self {
            source,
            clock,
            known: RwLock::default(),
            withdrawals: AtomicU64::new(0),
            fetched: Mutex::new(None),
        }
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
        let recent = |last: &&Fetch| {
            let least = if last.answered { LEAST_BETWEEN_FETCHES } else { LEAST_AFTER_FAILURE };
            now.duration_since(last.ended).abs() < least
        };
        let answered = match fetched.as_ref().filter(recent) {
            Some(last) => last.answered,
            None => self.fetch(&mut fetched).await,
        };
        drop(fetched);
        if answered { Ok(self.known(id)) } else { Err(no_keys().into()) }
    }

    /// Changes whenever a key has gone.
    pub(crate) fn withdrawals(&self) -> u64 {
        self.withdrawals.load(Ordering::Relaxed)
    }

    /// Asks for the keys, and notes that in `fetched`; whether there was an answer.
    async fn fetch(&self, fetched: &mut Option<Fetch>) -> bool {
        let answered = match self.source.fetch().await {
            Ok(keys) => {
                let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
                if known.keys().any(|id| !keys.contains_key(id)) {
                    self.withdrawals.fetch_add(1, Ordering::Relaxed);
                }
                *known = keys;
                true
            }
            Err(status) => {
                // Said once: we may go on asking for long.
                if fetched.as_ref().is_none_or(|last| last.answered) {
                    tracing::warn!(code = ?status.code(), "the keys of access tokens cannot be fetched");
                }
                false
            }
        };
        *fetched = Some(Fetch { ended: self.clock.now(), answered });
        answered
    }

    /// Whether the keys can be had: what readiness asks, every few seconds. It also keeps them fresh: keys that are
    /// known are used for as long as `users` cannot be asked.
    ///
    /// # Errors
    /// When no keys are known and `users` cannot be asked.
    pub async fn ready(&self) -> Result<(), Status> {
        if self.known.read().unwrap_or_else(PoisonError::into_inner).is_empty() {
            self.get("").await?;
            return Ok(());
        }
        let mut fetched = self.fetched.lock().await;
        let now = self.clock.now();
        if fetched.as_ref().is_none_or(|last| now.duration_since(last.ended).abs() >= FRESH) {
            self.fetch(&mut fetched).await;
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
