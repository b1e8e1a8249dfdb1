//! Connections to PostgreSQL that are kept at hand between statements.
//!
//! sqlx's pool asks the server for a sign of life whenever a connection comes back, in a task of its own: a round trip
//! and two changes of thread for each statement, as much as a small statement itself. So a connection is leased from the
//! pool for a while and goes from one statement or transaction to the next directly. It goes back to the pool, which
//! looks after its age and health, when it was idle or leased for long, when a statement on it was given up half-way,
//! when it broke, and when the server or its password has changed since.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgConnection;
use sqlx::{Error, Postgres};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, oneshot};

use crate::error::is_unavailable;
use crate::postgres::{ACQUIRE, PostgresPool, TRUSTED_IDLE};

/// A connection goes back to the pool at the latest after this, which then may replace it by a new one. Leases begin at
/// different moments, so that they do not all end at once.
const LEASED: Duration = Duration::from_secs(20);

/// A pool and the connections that are leased from it.
#[derive(Clone)]
pub(crate) struct Leases(Arc<Shared>);

struct Shared {
    pool: PostgresPool,
    hands: Mutex<Hands>,
    /// As many as the pool may have connections, so that nobody waits within it for one that is at hand here.
    places: Arc<Semaphore>,
    /// For who makes a new connection, one at a time: to log in is much work for both sides.
    logins: Arc<Semaphore>,
}

/// Connections at hand, or who waits for one.
#[derive(Default)]
struct Hands {
    idle: Vec<Idle>,
    /// In the order in which they came. Who comes later takes no connection from them, or under load they would get none.
    waiting: VecDeque<oneshot::Sender<Leased>>,
}

/// A connection and when it was leased.
type Leased = (PoolConnection<Postgres>, Instant);

struct Idle {
    connection: PoolConnection<Postgres>,
    leased: Instant,
    since: Instant,
}

/// A connection for one statement or transaction. Dropped without [`end`](Self::end) it goes back to the pool, which
/// waits until the server is done with it.
pub(crate) struct Lease {
    connection: PoolConnection<Postgres>,
    leased: Instant,
    leases: Leases,
    _place: OwnedSemaphorePermit,
}

impl Leases {
    /// No connections yet.
    pub(crate) fn new(pool: PostgresPool) -> Self {
        let most = pool.pool().options().get_max_connections();
        let most = usize::try_from(most).unwrap_or(Semaphore::MAX_PERMITS);
        Self(Arc::new(Shared {
            pool,
            hands: Mutex::default(),
            places: Arc::new(Semaphore::new(most)),
            logins: Arc::new(Semaphore::new(1)),
        }))
    }

    /// The pool behind it.
    pub(crate) fn pool(&self) -> &PostgresPool {
        &self.0.pool
    }

    /// A connection: the one that was used last, or one of the pool's.
    pub(crate) async fn take(&self) -> Result<Lease, Error> {
        let shared = &self.0;
        shared.pool.must_be_there()?;
        let place = match Arc::clone(&shared.places).try_acquire_owned() {
            Ok(place) => place,
            Err(TryAcquireError::Closed) => return Err(Error::PoolClosed),
            Err(TryAcquireError::NoPermits) => shared.pool.unless_gone(Box::pin(self.place())).await?,
        };
        let (connection, leased) = match shared.at_hand() {
            Some(at_hand) => at_hand,
            None => shared.pool.unless_gone(Box::pin(self.another())).await?,
        };
        Ok(Lease { connection, leased, leases: self.clone(), _place: place })
    }

    /// Waits until fewer connections are in use than there may be.
    async fn place(&self) -> Result<OwnedSemaphorePermit, Error> {
        let place = Arc::clone(&self.0.places).acquire_owned();
        match tokio::time::timeout(ACQUIRE, place).await {
            Ok(place) => place.map_err(|_closed| Error::PoolClosed),
            Err(_elapsed) => Err(Error::PoolTimedOut),
        }
    }

    /// The connection that somebody is done with next, or another one of the pool's. Where many start at once, as all pods
    /// of a platform do, a few connections serve everybody long before each had logged in, and so they do while the server
    /// refuses a password that was changed there first.
    async fn another(&self) -> Result<Leased, Error> {
        let (hand_over, handed_over) = oneshot::channel();
        self.0.hands().waiting.push_back(hand_over);
        // One may have come back just before.
        if let Some(at_hand) = self.0.at_hand() {
            return Ok(at_hand);
        }
        let found = async {
            tokio::select! {
                biased;
                Ok(returned) = handed_over => Ok(returned),
                made = self.login() => made,
            }
        };
        tokio::time::timeout(ACQUIRE, found).await.unwrap_or(Err(Error::PoolTimedOut))
    }

    /// One of the pool's connections, which mostly is a new one. It is made to the end and kept at hand when nobody waits
    /// for it any more: else no login would ever end where connections come back all the time.
    async fn login(&self) -> Result<Leased, Error> {
        let turn = Arc::clone(&self.0.logins).acquire_owned().await.map_err(|_closed| Error::PoolClosed)?;
        if let Some(at_hand) = self.0.at_hand() {
            return Ok(at_hand);
        }
        let (hand_over, handed_over) = oneshot::channel();
        let shared = Arc::clone(&self.0);
        tokio::spawn(async move {
            let made = shared.pool.acquire().await.map(|connection| (connection, Instant::now()));
            if let Err(Ok((connection, leased))) = hand_over.send(made) {
                shared.keep(connection, leased);
            }
            drop(turn);
        });
        handed_over.await.unwrap_or(Err(Error::WorkerCrashed))
    }

    /// Closes all connections after their running statements.
    pub(crate) async fn close(&self) {
        self.0.places.close();
        self.0.hands().idle.clear();
        self.0.pool.pool().close().await;
    }

    /// Connections that are open, those of them that are idle, and the most there may be.
    pub(crate) fn usage(&self) -> [u32; 3] {
        let pool = self.0.pool.pool();
        let idle = u32::try_from(pool.num_idle() + self.0.hands().idle.len()).unwrap_or(u32::MAX);
        [pool.size(), idle, pool.options().get_max_connections()]
    }
}

impl Shared {
    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.hands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection that was used last, if it can be used at once, and when it was leased.
    fn at_hand(&self) -> Option<Leased> {
        let now = Instant::now();
        let mut hands = self.hands();
        let fresh =
            |idle: &Idle| now.duration_since(idle.since) < TRUSTED_IDLE && self.pool.is_usable(idle.leased);
        let stale: Vec<Idle> = hands.idle.extract_if(.., |idle| !fresh(idle)).collect();
        let last = hands.idle.pop();
        // Going back to the pool is the pool's affair and needs no lock of ours.
        drop(hands);
        stale.into_iter().for_each(|Idle { connection, leased, .. }| self.give_back(connection, leased));
        last.map(|Idle { connection, leased, .. }| (connection, leased))
    }

    /// Hands a connection to who waits the longest, or keeps it at hand, or gives it back where it was leased for long.
    fn keep(&self, connection: PoolConnection<Postgres>, leased: Instant) {
        let now = Instant::now();
        let mut hands = self.hands();
        // Asked with the lock that who closes the places takes next: it finds the connection, or it is not kept.
        if now.duration_since(leased) >= LEASED || self.places.is_closed() {
            drop(hands);
            return self.give_back(connection, leased);
        }
        let mut returned = (connection, leased);
        while let Some(waiting) = hands.waiting.pop_front() {
            // It comes back from who does not wait any more.
            match waiting.send(returned) {
                Ok(()) => return,
                Err(back) => returned = back,
            }
        }
        hands.idle.push(Idle { connection: returned.0, leased, since: now });
    }

    /// Gives a connection back to the pool, or closes it where the server or its password has changed since.
    fn give_back(&self, mut connection: PoolConnection<Postgres>, leased: Instant) {
        if !self.pool.is_current(leased) {
            connection.close_on_drop();
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // To go back to the pool they would need a runtime, which may be gone; the server sees that they are closed.
        for Idle { connection, .. } in self.hands().idle.drain(..) {
            drop(connection.leak());
        }
    }
}

impl Lease {
    /// The connection.
    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// Ends the use of the connection with the result of its last statement, and keeps it at hand unless it broke.
    pub(crate) fn end<T>(self, result: Result<T, Error>) -> Result<T, Error> {
        // After a refusal the connection is as good as before; but with some the server ends it.
        if result.as_ref().is_err_and(|error| !matches!(error, Error::Database(_)) || is_unavailable(error)) {
            return result;
        }
        let Self { connection, leased, leases, _place: place } = self;
        leases.0.pool.served();
        leases.0.keep(connection, leased);
        drop(place);
        result
    }
}

/// A transaction on a leased connection. Dropped without [`commit`](Self::commit) it is rolled back.
pub(crate) struct LeasedTx(Option<Lease>);

impl LeasedTx {
    /// Begins one.
    pub(crate) async fn begin(leases: &Leases) -> Result<Self, Error> {
        // It is a transaction before the server says so, and rolled back when nobody waits for that any more. Else the
        // connection would go to others in a transaction that nobody ends, and lose what they write.
        let mut tx = Self(Some(leases.take().await?));
        let begun = sqlx::raw_sql("BEGIN ISOLATION LEVEL READ COMMITTED").execute(tx.connection()?).await;
        match (begun, tx.0.take()) {
            (Ok(_), lease) => Ok(Self(lease)),
            (Err(error), Some(lease)) => lease.end(Err(error)),
            (Err(error), None) => Err(error),
        }
    }

    /// The connection that it runs on.
    pub(crate) fn connection(&mut self) -> Result<&mut PgConnection, Error> {
        self.0.as_mut().map(Lease::connection).ok_or(Error::WorkerCrashed)
    }

    /// Makes everything done in it permanent.
    pub(crate) async fn commit(mut self) -> Result<(), Error> {
        let done = sqlx::raw_sql("COMMIT").execute(self.connection()?).await;
        match self.0.take() {
            Some(lease) => lease.end(done.map(drop)),
            None => done.map(drop),
        }
    }
}

impl Drop for LeasedTx {
    fn drop(&mut self) {
        let Some(mut lease) = self.0.take() else { return };
        // Before anything else uses the connection, which is closed if it cannot be done.
        tokio::spawn(async move {
            match sqlx::raw_sql("ROLLBACK").execute(lease.connection()).await {
                // It keeps the connection; there is no error to tell of.
                Ok(_) => drop(lease.end(Ok(()))),
                Err(_) => lease.connection.close_on_drop(),
            }
        });
    }
}
