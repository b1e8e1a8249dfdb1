//! The signing keys.

use jiff::Timestamp;
use moviebooking_store::{Db, StoreError, sql};

/// Ids and private halves in PKCS #8 of all keys, oldest first.
pub(crate) async fn all(db: &Db) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
    let rows = sql("SELECT id, pkcs8 FROM ticket_keys ORDER BY id").fetch_all(db).await?;
    rows.iter().map(|row| Ok((row.get("id")?, row.get("pkcs8")?))).collect()
}

/// Adds key 1, unless another replica was faster.
pub(crate) async fn add_first(db: &Db, pkcs8: &[u8], now: Timestamp) -> Result<(), StoreError> {
    sql("INSERT INTO ticket_keys (id, pkcs8, created_at) VALUES (1, $1, $2) ON CONFLICT (id) DO NOTHING")
        .bind(pkcs8)
        .bind(now)
        .execute(db)
        .await
        .map(drop)
}
