//! The handle to a database.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Database, Pool};
use tokio::sync::{Notify, watch};

use crate::postgres::PostgresPool;
use crate::url::Place;
use crate::{DatabaseUrl, DatabaseUrlError, StoreError, observe, sql};

/// How long SQLite waits for another process that writes, and a writer of this one for its turn.
const SQLITE_BUSY: Duration = Duration::from_secs(10);

/// Which database engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// PostgreSQL 15 or newer.
    Postgres,
    /// SQLite, built in.
    Sqlite,
}

impl Engine {
    /// Its `db.system.name` in OpenTelemetry's semantic conventions.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgresql",
            Self::Sqlite => "sqlite",
        }
    }
}

/// How to pool connections.
#[derive(Debug, Clone, Copy)]
pub struct PoolOptions {
    /// What PostgreSQL shows in `pg_stat_activity`: the service's name.
    pub application_name: &'static str,
    /// Most connections to PostgreSQL (default 12) or readers of SQLite (default 4; it has one writer).
    pub max_connections: Option<u32>,
}

/// Why a database cannot be used at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL is malformed.
    #[error(transparent)]
    Url(#[from] DatabaseUrlError),
    /// The file of an SQLite database cannot be opened for writing.
    #[error("cannot open the database file {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The server or the file does not answer as it should.
    #[error("cannot connect to the database {url}")]
    Connect {
        /// The address without its password.
        url: String,
        /// Why.
        source: StoreError,
    },
    /// The URL is now one of another engine.
    #[error("the database URL names another engine than before: restart with it")]
    OtherEngine,
    /// The server is too old.
    #[error("the database {url} runs PostgreSQL {major}; version 15 or newer is needed")]
    TooOld {
        /// The address without its password.
        url: String,
        /// The server's major version.
        major: u32,
    },
}

/// A handle to a database, cheap to clone.
#[derive(Clone)]
pub struct Db {
    pools: Pools,
    name: &'static str,
    events: Arc<Notify>,
}

#[derive(Clone)]
pub(crate) enum Pools {
    Postgres(PostgresPool),
    Sqlite(SqlitePools),
}

/// SQLite has one writer at a time. A pool of one connection makes writers queue in order of arrival instead
/// of polling for the lock; readers see the last committed state and wait for nobody.
#[derive(Clone)]
pub(crate) struct SqlitePools {
    pub(crate) writer: SqlitePool,
    reader: SqlitePool,
}

impl SqlitePools {
    pub(crate) fn for_statement(&self, only_reads: bool) -> &SqlitePool {
        if only_reads { &self.reader } else { &self.writer }
    }
}

impl Pools {
    /// Tells the observer of this process about them.
    fn tell(&self, database: &'static str) {
        match self {
            Self::Postgres(postgres) => observe::pool(database, "all", usage(postgres.pool())),
            Self::Sqlite(SqlitePools { writer, reader }) => {
                observe::pool(database, "writer", usage(writer));
                observe::pool(database, "reader", usage(reader));
            }
        }
    }
}

/// Asks `pool` for its connections: open, idle, and the most there may be.
fn usage<DB: Database>(pool: &Pool<DB>) -> impl Fn() -> [u32; 3] + Send + Sync + use<DB> {
    let pool = pool.clone();
    move || {
        let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX);
        [pool.size(), idle, pool.options().get_max_connections()]
    }
}

impl Db {
    /// Connects once, to fail early and with the cause, and makes the pool. An SQLite file is created when it
    /// does not exist, readable by its owner alone.
    ///
    /// # Errors
    /// [`ConnectError`]
    pub async fn connect(url: &DatabaseUrl, options: &PoolOptions) -> Result<Self, ConnectError> {
        let unreachable =
            |error: sqlx::Error| ConnectError::Connect { url: url.to_string(), source: error.into() };
        let pools = match url.place() {
            Place::Postgres { .. } => Pools::Postgres(PostgresPool::connect(url, options).await?),
            Place::Sqlite { path } => {
                create_private(path)?;
                Pools::Sqlite(sqlite_pools(path, options).await.map_err(unreachable)?)
            }
        };
        pools.tell(options.application_name);
        Ok(Self { pools, name: options.application_name, events: Arc::default() })
    }

    /// Which engine it is.
    pub fn engine(&self) -> Engine {
        match self.pools {
            Pools::Postgres(_) => Engine::Postgres,
            Pools::Sqlite(_) => Engine::Sqlite,
        }
    }

    /// Connects by the URL that `urls` has whenever it has a new one, for as long as this is open. A URL that does not
    /// work is tried until it does, and the old one is used meanwhile. An SQLite database stays the file that it is.
    pub fn follow(&self, urls: watch::Receiver<Arc<DatabaseUrl>>, options: PoolOptions) {
        if let Pools::Postgres(postgres) = &self.pools {
            postgres.follow(urls, options);
        }
    }

    /// Whether the database answers: for readiness.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sql("SELECT 1").fetch_one(self).await.map(drop)
    }

    /// Closes all connections after their running statements; later use is [`StoreError::Unavailable`].
    pub async fn close(&self) {
        match &self.pools {
            Pools::Postgres(postgres) => postgres.pool().close().await,
            Pools::Sqlite(SqlitePools { writer, reader }) => {
                reader.close().await;
                writer.close().await;
            }
        }
    }

    /// Says that this process has committed events: wakes whoever waits in [`events_committed`](Self::events_committed).
    /// A transaction does it by [`Tx::announce_events`](crate::Tx::announce_events).
    pub fn wake_events(&self) {
        self.events.notify_one();
    }

    /// Waits until this process has committed events since the last wait. Of several that wait one is woken.
    pub async fn events_committed(&self) {
        self.events.notified().await;
    }

    pub(crate) fn events(&self) -> &Arc<Notify> {
        &self.events
    }

    pub(crate) fn pools(&self) -> &Pools {
        &self.pools
    }

    /// What the database is called to observers.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Db({:?})", self.engine())
    }
}

/// The file holds password hashes and payments, and SQLite gives its journals the mode of the file.
fn create_private(path: &Path) -> Result<(), ConnectError> {
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop).map_err(|source| ConnectError::File { path: path.to_owned(), source })
}

async fn sqlite_pools(path: &Path, options: &PoolOptions) -> Result<SqlitePools, sqlx::Error> {
    let connect = SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        .busy_timeout(SQLITE_BUSY)
        .disable_statement_logging();
    // FULL: with NORMAL a write-ahead log is synced at checkpoints alone, so that a power cut (though not the
    // end of the process) takes back the last commits, and with them the record of a payment.
    let write = connect.clone().journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(SQLITE_BUSY)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_with(write)
        .await?;
    let reader = SqlitePoolOptions::new()
        .max_connections(options.max_connections.unwrap_or(4))
        .acquire_timeout(SQLITE_BUSY)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_lazy_with(connect.pragma("query_only", "ON"));
    Ok(SqlitePools { writer, reader })
}
