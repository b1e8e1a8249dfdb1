//! Which of several processes publishes: one at a time.

use jiff::{SignedDuration, Timestamp};
use moviebooking_store::{Db, Migration, StoreError, migration, sql};
use uuid::Uuid;

/// The table behind this module, for the list of migrations of every service that has a relay.
pub const MIGRATION: Migration = migration!(9002, "migrations/relay_leases.sql");

/// How long a process that has ended without a word keeps the others waiting.
const LASTS: SignedDuration = SignedDuration::from_secs(20);
/// A lease that lasts no longer than this is renewed before it is relied on: longer than a batch may take.
const RENEWED: SignedDuration = SignedDuration::from_secs(12);

/// The name of the one lease there is in a database.
const NAME: &str = "events";

/// A lease that this process has, had or wants.
#[derive(Debug)]
pub(crate) struct Lease {
    holder: Uuid,
    expires_at: Timestamp,
}

impl Lease {
    pub(crate) fn new() -> Self {
        Self { holder: Uuid::new_v4(), expires_at: Timestamp::UNIX_EPOCH }
    }

    /// Whether this process may publish a batch now by what it has already.
    pub(crate) fn lasts(&self, now: Timestamp) -> bool {
        after(now, RENEWED) < self.expires_at
    }

    /// Takes or renews the lease, unless another process has it.
    pub(crate) async fn take(&mut self, db: &Db, now: Timestamp) -> Result<bool, StoreError> {
        let expires_at = after(now, LASTS);
        let taken = sql("INSERT INTO relay_leases (name, holder, expires_at) VALUES ($1, $2, $3) \
             ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at \
             WHERE relay_leases.holder = excluded.holder OR relay_leases.expires_at <= $4")
        .bind(NAME)
        .bind(self.holder)
        .bind(expires_at)
        .bind(now)
        .execute(db)
        .await?;
        if taken == 1 {
            self.expires_at = expires_at;
        }
        Ok(taken == 1)
    }

    /// Gives the lease back at the end of the process, so that another need not wait.
    pub(crate) async fn release(&self, db: &Db) -> Result<(), StoreError> {
        sql("DELETE FROM relay_leases WHERE name = $1 AND holder = $2")
            .bind(NAME)
            .bind(self.holder)
            .execute(db)
            .await
            .map(drop)
    }
}

fn after(now: Timestamp, duration: SignedDuration) -> Timestamp {
    now.saturating_add(duration).unwrap_or(Timestamp::MAX)
}
