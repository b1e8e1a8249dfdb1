//! The signing keys.

use jiff::Timestamp;
use moviebooking_store::{Db, StoreError, sql};

/// A key as it is kept.
pub(crate) struct Stored {
    pub(crate) id: i64,
    /// The private half.
    pub(crate) pkcs8: Vec<u8>,
    pub(crate) signs_from: Timestamp,
}

/// All keys, oldest first.
pub(crate) async fn all(db: &Db) -> Result<Vec<Stored>, StoreError> {
    let rows =
        sql("SELECT id, pkcs8, COALESCE(signs_from, created_at) AS signs_from FROM ticket_keys ORDER BY id")
            .fetch_all(db)
            .await?;
    rows.iter()
        .map(|row| {
            Ok(Stored { id: row.get("id")?, pkcs8: row.get("pkcs8")?, signs_from: row.get("signs_from")? })
        })
        .collect()
}

/// Adds the key after `last`, unless somebody else was faster; the first is after 0.
pub(crate) async fn add(
    db: &Db,
    last: i64,
    pkcs8: &[u8],
    now: Timestamp,
    signs_from: Timestamp,
) -> Result<(), StoreError> {
    sql("INSERT INTO ticket_keys (id, pkcs8, created_at, signs_from) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (id) DO NOTHING")
    .bind(last + 1)
    .bind(pkcs8)
    .bind(now)
    .bind(signs_from)
    .execute(db)
    .await
    .map(drop)
}
