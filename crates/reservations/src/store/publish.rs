//! Which changes are published.

use moviebooking_domain::id::ShowtimeId;
use moviebooking_events::Queue;
use moviebooking_store::{Db, Engine, StoreError, sql};

use crate::board::Change;

use super::rows;

const UNPUBLISHED: &str = "\
SELECT h.showtime_id, h.sequence, h.kind, h.reservation_id, h.user_id, h.seats, h.expires_at, h.at
FROM unpublished_changes u
JOIN seat_history h ON h.showtime_id = u.showtime_id AND h.sequence = u.sequence
ORDER BY u.showtime_id, u.sequence LIMIT $1";

/// The same for PostgreSQL, which would rather read the whole history, in the order of its index, than look up a row for
/// each of a few changes, of which it has no statistics.
const UNPUBLISHED_ONE_BY_ONE: &str = "\
SELECT h.* FROM (SELECT * FROM unpublished_changes ORDER BY showtime_id, sequence LIMIT $1) u
CROSS JOIN LATERAL (
    SELECT showtime_id, sequence, kind, reservation_id, user_id, seats, expires_at, at FROM seat_history
    WHERE showtime_id = u.showtime_id AND sequence = u.sequence LIMIT 1
) h ORDER BY h.showtime_id, h.sequence";

/// The first `limit` changes that are not known to be published, those of a showtime in their order. A showtime's changes
/// are counted under a lock on its row: none is committed before an earlier one.
pub(crate) async fn unpublished(db: &Db, limit: i64) -> Result<Vec<(ShowtimeId, Change)>, StoreError> {
    let query = match db.engine() {
        Engine::Postgres => sql(UNPUBLISHED_ONE_BY_ONE),
        Engine::Sqlite => sql(UNPUBLISHED),
    };
    let rows = query.bind(limit).fetch_all(db).await?;
    rows.iter().map(|row| Ok((row.get("showtime_id")?, rows::change(row)?))).collect()
}

/// The changes that are not known to be published.
const QUEUE: Queue = Queue { table: "unpublished_changes", id: "showtime_id", number: "sequence" };

/// Notes that changes are published.
pub(crate) async fn published(db: &Db, changes: &[(ShowtimeId, i64)]) -> Result<(), StoreError> {
    QUEUE.remove(db, changes.iter().map(|&(id, number)| (id.uuid(), number))).await
}
