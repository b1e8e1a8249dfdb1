//! The signing keys in memory.

use std::sync::{Arc, PoisonError, RwLock};

use jiff::{SignedDuration, Timestamp};
use moviebooking_auth::{SigningKey, SigningKeyError};
use moviebooking_domain::clock::SharedClock;
use moviebooking_proto::users::v1::Jwk;
use moviebooking_store::Db;

use crate::{
    Config,
    error::Error,
    store::keys::{self, Key, Rotation},
};

/// The keys that the database has, as of the last look.
pub(crate) struct Keyring {
    db: Db,
    clock: SharedClock,
    period: SignedDuration,
    seen: RwLock<Option<Arc<Keys>>>,
}

/// Keys in the order in which they sign.
pub(crate) struct Keys(Vec<Key>);

impl Keyring {
    pub(crate) fn new(db: Db, clock: SharedClock, config: &Config) -> Self {
        let period = SignedDuration::from_hours(i64::from(config.signing_key_days) * 24);
        Self { db, clock, period, seen: RwLock::default() }
    }

    /// The keys; the first call of a process looks them up, and in a new database makes one.
    pub(crate) async fn keys(&self) -> Result<Arc<Keys>, Error> {
        let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner).clone();
        match seen {
            Some(keys) => Ok(keys),
            None => self.rotate().await,
        }
    }

    /// Looks again, and makes or deletes keys whose time has come.
    pub(crate) async fn rotate(&self) -> Result<Arc<Keys>, Error> {
        self.replace(Rotation::After(self.period)).await
    }

    /// Looks again: another process may have changed them.
    pub(crate) async fn look(&self) -> Result<(), Error> {
        self.see(keys::all(&self.db).await?);
        Ok(())
    }

    /// Makes a new key when `rotation` says, and deletes those whose time is over.
    pub(crate) async fn replace(&self, rotation: Rotation) -> Result<Arc<Keys>, Error> {
        Ok(self.see(keys::rotate(&self.db, rotation, self.clock.now()).await?))
    }

    fn see(&self, keys: Vec<Key>) -> Arc<Keys> {
        let keys = Arc::new(Keys(keys));
        *self.seen.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&keys));
        keys
    }
}

impl Keys {
    /// The key that signs now: the last whose time has come, or the first of all for a clock that is slow.
    pub(crate) fn signer(&self, now: Timestamp) -> Result<&SigningKey, SigningKeyError> {
        let current = self.0.iter().rev().find(|key| key.signs_from <= now);
        current.or(self.0.first()).map(|key| &key.signing).ok_or(SigningKeyError)
    }

    /// The public halves of all keys.
    pub(crate) fn public(&self) -> Vec<Jwk> {
        self.0.iter().map(|key| key.signing.public_jwk()).collect()
    }
}
