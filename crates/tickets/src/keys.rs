//! The keys that codes are signed with: the first is made at the first use of the first replica, others when an operator
//! asks for them, and all are kept for ever.

use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::signature::Ed25519KeyPair;
use jiff::{SignedDuration, Timestamp};
use moviebooking_domain::clock::SharedClock;
use moviebooking_store::{Db, StoreError};

use crate::{
    code::{PublicKey, SigningKey},
    store::keys,
};

/// How long a key is published before it signs, for scanners that fetch the keys once a day.
pub(crate) const PUBLISHED: SignedDuration = SignedDuration::from_hours(24);

/// The keys cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// The machine gives no randomness, or a stored key is none.
    #[error("the Ed25519 ticket key cannot be made or read")]
    Unusable,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// All keys of the platform, oldest first; there is at least one.
pub(crate) struct KeyRing {
    keys: Vec<(SigningKey, Timestamp)>,
    public: Vec<PublicKey>,
}

impl KeyRing {
    /// The key that codes are signed with now: the newest whose time has come, or the oldest for a clock that is slow.
    pub(crate) fn signer(&self, now: Timestamp) -> Result<&SigningKey, KeyError> {
        let current = self.keys.iter().rev().find(|(_, signs_from)| *signs_from <= now);
        current.or(self.keys.first()).map(|(key, _)| key).ok_or(KeyError::Unusable)
    }

    /// What codes are verified with: every key there ever was, oldest first.
    pub(crate) fn public(&self) -> &[PublicKey] {
        &self.public
    }
}

/// The keys as they were when last looked at.
#[derive(Clone)]
pub(crate) struct Keys {
    db: Db,
    clock: SharedClock,
    ring: Arc<RwLock<Option<Arc<KeyRing>>>>,
}

impl Keys {
    pub(crate) fn new(db: Db, clock: SharedClock) -> Self {
        Self { db, clock, ring: Arc::default() }
    }

    /// The keys; the first is made if there is none. Replicas that do so at the same time end with the same one.
    pub(crate) async fn get(&self) -> Result<Arc<KeyRing>, KeyError> {
        let seen = self.ring.read().unwrap_or_else(PoisonError::into_inner).clone();
        match seen {
            Some(ring) => Ok(ring),
            None => self.look().await,
        }
    }

    /// Looks again: there may be a new one.
    pub(crate) async fn look(&self) -> Result<Arc<KeyRing>, KeyError> {
        let mut stored = keys::all(&self.db).await?;
        if stored.is_empty() {
            self.add(0, self.clock.now()).await?;
            stored = keys::all(&self.db).await?;
        }
        let mut keys = Vec::with_capacity(stored.len());
        for key in stored {
            let id = u16::try_from(key.id).map_err(|_| KeyError::Unusable)?;
            let signing = SigningKey::from_pkcs8(id, &key.pkcs8).ok_or(KeyError::Unusable)?;
            keys.push((signing, key.signs_from));
        }
        let public: Option<Vec<_>> = keys.iter().map(|(key, _)| key.public()).collect();
        let ring = Arc::new(KeyRing { keys, public: public.ok_or(KeyError::Unusable)? });
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&ring));
        Ok(ring)
    }

    /// Adds a key that signs after [`PUBLISHED`], or `at_once`.
    pub(crate) async fn replace(&self, at_once: bool) -> Result<(), KeyError> {
        let last = self.look().await?.public().last().map_or(0, |key| i64::from(key.id));
        let now = self.clock.now();
        let published = if at_once { SignedDuration::ZERO } else { PUBLISHED };
        self.add(last, now.saturating_add(published).unwrap_or(now)).await?;
        self.look().await.map(drop)
    }

    async fn add(&self, last: i64, signs_from: Timestamp) -> Result<(), KeyError> {
        let pair = Ed25519KeyPair::generate().map_err(|_| KeyError::Unusable)?;
        let pkcs8 = pair.to_pkcs8v1().map_err(|_| KeyError::Unusable)?;
        Ok(keys::add(&self.db, last, pkcs8.as_ref(), self.clock.now(), signs_from).await?)
    }
}
