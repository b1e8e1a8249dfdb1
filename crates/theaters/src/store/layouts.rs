//! The table `layouts`.

use jiff::Timestamp;
use moviebooking_domain::id::HallId;
use moviebooking_proto::theaters::v1 as wire;
use moviebooking_store::{Db, StoreError, Tx, sql};
use prost::Message as _;

use super::join;

/// Stores a layout as the newest of its hall.
pub(crate) async fn publish_layout(
    tx: &mut Tx,
    hall: HallId,
    layout: &wire::Layout,
    now: Timestamp,
) -> Result<(), StoreError> {
    let categories: Vec<String> = layout.categories.iter().map(|category| category.name.clone()).collect();
    let capacity = layout.rows.iter().map(|row| row.seats.len()).sum::<usize>();
    sql("INSERT INTO layouts (hall_id, version, capacity, categories, message, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6)")
    .bind(hall)
    .bind(layout.version)
    .bind(i64::try_from(capacity).unwrap_or(i64::MAX))
    .bind(join(&categories))
    .bind(layout.encode_to_vec())
    .bind(now)
    .execute(&mut *tx)
    .await?;
    sql("UPDATE halls SET layout_version = $2, updated_at = $3, version = version + 1 WHERE id = $1")
        .bind(hall)
        .bind(layout.version)
        .bind(now)
        .execute(tx)
        .await
        .map(drop)
}

pub(crate) async fn find_layout(
    db: &Db,
    hall: HallId,
    version: i32,
) -> Result<Option<wire::Layout>, StoreError> {
    let row = sql("SELECT message FROM layouts WHERE hall_id = $1 AND version = $2")
        .bind(hall)
        .bind(version)
        .fetch_optional(db)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let message = wire::Layout::decode(row.get::<Vec<u8>>("message")?.as_slice())
        .map_err(|source| StoreError::Corrupt { column: "message".to_owned(), source: source.into() })?;
    Ok(Some(message))
}
