//! Connections to a PostgreSQL server that goes away, comes back, and changes its passwords.
//!
//! sqlx's pool waits as long for a server that is gone as for a connection that somebody uses, so [`PostgresPool`] finds
//! out which it is: a request that has waited for [`SUSPICION`] makes it ask the server, once for all of them. While
//! there is no answer every request fails at once, and the server is asked again several times a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgDatabaseError, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, Postgres};
use tokio::sync::watch;

use crate::url::Place;
use crate::{ConnectError, DatabaseUrl, PoolOptions};

/// The oldest PostgreSQL that is supported, as `server_version_num`.
const OLDEST: u32 = 150_000;

/// How long a request waits for a connection that others use, and a start for the server.
pub(crate) const ACQUIRE: Duration = Duration::from_secs(5);

/// A connection that was idle for longer is tried before it is used: the server may have gone. In a busy
/// pool this saves a round trip per transaction.
pub(crate) const TRUSTED_IDLE: Duration = Duration::from_secs(5);

/// Who waits longer for a connection asks whether there is a server at all.
const SUSPICION: Duration = Duration::from_millis(250);

/// How long the server may take to answer whoever asks: to log in is work for both, and where many processes start at once
/// it takes them seconds. A server that says nothing is not taken for gone before a request would give up by itself.
const PROBE: Duration = ACQUIRE;

/// A server that takes longer is busy and not gone, as long as it has served somebody else in this time.
const BUSY: Duration = ACQUIRE;

/// How long it is left alone before it is asked again.
const PROBE_PAUSE: Duration = Duration::from_millis(200);

/// A server that answered is not asked again for this long, however busy the pool is.
const PROBE_REST: Duration = Duration::from_secs(1);

/// How long requests wait for a new password where the server has begun to refuse the one that is known: it is in the
/// file before that, or was never meant to be.
const LOCKED_OUT: Duration = Duration::from_secs(4);

/// How long a request waits before it tries to log in once more.
const LOGIN_PAUSE: Duration = Duration::from_millis(100);

/// A pool of connections; clone it freely.
#[derive(Clone)]
pub(crate) struct PostgresPool {
    pool: PgPool,
    state: Arc<State>,
}

/// What is known about the server.
struct State {
    begun: Instant,
    /// Connections that were opened before are to what is gone: they are not used again. Milliseconds since `begun`.
    renewed: AtomicU64,
    /// Connections that were opened before were made by an older URL and are as good: they are replaced when their leases
    /// end, not all at the same moment, when nobody would be served until the first login. Milliseconds since `begun`.
    adopted: AtomicU64,
    /// Since when logins are refused, until one succeeds; milliseconds since `begun`, 0 while they are not.
    locked_out: AtomicU64,
    /// When somebody last got a connection or an answer; milliseconds since `begun`.
    served: AtomicU64,
    down: watch::Sender<bool>,
    probing: AtomicBool,
}

impl State {
    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Whether a connection that was opened `age` ago is to what is gone.
    fn is_gone(&self, age: Duration) -> bool {
        self.is_older(age, &self.renewed)
    }

    /// Whether a connection that was opened `age` ago is one of those to be replaced.
    fn is_outdated(&self, age: Duration) -> bool {
        self.is_gone(age) || self.is_older(age, &self.adopted)
    }

    fn is_older(&self, age: Duration, than: &AtomicU64) -> bool {
        let than = than.load(Ordering::Relaxed);
        than > 0 && self.begun.elapsed().saturating_sub(age).as_millis() < u128::from(than)
    }

    /// Whether it has served somebody not long ago.
    fn serves(&self) -> bool {
        let ago = self.now().saturating_sub(self.served.load(Ordering::Relaxed));
        Duration::from_millis(ago) < BUSY
    }

    /// Whether a refused login may be the first sign of a password that changes.
    fn may_be_let_in_soon(&self) -> bool {
        let now = self.now().max(1);
        let since = match self.locked_out.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => now,
            Err(since) => since,
        };
        Duration::from_millis(now.saturating_sub(since)) < LOCKED_OUT
    }
}

impl PostgresPool {
    /// Connects once, to fail early and with the cause, and makes the pool.
    pub(crate) async fn connect(url: &DatabaseUrl, options: &PoolOptions) -> Result<Self, ConnectError> {
        let connect = connect_options(url, options)?;
        let major = server_version(&connect)
            .await
            .map_err(|error| ConnectError::Connect { url: url.to_string(), source: error.into() })?;
        if major < OLDEST {
            return Err(ConnectError::TooOld { url: url.to_string(), major: major / 10_000 });
        }
        let state = Arc::new(State {
            begun: Instant::now(),
            renewed: AtomicU64::new(0),
            adopted: AtomicU64::new(0),
            locked_out: AtomicU64::new(0),
            served: AtomicU64::new(0),
            down: watch::channel(false).0,
            probing: AtomicBool::new(false),
        });
        let (known, let_in) = (Arc::clone(&state), Arc::clone(&state));
        let pool = PgPoolOptions::new()
            .max_connections(options.max_connections.unwrap_or(12))
            .acquire_timeout(ACQUIRE)
            .test_before_acquire(false)
            .after_connect(move |_, _| {
                let_in.locked_out.store(0, Ordering::Relaxed);
                Box::pin(async { Ok(()) })
            })
            .before_acquire(move |connection, used| {
                let outdated = known.is_outdated(used.age);
                Box::pin(async move {
                    Ok(!outdated && (used.idle_for < TRUSTED_IDLE || connection.ping().await.is_ok()))
                })
            })
            .connect_lazy_with(connect);
        Ok(Self { pool, state })
    }

    /// The pool as sqlx has it.
    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// A connection, unless the server is gone.
    pub(crate) async fn acquire(&self) -> Result<PoolConnection<Postgres>, sqlx::Error> {
        loop {
            self.must_be_there()?;
            // Boxed, because it is large and statements are everywhere.
            match self.unless_gone(Box::pin(self.pool.acquire())).await {
                Ok(connection) => {
                    self.served();
                    return Ok(connection);
                }
                Err(error) if is_refused_login(&error) && self.state.may_be_let_in_soon() => {
                    tokio::time::sleep(LOGIN_PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Fails while the server is known to be gone.
    pub(crate) fn must_be_there(&self) -> Result<(), sqlx::Error> {
        if *self.state.down.borrow() { Err(gone()) } else { Ok(()) }
    }

    /// Notes that the server has answered somebody.
    pub(crate) fn served(&self) {
        self.state.served.store(self.state.now(), Ordering::Relaxed);
    }

    /// Whether a connection that was taken from the pool then may still be used without asking the pool.
    pub(crate) fn is_usable(&self, taken: Instant) -> bool {
        !self.state.is_gone(taken.elapsed())
    }

    /// Whether a connection that was taken from the pool then may go back to it.
    pub(crate) fn is_current(&self, taken: Instant) -> bool {
        !self.state.is_outdated(taken.elapsed())
    }

    /// What `work` gives, but no longer than until the server is known to be gone.
    pub(crate) async fn unless_gone<T>(
        &self,
        mut work: impl Future<Output = Result<T, sqlx::Error>> + Unpin,
    ) -> Result<T, sqlx::Error> {
        if let Ok(result) = tokio::time::timeout(SUSPICION, &mut work).await {
            return result;
        }
        self.probe();
        let mut down = self.state.down.subscribe();
        tokio::select! {
            result = work => result,
            _ = down.wait_for(|down| *down) => Err(gone()),
        }
    }

    /// Asks the server until it answers, unless somebody does so already.
    fn probe(&self) {
        if self.state.probing.swap(true, Ordering::AcqRel) {
            return;
        }
        let Self { pool, state } = self.clone();
        tokio::spawn(async move {
            while !pool.is_closed() {
                if answers(&pool.connect_options()).await.unwrap_or_else(|| state.serves()) {
                    if state.down.send_replace(false) {
                        // They were connections to what is gone.
                        state.renewed.store(state.now(), Ordering::Relaxed);
                        tracing::info!("the database is back");
                    }
                    tokio::time::sleep(PROBE_REST).await;
                    break;
                }
                if !state.down.send_replace(true) {
                    tracing::error!("the database is gone: what needs it is refused until it is back");
                }
                tokio::time::sleep(PROBE_PAUSE).await;
            }
            state.probing.store(false, Ordering::Release);
        });
    }

    /// Connects as `urls` says from now on, for as long as the pool is open: once a connection by a new URL has been
    /// made, all are, and those that were made by the old one are replaced when nobody uses them or their leases end.
    pub(crate) fn follow(&self, mut urls: watch::Receiver<Arc<DatabaseUrl>>, options: PoolOptions) {
        let Self { pool, state } = self.clone();
        tokio::spawn(async move {
            while urls.changed().await.is_ok() {
                let url = Arc::clone(&urls.borrow_and_update());
                if adopted(&pool, &url, &options, &urls).await {
                    state.served.store(state.now(), Ordering::Relaxed);
                    state.adopted.store(state.now(), Ordering::Relaxed);
                }
            }
        });
    }
}

/// Tries until the pool connects by `url`; `false` when `urls` has another one by then, or nobody needs any.
async fn adopted(
    pool: &PgPool,
    url: &DatabaseUrl,
    options: &PoolOptions,
    urls: &watch::Receiver<Arc<DatabaseUrl>>,
) -> bool {
    let mut complained = false;
    // A password may be in the file before the server knows it.
    while let Err(error) = adopt(pool, url, options).await {
        if !std::mem::replace(&mut complained, true) {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(%url, error, "the new database URL does not work yet; keeping the old one");
        }
        tokio::time::sleep(PROBE_PAUSE).await;
        // Without a sender there is no other to come, and this one may still be tried.
        if pool.is_closed() || urls.has_changed().unwrap_or(false) {
            return false;
        }
    }
    true
}

/// Tries to connect by `url`; then the pool does, and has closed its idle connections, which were made by another.
async fn adopt(pool: &PgPool, url: &DatabaseUrl, options: &PoolOptions) -> Result<(), ConnectError> {
    let connect = connect_options(url, options)?;
    server_version(&connect)
        .await
        .map_err(|error| ConnectError::Connect { url: url.to_string(), source: error.into() })?;
    pool.set_connect_options(connect);
    for _ in 0..pool.num_idle() {
        let Some(connection) = pool.try_acquire() else { break };
        // It is gone either way.
        let _ = connection.close().await;
    }
    tracing::info!(%url, "connecting by a new database URL");
    Ok(())
}

/// The timeouts bound what one request may cost the others: every statement here takes milliseconds.
fn connect_options(url: &DatabaseUrl, pool: &PoolOptions) -> Result<PgConnectOptions, ConnectError> {
    let Place::Postgres { url: secret, .. } = url.place() else { return Err(ConnectError::OtherEngine) };
    Ok(Place::postgres(secret)?
        .application_name(pool.application_name)
        .options([
            ("statement_timeout", "15s"),
            ("lock_timeout", "5s"),
            ("idle_in_transaction_session_timeout", "30s"),
        ])
        .disable_statement_logging())
}

async fn server_version(options: &PgConnectOptions) -> Result<u32, sqlx::Error> {
    let connection = tokio::time::timeout(ACQUIRE, PgConnection::connect_with(options))
        .await
        .map_err(|_elapsed| gone())??;
    let version = connection.server_version_num().unwrap_or_default();
    connection.close().await?;
    Ok(version)
}

/// Whether there is a server, even if it lets nobody in; `None` when it takes its time.
async fn answers(options: &PgConnectOptions) -> Option<bool> {
    match tokio::time::timeout(PROBE, PgConnection::connect_with(options)).await {
        Ok(Ok(connection)) => {
            // It has served its purpose.
            let _ = connection.close().await;
            Some(true)
        }
        // admin_shutdown, crash_shutdown, cannot_connect_now: it ends or has not begun.
        Ok(Err(sqlx::Error::Database(error))) => {
            Some(!error.code().is_some_and(|code| code.starts_with("57P")))
        }
        Ok(Err(_)) => Some(false),
        Err(_) => None,
    }
}

fn gone() -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "the database server does not answer"))
}

/// Whether the server refused the password or the role (class 28 of SQLSTATE).
fn is_refused_login(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    error.try_downcast_ref::<PgDatabaseError>().is_some_and(|error| error.code().starts_with("28"))
}
