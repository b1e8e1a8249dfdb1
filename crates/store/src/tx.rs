//! Transactions.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt as _;
use sha2::{Digest as _, Sha256};
use sqlx::{Postgres, Sqlite, Transaction};
use tokio::sync::Notify;

use crate::db::Pools;
use crate::error::is_serialization;
use crate::observe::Statement;
use crate::{Db, Engine, StoreError, sql};

/// How often [`retry`] runs its work before it gives up.
const ATTEMPTS: u32 = 5;

/// An open transaction. Dropped without [`commit`](Self::commit) it is rolled back.
///
/// On PostgreSQL it is READ COMMITTED: each statement sees what was committed when that statement began. On
/// SQLite it is the only writer from its first moment (`BEGIN IMMEDIATE`); others wait in order of arrival.
pub struct Tx {
    open: Open,
    name: &'static str,
    events: Arc<Notify>,
    announces: bool,
}

pub(crate) enum Open {
    Postgres(Transaction<'static, Postgres>),
    Sqlite(Transaction<'static, Sqlite>),
}

impl Db {
    /// Begins a transaction.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when no connection is to be had in time.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        let begin = async {
            Ok(match self.pools() {
                Pools::Postgres(postgres) => Open::Postgres(postgres.begin().await?),
                Pools::Sqlite(pools) => Open::Sqlite(pools.writer.begin_with("BEGIN IMMEDIATE").await?),
            })
        };
        let open = Statement::new(self.name(), self.engine(), "BEGIN").run(begin).await?;
        Ok(Tx { open, name: self.name(), events: Arc::clone(self.events()), announces: false })
    }
}

/// Runs `work`, which begins and commits a transaction of its own, again when the database gave the
/// transaction up in favour of another (a deadlock, a serialization failure, a lock not had in time): up to
/// five times, with a short random pause. `work` must have no effect outside of its transaction.
///
/// ```no_run
/// # use moviebooking_store::{Db, StoreError, retry, sql};
/// # async fn example(db: &Db, id: uuid::Uuid) -> Result<(), StoreError> {
/// let version: i64 = retry(|| async {
///     let mut tx = db.begin().await?;
///     let update = sql("UPDATE halls SET version = version + 1 WHERE id = $1 RETURNING version");
///     let version = update.bind(id).fetch_one(&mut tx).await?.get("version")?;
///     tx.commit().await?;
///     Ok::<_, StoreError>(version)
/// })
/// .await?;
/// # Ok(()) }
/// ```
///
/// A [`StoreError`] is looked for in the error and its sources, so a use case's own error enum will do, as
/// long as the [`StoreError`] is its `#[source]`, its `#[from]` or transparent.
///
/// # Errors
/// What the last run of `work` returned.
pub async fn retry<T, E, W, F>(work: W) -> Result<T, E>
where
    W: Fn() -> F,
    F: Future<Output = Result<T, E>>,
    E: Error + 'static,
{
    for attempt in 1..ATTEMPTS {
        match work().await {
            Err(error) if is_serialization(&error) => {
                tracing::debug!(attempt, "transaction gave way and is run again");
                let pause = rand::rng().random_range(2..=20_u64).saturating_mul(1 << attempt);
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
            result => return result,
        }
    }
    work().await
}

impl Tx {
    /// Which engine it runs on.
    pub fn engine(&self) -> Engine {
        match self.open {
            Open::Postgres(_) => Engine::Postgres,
            Open::Sqlite(_) => Engine::Sqlite,
        }
    }

    /// Waits until no other transaction holds the lock on the thing `id` of the kind `space`
    /// (`tx.lock("hall", hall_id)`), and holds it until this transaction ends. It is
    /// `pg_advisory_xact_lock` on PostgreSQL and nothing on SQLite, whose transactions exclude each other
    /// anyway. Take several in one order everywhere.
    ///
    /// # Errors
    /// [`StoreError::Serialization`] when the lock is not to be had in five seconds or in a deadlock.
    pub async fn lock(&mut self, space: &'static str, id: impl AsRef<[u8]>) -> Result<(), StoreError> {
        if self.engine() == Engine::Postgres {
            sql("SELECT pg_advisory_xact_lock($1)").bind(lock_key(space, id.as_ref())).execute(self).await?;
        }
        Ok(())
    }

    /// Says that this transaction writes events: its commit wakes whoever waits for them in this process.
    pub fn announce_events(&mut self) {
        self.announces = true;
    }

    /// Makes everything done in it permanent.
    ///
    /// # Errors
    /// [`StoreError`]. After [`StoreError::Unavailable`] it is not known whether the commit happened: the
    /// caller repeats the request with the same idempotency key.
    pub async fn commit(self) -> Result<(), StoreError> {
        let statement = Statement::new(self.name, self.engine(), "COMMIT");
        let commit = async {
            match self.open {
                Open::Postgres(tx) => tx.commit().await?,
                Open::Sqlite(tx) => tx.commit().await?,
            }
            Ok(())
        };
        statement.run(commit).await?;
        if self.announces {
            self.events.notify_one();
        }
        Ok(())
    }

    pub(crate) fn open(&mut self) -> &mut Open {
        &mut self.open
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }
}

impl fmt::Debug for Tx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tx({:?})", self.engine())
    }
}

/// 64 bits of a SHA-256, so that a collision (two things sharing a lock, which is slow but not wrong) does
/// not happen in practice.
fn lock_key(space: &str, id: &[u8]) -> i64 {
    let mut hash = Sha256::new();
    hash.update(space.as_bytes());
    hash.update([0]);
    hash.update(id);
    let digest = hash.finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(first)
}
