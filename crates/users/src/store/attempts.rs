//! Tries that are counted.

use jiff::Timestamp;
use moviebooking_store::{Db, Executor, StoreError, sql};

use crate::attempts::WINDOW;

/// Counts a try, of which `most` are free in a window. When it is not free the answer is when the window ends.
pub(crate) async fn count(
    db: &Db,
    key: &str,
    most: u32,
    now: Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    loop {
        let free = sql("INSERT INTO attempts (key, count, expires_at) VALUES ($1, 1, $2) \
             ON CONFLICT (key) DO UPDATE SET \
             count = CASE WHEN attempts.expires_at > $3 THEN attempts.count + 1 ELSE 1 END, \
             expires_at = CASE WHEN attempts.expires_at > $3 THEN attempts.expires_at ELSE excluded.expires_at END \
             WHERE attempts.expires_at <= $3 OR attempts.count < $4")
        .bind(key)
        .bind(now.saturating_add(WINDOW).unwrap_or(Timestamp::MAX))
        .bind(now)
        .bind(most)
        .execute(db)
        .await?;
        if free == 1 {
            return Ok(None);
        }
        let row = sql("SELECT expires_at FROM attempts WHERE key = $1").bind(key).fetch_optional(db).await?;
        // No row means that the counter was cleared between the two statements: count again.
        if let Some(row) = row {
            return row.get("expires_at").map(Some);
        }
    }
}

/// Takes one try back.
pub(crate) async fn decrement(db: &Db, key: &str) -> Result<(), StoreError> {
    sql("UPDATE attempts SET count = count - 1 WHERE key = $1 AND count > 0")
        .bind(key)
        .execute(db)
        .await
        .map(drop)
}

/// Forgets all tries.
pub(crate) async fn forget(on: Executor<'_>, key: &str) -> Result<(), StoreError> {
    sql("DELETE FROM attempts WHERE key = $1").bind(key).execute(on).await.map(drop)
}

/// Deletes up to `limit` counters whose windows are over, and returns how many.
pub(crate) async fn purge(db: &Db, now: Timestamp, limit: i64) -> Result<u64, StoreError> {
    sql("DELETE FROM attempts WHERE key IN \
         (SELECT key FROM attempts WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2) AND expires_at <= $1")
    .bind(now)
    .bind(limit)
    .execute(db)
    .await
}
