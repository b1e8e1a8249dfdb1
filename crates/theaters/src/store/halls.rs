//! The table `halls`, with what its newest row in `layouts` adds.

use jiff::Timestamp;
use moviebooking_domain::id::{HallId, TheaterId};
use moviebooking_store::{Db, Executor, Row, StoreError, Tx, sql};
use uuid::Uuid;

use super::split;
use crate::{error::Error, halls::Hall};

/// The unique index of the names of a theater's open halls.
const NAME_KEY: &str = "halls_theater_id_display_name_key";

/// Fails with [`Error::NameTaken`] when an open hall of the theater has the name.
pub(crate) async fn open_hall(tx: &mut Tx, hall: &Hall) -> Result<(), Error> {
    sql("INSERT INTO halls (id, theater_id, display_name, cleaning_minutes, allow_orphan_seats, layout_version, \
         created_at, updated_at, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)")
    .bind(hall.id)
    .bind(hall.theater)
    .bind(&hall.display_name)
    .bind(hall.cleaning_minutes)
    .bind(hall.allow_orphan_seats)
    .bind(hall.layout_version)
    .bind(hall.created_at)
    .bind(hall.updated_at)
    .bind(hall.version)
    .execute(tx)
    .await
    .map(drop)
    .map_err(name_taken)
}

pub(crate) async fn find_hall(on: Executor<'_>, id: HallId) -> Result<Option<Hall>, StoreError> {
    let row = sql("SELECT h.*, l.capacity, l.categories \
         FROM halls h LEFT JOIN layouts l ON l.hall_id = h.id AND l.version = h.layout_version WHERE h.id = $1")
    .bind(id)
    .fetch_optional(on)
    .await?;
    row.as_ref().map(read).transpose()
}

/// Open halls of the theater with a larger id than `after`.
pub(crate) async fn list_halls(
    db: &Db,
    theater: TheaterId,
    after: Option<HallId>,
    limit: i64,
) -> Result<Vec<Hall>, StoreError> {
    let rows = sql("SELECT h.*, l.capacity, l.categories \
         FROM halls h LEFT JOIN layouts l ON l.hall_id = h.id AND l.version = h.layout_version \
         WHERE h.theater_id = $1 AND h.closed_at IS NULL AND h.id > $2 ORDER BY h.id LIMIT $3")
    .bind(theater)
    .bind(after.map_or(Uuid::nil(), HallId::uuid))
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter().map(read).collect()
}

/// Fails with [`Error::NameTaken`] when another open hall of the theater has the name.
pub(crate) async fn change_hall(tx: &mut Tx, hall: &Hall) -> Result<(), Error> {
    sql("UPDATE halls SET display_name = $2, cleaning_minutes = $3, allow_orphan_seats = $4, updated_at = $5, \
         version = $6 WHERE id = $1")
    .bind(hall.id)
    .bind(&hall.display_name)
    .bind(hall.cleaning_minutes)
    .bind(hall.allow_orphan_seats)
    .bind(hall.updated_at)
    .bind(hall.version)
    .execute(tx)
    .await
    .map(drop)
    .map_err(name_taken)
}

pub(crate) async fn close_hall(tx: &mut Tx, id: HallId, now: Timestamp) -> Result<(), StoreError> {
    sql("UPDATE halls SET closed_at = $2, updated_at = $2, version = version + 1 WHERE id = $1")
        .bind(id)
        .bind(now)
        .execute(tx)
        .await
        .map(drop)
}

fn name_taken(error: StoreError) -> Error {
    if error.is_unique(NAME_KEY) { Error::NameTaken } else { error.into() }
}

fn read(row: &Row) -> Result<Hall, StoreError> {
    Ok(Hall {
        id: row.get("id")?,
        theater: row.get("theater_id")?,
        display_name: row.get("display_name")?,
        cleaning_minutes: row.get("cleaning_minutes")?,
        allow_orphan_seats: row.get("allow_orphan_seats")?,
        layout_version: row.get("layout_version")?,
        capacity: row.get::<Option<i32>>("capacity")?.unwrap_or_default(),
        categories: split(&row.get::<Option<String>>("categories")?.unwrap_or_default()),
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
        closed: row.get::<Option<Timestamp>>("closed_at")?.is_some(),
        version: row.get("version")?,
    })
}
