//! The keys that codes are signed with: made at the first use of the first replica, kept for ever.

use std::sync::Arc;

use aws_lc_rs::signature::Ed25519KeyPair;
use moviebooking_domain::clock::SharedClock;
use moviebooking_store::{Db, StoreError};
use tokio::sync::OnceCell;

use crate::{
    code::{PublicKey, SigningKey},
    store::keys,
};

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

/// All keys of the platform.
pub(crate) struct KeyRing {
    newest: SigningKey,
    public: Vec<PublicKey>,
}

impl KeyRing {
    /// The key that new codes are signed with.
    pub(crate) fn newest(&self) -> &SigningKey {
        &self.newest
    }

    /// What codes are verified with: every key there ever was, oldest first.
    pub(crate) fn public(&self) -> &[PublicKey] {
        &self.public
    }
}

/// The keys, read when they are first needed.
#[derive(Clone)]
pub(crate) struct Keys {
    db: Db,
    clock: SharedClock,
    ring: Arc<OnceCell<KeyRing>>,
}

impl Keys {
    pub(crate) fn new(db: Db, clock: SharedClock) -> Self {
        Self { db, clock, ring: Arc::default() }
    }

    /// The keys; the first is made if there is none. Replicas that do so at the same time end with the same one.
    pub(crate) async fn get(&self) -> Result<&KeyRing, KeyError> {
        self.ring.get_or_try_init(|| self.load()).await
    }

    async fn load(&self) -> Result<KeyRing, KeyError> {
        let mut stored = keys::all(&self.db).await?;
        if stored.is_empty() {
            let pair = Ed25519KeyPair::generate().map_err(|_| KeyError::Unusable)?;
            let pkcs8 = pair.to_pkcs8v1().map_err(|_| KeyError::Unusable)?;
            keys::add_first(&self.db, pkcs8.as_ref(), self.clock.now()).await?;
            stored = keys::all(&self.db).await?;
        }
        let mut keys = Vec::with_capacity(stored.len());
        for (id, pkcs8) in stored {
            let id = u16::try_from(id).map_err(|_| KeyError::Unusable)?;
            keys.push(SigningKey::from_pkcs8(id, &pkcs8).ok_or(KeyError::Unusable)?);
        }
        let public: Option<Vec<_>> = keys.iter().map(SigningKey::public).collect();
        match (keys.pop(), public) {
            (Some(newest), Some(public)) => Ok(KeyRing { newest, public }),
            _ => Err(KeyError::Unusable),
        }
    }
}
