//! Showtimes in the database.

use jiff::{SignedDuration, Timestamp};
use moviebooking_domain::{
    id::{HallId, ShowtimeId, TheaterId},
    money::{Currency, InvalidCurrency},
};
use moviebooking_store::{Db, Executor, Row, Sql, StoreError, Tx, Value, sql};

use crate::{
    schedule::Filter,
    showtime::{LocalStart, Offer, Place, Price, Showtime, Slot},
};

/// Begins a query for showtimes: conditions on `showtimes` follow, then [`finish`].
const SELECT: &str = "SELECT s.id, s.movie_id, s.hall_id, s.theater_id, s.layout_version, s.start_time, s.end_time, \
     s.hall_free_time, s.local_start_time, s.local_date, s.time_zone, s.currency, s.sales_start_time, \
     s.sales_end_time, s.format, s.theater_name, s.hall_name, s.cancelled_at, s.close_acknowledged, s.created_at, \
     s.updated_at, s.version, m.title AS movie_title, p.category, p.price_minor \
     FROM (SELECT * FROM showtimes WHERE ";

/// Longer than any slot, so that a search for overlaps reads a part of the index instead of all of a hall's past.
const LONGEST_SLOT: SignedDuration = SignedDuration::from_hours(48);

/// The last showtime of the page before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct After {
    pub(crate) start: Timestamp,
    pub(crate) id: ShowtimeId,
}

/// Makes whoever changes or cancels the showtime wait for each other.
pub(crate) async fn lock(tx: &mut Tx, id: ShowtimeId) -> Result<(), StoreError> {
    tx.lock("showtime", id.uuid()).await
}

/// Makes whoever schedules in the hall wait for each other.
pub(crate) async fn lock_hall(tx: &mut Tx, id: HallId) -> Result<(), StoreError> {
    tx.lock("hall", id.uuid()).await
}

pub(crate) async fn get(on: impl Into<Executor<'_>>, id: ShowtimeId) -> Result<Option<Showtime>, StoreError> {
    let mut query = sql(SELECT);
    query.push("id = ").push_bind(id);
    Ok(finish(query, 1).fetch_all(on).await.and_then(|rows| showtimes(&rows))?.pop())
}

/// The showtimes that pass the filter, ordered by start and id.
pub(crate) async fn list(
    on: impl Into<Executor<'_>>,
    filter: &Filter,
    after: Option<&After>,
    limit: i64,
) -> Result<Vec<Showtime>, StoreError> {
    let mut query = sql(SELECT);
    query.push(if filter.cancelled { "TRUE" } else { "cancelled_at IS NULL" });
    if let Some(movie) = filter.movie {
        query.push(" AND movie_id = ").push_bind(movie);
    }
    if let Some(theater) = filter.theater {
        query.push(" AND theater_id = ").push_bind(theater);
    }
    if let Some(hall) = filter.hall {
        query.push(" AND hall_id = ").push_bind(hall);
    }
    if let Some(date) = filter.local_date {
        query.push(" AND local_date = ").push_bind(date.to_string());
    }
    if let Some(start) = filter.start_from {
        query.push(" AND start_time >= ").push_bind(start);
    }
    if let Some(after) = after {
        query.push(" AND (start_time, id) > (").push_bind(after.start);
        query.push(", ").push_bind(after.id).push(")");
    }
    finish(query, limit).fetch_all(on).await.and_then(|rows| showtimes(&rows))
}

fn finish(mut query: Sql, limit: i64) -> Sql {
    query.push(" ORDER BY start_time, id LIMIT ").push_bind(limit);
    query.push(
        ") s JOIN movies m ON m.id = s.movie_id JOIN showtime_prices p ON p.showtime_id = s.id \
         ORDER BY s.start_time, s.id, p.position",
    );
    query
}

/// The first showtime whose slot in the hall has a moment in common with this one. Slots are half open: one may begin
/// at the very moment at which the hall is free again.
pub(crate) async fn overlapping(
    tx: &mut Tx,
    hall: HallId,
    slot: &Slot,
) -> Result<Option<(ShowtimeId, Slot)>, StoreError> {
    let row = sql("SELECT id, start_time, end_time, hall_free_time FROM showtimes WHERE hall_id = $1 \
         AND cancelled_at IS NULL AND start_time > $2 AND start_time < $3 AND hall_free_time > $4 \
         ORDER BY start_time LIMIT 1")
    .bind(hall)
    .bind(slot.start.checked_sub(LONGEST_SLOT).unwrap_or(Timestamp::UNIX_EPOCH))
    .bind(slot.hall_free)
    .bind(slot.start)
    .fetch_optional(tx)
    .await?;
    row.map(|row| Ok((row.get("id")?, slot_of(&row)?))).transpose()
}

pub(crate) async fn add(tx: &mut Tx, showtime: &Showtime) -> Result<(), StoreError> {
    let Showtime { place, slot, local_start, offer, .. } = showtime;
    let mut insert =
        sql("INSERT INTO showtimes (id, movie_id, hall_id, theater_id, layout_version, start_time, \
         end_time, hall_free_time, local_start_time, local_date, time_zone, currency, sales_start_time, \
         sales_end_time, format, theater_name, hall_name, cancelled_at, cancel_reason, close_acknowledged, \
         created_at, updated_at, version) VALUES ");
    let row: [Value; 23] = [
        showtime.id.into(),
        showtime.movie_id.into(),
        place.hall_id.into(),
        place.theater_id.into(),
        place.layout_version.into(),
        slot.start.into(),
        slot.end.into(),
        slot.hall_free.into(),
        (&local_start.time).into(),
        (&local_start.date).into(),
        (&place.time_zone).into(),
        place.currency.code().into(),
        offer.sales_start.into(),
        offer.sales_end.into(),
        (&offer.format).into(),
        (&place.theater_name).into(),
        (&place.hall_name).into(),
        showtime.cancelled_at.into(),
        "".into(),
        showtime.close_acknowledged.into(),
        showtime.create_time.into(),
        showtime.update_time.into(),
        showtime.version.into(),
    ];
    insert.push_rows([row]);
    insert.execute(&mut *tx).await?;
    add_prices(tx, showtime).await
}

async fn add_prices(tx: &mut Tx, showtime: &Showtime) -> Result<(), StoreError> {
    let rows = (0_i64..).zip(&showtime.offer.prices).map(|(position, price)| -> [Value; 4] {
        [showtime.id.into(), position.into(), (&price.category).into(), price.minor.into()]
    });
    let mut insert =
        sql("INSERT INTO showtime_prices (showtime_id, position, category, price_minor) VALUES ");
    insert.push_rows(rows);
    insert.execute(tx).await.map(drop)
}

/// Writes the offer of a showtime that was read under its lock.
pub(crate) async fn change(tx: &mut Tx, showtime: &Showtime) -> Result<(), StoreError> {
    let offer = &showtime.offer;
    sql("UPDATE showtimes SET sales_start_time = $2, sales_end_time = $3, format = $4, updated_at = $5, version = $6 \
         WHERE id = $1")
    .bind(showtime.id)
    .bind(offer.sales_start)
    .bind(offer.sales_end)
    .bind(&offer.format)
    .bind(showtime.update_time)
    .bind(showtime.version)
    .execute(&mut *tx)
    .await?;
    sql("DELETE FROM showtime_prices WHERE showtime_id = $1").bind(showtime.id).execute(&mut *tx).await?;
    add_prices(tx, showtime).await
}

/// Writes the cancellation of a showtime that was read under its lock. From here on its hall is free.
pub(crate) async fn cancel(tx: &mut Tx, showtime: &Showtime, reason: &str) -> Result<(), StoreError> {
    sql("UPDATE showtimes SET cancelled_at = $2, cancel_reason = $3, updated_at = $4, version = $5 WHERE id = $1")
        .bind(showtime.id)
        .bind(showtime.cancelled_at)
        .bind(reason)
        .bind(showtime.update_time)
        .bind(showtime.version)
        .execute(tx)
        .await
        .map(drop)
}

/// Notes that reservations know of the cancellation.
pub(crate) async fn acknowledge_close(on: impl Into<Executor<'_>>, id: ShowtimeId) -> Result<(), StoreError> {
    sql("UPDATE showtimes SET close_acknowledged = TRUE WHERE id = $1").bind(id).execute(on).await.map(drop)
}

/// The cancelled showtimes that reservations and payments do not know of yet, with their theaters, those cancelled first
/// first.
pub(crate) async fn unclosed(db: &Db, limit: i64) -> Result<Vec<(ShowtimeId, TheaterId)>, StoreError> {
    sql("SELECT id, theater_id FROM showtimes WHERE cancelled_at IS NOT NULL AND NOT close_acknowledged \
         ORDER BY cancelled_at LIMIT $1")
    .bind(limit)
    .fetch_all(db)
    .await?
    .iter()
    .map(|row| Ok((row.get("id")?, row.get("theater_id")?)))
    .collect()
}

/// Rows that hold one price each, those of one showtime next to each other.
fn showtimes(rows: &[Row]) -> Result<Vec<Showtime>, StoreError> {
    let mut found: Vec<Showtime> = Vec::new();
    for row in rows {
        let id: ShowtimeId = row.get("id")?;
        if found.last().is_none_or(|last| last.id != id) {
            found.push(showtime(id, row)?);
        }
        if let Some(last) = found.last_mut() {
            last.offer.prices.push(Price { category: row.get("category")?, minor: row.get("price_minor")? });
        }
    }
    Ok(found)
}

/// The showtime of a row, without its prices.
fn showtime(id: ShowtimeId, row: &Row) -> Result<Showtime, StoreError> {
    let currency: String = row.get("currency")?;
    let currency: Currency = currency.parse().map_err(|error: InvalidCurrency| StoreError::Corrupt {
        column: "currency".to_owned(),
        source: error.into(),
    })?;
    Ok(Showtime {
        id,
        movie_id: row.get("movie_id")?,
        movie_title: row.get("movie_title")?,
        place: Place {
            hall_id: row.get("hall_id")?,
            hall_name: row.get("hall_name")?,
            theater_id: row.get("theater_id")?,
            theater_name: row.get("theater_name")?,
            layout_version: row.get("layout_version")?,
            currency,
            time_zone: row.get("time_zone")?,
        },
        slot: slot_of(row)?,
        local_start: LocalStart { time: row.get("local_start_time")?, date: row.get("local_date")? },
        offer: Offer {
            prices: Vec::new(),
            sales_start: row.get("sales_start_time")?,
            sales_end: row.get("sales_end_time")?,
            format: row.get("format")?,
        },
        cancelled_at: row.get("cancelled_at")?,
        close_acknowledged: row.get("close_acknowledged")?,
        create_time: row.get("created_at")?,
        update_time: row.get("updated_at")?,
        version: row.get("version")?,
    })
}

fn slot_of(row: &Row) -> Result<Slot, StoreError> {
    Ok(Slot {
        start: row.get("start_time")?,
        end: row.get("end_time")?,
        hall_free: row.get("hall_free_time")?,
    })
}
