//! The handle to a database.

use std::convert::Infallible;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _, Database, Pool};

use crate::lease::Leases;
use crate::url::Place;
use crate::{DatabaseUrl, DatabaseUrlError, StoreError, observe, sql};

/// The oldest PostgreSQL that is supported, as `server_version_num`.
const OLDEST_POSTGRES: u32 = 150_000;

/// How long a request waits for a connection, and a start for the server.
const ACQUIRE: Duration = Duration::from_secs(5);

/// A connection that was idle for longer is tried before it is used: the server may have gone. In a busy
/// pool this saves a round trip per transaction.
const TRUSTED_IDLE: Duration = Duration::from_secs(5);

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

/// Settings of a process for its database, to be flattened into its command line.
#[derive(Debug, Clone, Args)]
pub struct DatabaseArgs {
    /// Database: postgres://USER:PASSWORD@HOST:PORT/NAME or sqlite:PATH. Set one with a password in the
    /// environment, where `ps` does not show it.
    #[arg(long, env = "MOVIEBOOKING_DATABASE_URL", hide_env_values = true, value_name = "URL", value_parser = secret)]
    pub database_url: SecretString,
    /// Most connections to the database at once [default: 12 to PostgreSQL, 4 readers of SQLite].
    #[arg(long, env = "MOVIEBOOKING_DATABASE_POOL_SIZE", value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub database_pool_size: Option<u32>,
    /// Run pending migrations at start, instead of refusing to start.
    #[arg(long, env = "MOVIEBOOKING_MIGRATE")]
    pub migrate: bool,
}

/// Takes any text: clap repeats a value that it refuses, so a URL is parsed after clap is done.
fn secret(text: &str) -> Result<SecretString, Infallible> {
    Ok(SecretString::from(text))
}

impl DatabaseArgs {
    /// The parsed URL.
    ///
    /// # Errors
    /// [`DatabaseUrlError`], which does not repeat the URL.
    pub fn url(&self) -> Result<DatabaseUrl, DatabaseUrlError> {
        self.database_url.expose_secret().parse()
    }

    /// How to pool connections; `application_name` is what PostgreSQL shows in `pg_stat_activity`.
    pub fn pool_options(&self, application_name: &'static str) -> PoolOptions {
        PoolOptions { application_name, max_connections: self.database_pool_size }
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
}

#[derive(Clone)]
pub(crate) enum Pools {
    Postgres(Leases),
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
            Self::Postgres(leases) => {
                let leases = leases.clone();
                observe::pool(database, "all", move || leases.usage());
            }
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
            Place::Postgres { url: secret, .. } => {
                let connect = postgres_options(Place::postgres(secret)?, options);
                let major = server_version(&connect).await.map_err(unreachable)?;
                if major < OLDEST_POSTGRES {
                    return Err(ConnectError::TooOld { url: url.to_string(), major: major / 10_000 });
                }
                Pools::Postgres(Leases::new(postgres_pool(connect, options), ACQUIRE))
            }
            Place::Sqlite { path } => {
                create_private(path)?;
                Pools::Sqlite(sqlite_pools(path, options).await.map_err(unreachable)?)
            }
        };
        pools.tell(options.application_name);
        Ok(Self { pools, name: options.application_name })
    }

    /// Which engine it is.
    pub fn engine(&self) -> Engine {
        match self.pools {
            Pools::Postgres(_) => Engine::Postgres,
            Pools::Sqlite(_) => Engine::Sqlite,
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
            Pools::Postgres(leases) => leases.close().await,
            Pools::Sqlite(SqlitePools { writer, reader }) => {
                reader.close().await;
                writer.close().await;
            }
        }
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

/// The timeouts bound what one request may cost the others: every statement here takes milliseconds.
fn postgres_options(options: PgConnectOptions, pool: &PoolOptions) -> PgConnectOptions {
    options
        .application_name(pool.application_name)
        .options([
            ("statement_timeout", "15s"),
            ("lock_timeout", "5s"),
            ("idle_in_transaction_session_timeout", "30s"),
        ])
        .disable_statement_logging()
}

async fn server_version(options: &PgConnectOptions) -> Result<u32, sqlx::Error> {
    let connection = tokio::time::timeout(ACQUIRE, PgConnection::connect_with(options))
        .await
        .map_err(|_elapsed| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))??;
    let version = connection.server_version_num().unwrap_or_default();
    connection.close().await?;
    Ok(version)
}

fn postgres_pool(connect: PgConnectOptions, options: &PoolOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(options.max_connections.unwrap_or(12))
        .acquire_timeout(ACQUIRE)
        .test_before_acquire(false)
        .before_acquire(|connection, idle| {
            Box::pin(async move { Ok(idle.idle_for < TRUSTED_IDLE || connection.ping().await.is_ok()) })
        })
        .connect_lazy_with(connect)
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
