//! The same request twice has one effect and one answer.
//!
//! A mutation's caller sends a key (`request_id`; `Idempotency-Key` on REST). It is stored with a fingerprint
//! of the request and the encoded response in the transaction of the effect, so that both happen or neither.
//! The usual form, with the key first, makes a second request wait for the first one to commit:
//!
//! ```no_run
//! # use moviebooking_store::{Db, idempotency::{IdempotencyError, Request}};
//! # type CreateHall = String; type Hall = String;
//! # async fn example(db: Db, now: jiff::Timestamp, caller: &str, message: CreateHall, id: &str)
//! # -> Result<Hall, IdempotencyError> {
//! let request = Request::optional(caller, id, "theaters.CreateHall", &message)?;
//! let mut tx = db.begin().await?;
//! if let Some(hall) = request.begin(&mut tx, now).await? {
//!     return Ok(hall); // answered before: the transaction did nothing and is dropped
//! }
//! let hall: Hall = message; // … the effect …
//! request.finish(&mut tx, &hall).await?;
//! tx.commit().await?;
//! # Ok(hall) }
//! ```
//!
//! A use case whose answer is known before its effect saves a round trip with [`Request::record`]. One whose
//! work outlives a transaction (a payment) commits after `begin`; until somebody calls [`finish`] for it, the
//! same request gets [`IdempotencyError::InFlight`].
//!
//! Failures are not stored: the transaction rolls back, and the same key may be tried again. Responses that
//! carry secrets (tokens) must not be stored. Messages with `map` fields need them generated as `BTreeMap`,
//! or their fingerprint changes from one request to the next.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use moviebooking_domain::clock::Clock;
use moviebooking_proto::{Problem, Reason};
use prost::Message;
use sha2::{Digest as _, Sha256};
use tokio::time::MissedTickBehavior;

use crate::{Db, Executor, Migration, StoreError, Tx, Value, sql};

/// The table behind this module, for a service's list of migrations.
pub const MIGRATION: Migration = crate::migration!(9001, "migrations/idempotency_keys.sql");

/// How long a key is kept at least.
pub const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// The longest key, in characters.
const LONGEST_KEY: usize = 255;
const PURGE_EVERY: Duration = Duration::from_secs(600);
/// Rows deleted in one statement, so that others do not wait long.
const PURGED_AT_ONCE: i64 = 1_000;

/// Why a request with a key is not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdempotencyError {
    /// A key is required and there is none.
    #[error("no idempotency key")]
    Missing,
    /// The key is too long or has other characters than visible ASCII.
    #[error("malformed idempotency key")]
    Malformed,
    /// The caller has used the key for another request.
    #[error("idempotency key reused for another request")]
    Reused,
    /// The first request with this key has not ended yet.
    #[error("a request with this idempotency key is in flight")]
    InFlight,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<IdempotencyError> for Problem {
    fn from(error: IdempotencyError) -> Self {
        match error {
            IdempotencyError::Missing => Self::new(
                Reason::IdempotencyKeyMissing,
                "This request needs an idempotency key: a request_id (the header Idempotency-Key on REST) \
                 that is new for each new request and the same for each repetition.",
            )
            .field("request_id", "set it, for instance to a new UUID"),
            IdempotencyError::Malformed => {
                Self::invalid("request_id", "an idempotency key has 1 to 255 visible ASCII characters")
            }
            IdempotencyError::Reused => Self::new(
                Reason::IdempotencyKeyReused,
                "This idempotency key was used for another request; take a new one.",
            )
            .field("request_id", "take a key that was not used before"),
            IdempotencyError::InFlight => Self::new(
                Reason::RequestInFlight,
                "A request with this idempotency key is still being worked on.",
            )
            .retry_after(std::time::Duration::from_secs(1)),
            IdempotencyError::Store(error) => error.into(),
        }
    }
}

impl From<IdempotencyError> for tonic::Status {
    fn from(error: IdempotencyError) -> Self {
        Problem::from(error).into()
    }
}

/// A request that may carry a key. Without one every operation here does nothing.
#[derive(Debug)]
pub struct Request(Option<Key>);

#[derive(Debug)]
struct Key {
    caller: String,
    key: String,
    method: &'static str,
    fingerprint: [u8; 32],
}

impl Request {
    /// A request of `caller` (whose keys are theirs alone) to `method`, with the key `request_id`, which may
    /// be empty. The fingerprint is made of the whole `message`; it may still hold its `request_id`.
    ///
    /// # Errors
    /// [`IdempotencyError::Malformed`]
    pub fn optional(
        caller: &str,
        request_id: &str,
        method: &'static str,
        message: &impl Message,
    ) -> Result<Self, IdempotencyError> {
        if request_id.is_empty() {
            Ok(Self(None))
        } else {
            Self::required(caller, request_id, method, message)
        }
    }

    /// Like [`optional`](Self::optional), for a method that must not be called without a key.
    ///
    /// # Errors
    /// [`IdempotencyError::Missing`], [`IdempotencyError::Malformed`]
    pub fn required(
        caller: &str,
        request_id: &str,
        method: &'static str,
        message: &impl Message,
    ) -> Result<Self, IdempotencyError> {
        if request_id.is_empty() {
            return Err(IdempotencyError::Missing);
        }
        if request_id.len() > LONGEST_KEY || !request_id.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(IdempotencyError::Malformed);
        }
        let mut hash = Sha256::new();
        hash.update(method);
        hash.update([0]);
        hash.update(message.encode_to_vec());
        Ok(Self(Some(Key {
            caller: caller.to_owned(),
            key: request_id.to_owned(),
            method,
            fingerprint: hash.finalize().into(),
        })))
    }

    /// What tells this request from another one with the same key, for a service that keeps key and fingerprint in
    /// rows of its own (a payment outlives [`KEPT`]). `None` without a key.
    pub fn fingerprint(&self) -> Option<[u8; 32]> {
        self.0.as_ref().map(|key| key.fingerprint)
    }

    /// Claims the key, as the first statement of the transaction: `None` means go on, a message is the answer
    /// given before. Another transaction with the same key is waited for.
    ///
    /// # Errors
    /// [`IdempotencyError::Reused`], [`IdempotencyError::InFlight`], [`IdempotencyError::Store`]
    pub async fn begin<M: Message + Default>(
        &self,
        tx: &mut Tx,
        now: Timestamp,
    ) -> Result<Option<M>, IdempotencyError> {
        self.insert(tx, None, now).await
    }

    /// Stores the answer to what [`begin`](Self::begin) claimed.
    ///
    /// # Errors
    /// [`StoreError::NoRow`] when nothing was claimed.
    pub async fn finish(&self, tx: &mut Tx, response: &impl Message) -> Result<(), StoreError> {
        match &self.0 {
            Some(key) => finish(tx, &key.caller, &key.key, response).await,
            None => Ok(()),
        }
    }

    /// Claims the key and stores the answer in one statement. `None` means that it was stored; a message is
    /// the answer given before, and the caller drops the transaction with all that it did. The effect may
    /// have failed because the first request had it already: on such an error look with
    /// [`lookup`](Self::lookup), too, before answering.
    ///
    /// # Errors
    /// [`IdempotencyError::Reused`], [`IdempotencyError::InFlight`], [`IdempotencyError::Store`]
    pub async fn record<M: Message + Default>(
        &self,
        tx: &mut Tx,
        response: &M,
        now: Timestamp,
    ) -> Result<Option<M>, IdempotencyError> {
        self.insert(tx, Some(response.encode_to_vec()), now).await
    }

    /// The row that [`record`](Self::record) inserts: the values of `caller`, `key`, `method`, `fingerprint`,
    /// `response` and `created_at` of `idempotency_keys`, for a statement of one engine's own that inserts it
    /// together with the effect. `None` without a key.
    pub fn row(&self, response: &impl Message, now: Timestamp) -> Option<[Value; 6]> {
        let key = self.0.as_ref()?;
        Some([
            key.caller.as_str().into(),
            key.key.as_str().into(),
            key.method.into(),
            key.fingerprint.into(),
            response.encode_to_vec().into(),
            now.into(),
        ])
    }

    /// The answer given before, if there is one.
    ///
    /// # Errors
    /// [`IdempotencyError::Reused`], [`IdempotencyError::InFlight`], [`IdempotencyError::Store`]
    pub async fn lookup<M: Message + Default>(
        &self,
        on: impl Into<Executor<'_>>,
    ) -> Result<Option<M>, IdempotencyError> {
        let Some(key) = &self.0 else { return Ok(None) };
        let row =
            sql("SELECT method, fingerprint, response FROM idempotency_keys WHERE caller = $1 AND key = $2")
                .bind(&key.caller)
                .bind(&key.key)
                .fetch_optional(on)
                .await?;
        let Some(row) = row else { return Ok(None) };
        let (method, fingerprint): (String, Vec<u8>) = (row.get("method")?, row.get("fingerprint")?);
        if method != key.method || fingerprint != key.fingerprint {
            return Err(IdempotencyError::Reused);
        }
        let response: Vec<u8> = row.get::<Option<Vec<u8>>>("response")?.ok_or(IdempotencyError::InFlight)?;
        let response = M::decode(response.as_slice())
            .map_err(|source| StoreError::Corrupt { column: "response".to_owned(), source: source.into() })?;
        Ok(Some(response))
    }

    async fn insert<M: Message + Default>(
        &self,
        tx: &mut Tx,
        response: Option<Vec<u8>>,
        now: Timestamp,
    ) -> Result<Option<M>, IdempotencyError> {
        let Some(key) = &self.0 else { return Ok(None) };
        loop {
            // On PostgreSQL this waits for a concurrent insert of the same key. After its commit the row
            // conflicts, and the next statement sees it, READ COMMITTED; after its rollback this one inserts.
            let inserted =
                sql("INSERT INTO idempotency_keys (caller, key, method, fingerprint, response, created_at) \
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (caller, key) DO NOTHING")
                .bind(&key.caller)
                .bind(&key.key)
                .bind(key.method)
                .bind(key.fingerprint)
                .bind(response.clone())
                .bind(now)
                .execute(&mut *tx)
                .await?;
            if inserted == 1 {
                return Ok(None);
            }
            // None here means that the key was purged between the two statements: insert again.
            if let Some(response) = self.lookup(&mut *tx).await? {
                return Ok(Some(response));
            }
        }
    }
}

/// Stores the answer to a request that was claimed in an earlier transaction, perhaps by another process.
///
/// # Errors
/// [`StoreError::NoRow`] when nothing was claimed.
pub async fn finish(tx: &mut Tx, caller: &str, key: &str, response: &impl Message) -> Result<(), StoreError> {
    let updated = sql("UPDATE idempotency_keys SET response = $3 WHERE caller = $1 AND key = $2")
        .bind(caller)
        .bind(key)
        .bind(response.encode_to_vec())
        .execute(tx)
        .await?;
    if updated == 1 { Ok(()) } else { Err(StoreError::NoRow) }
}

/// Deletes old keys every ten minutes, for ever: a service runs it beside its work. Every replica may.
pub async fn keep_purged(db: &Db, clock: &dyn Clock) {
    let mut turns = tokio::time::interval(PURGE_EVERY);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        loop {
            match purge(db, clock.now(), PURGED_AT_ONCE).await {
                Ok(deleted) if deleted < PURGED_AT_ONCE.unsigned_abs() => break,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(
                        error = error.chain(),
                        "old idempotency keys were not deleted; it is tried again"
                    );
                    break;
                }
            }
        }
    }
}

/// Deletes up to `limit` keys of finished requests that are older than [`KEPT`], and returns how many.
///
/// # Errors
/// [`StoreError`]
pub async fn purge(db: &Db, now: Timestamp, limit: i64) -> Result<u64, StoreError> {
    let Ok(before) = now.checked_sub(KEPT) else { return Ok(0) };
    sql("DELETE FROM idempotency_keys WHERE (caller, key) IN (SELECT caller, key FROM idempotency_keys \
         WHERE created_at < $1 AND response IS NOT NULL ORDER BY created_at LIMIT $2)")
    .bind(before)
    .bind(limit)
    .execute(db)
    .await
}
