//! Which changes are published.

use std::collections::BTreeMap;

use moviebooking_domain::id::ShowtimeId;
use moviebooking_store::{Db, StoreError, Value, sql};

use crate::board::Change;

use super::rows;

/// The first `limit` changes that are not known to be published, those of a showtime in their order.
pub(crate) async fn unpublished(db: &Db, limit: i64) -> Result<Vec<(ShowtimeId, Change)>, StoreError> {
    let rows = sql(
        "SELECT h.showtime_id, h.sequence, h.kind, h.reservation_id, h.user_id, h.seats, h.expires_at, h.at \
             FROM (SELECT * FROM showtimes WHERE unpublished ORDER BY showtime_id LIMIT $1) s \
             JOIN seat_history h ON h.showtime_id = s.showtime_id AND h.sequence > s.published \
             ORDER BY h.showtime_id, h.sequence LIMIT $1",
    )
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter().map(|row| Ok((row.get("showtime_id")?, rows::change(row)?))).collect()
}

/// Notes the last published change of each showtime.
pub(crate) async fn published(db: &Db, last: &BTreeMap<ShowtimeId, i64>) -> Result<(), StoreError> {
    // Whoever changes the showtime meanwhile is waited for, and `sequence` is then the new one.
    let mut update =
        sql("UPDATE showtimes SET published = last.column2, unpublished = sequence > last.column2 \
                          FROM (VALUES ");
    update.push_rows(
        last.iter().map(|(showtime, sequence)| -> [Value; 2] { [(*showtime).into(), (*sequence).into()] }),
    );
    // Who was held up while another went on does not set it back.
    update.push(") AS last WHERE showtime_id = last.column1 AND published < last.column2");
    update.execute(db).await.map(drop)
}
