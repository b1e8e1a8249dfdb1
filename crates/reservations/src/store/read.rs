//! Reading.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use moviebooking_domain::id::{PaymentId, ReservationId, ShowtimeId, UserId};
use moviebooking_store::{Db, Engine, Executor, Kind, StoreError, sql};

use crate::{
    board::{Board, Change, Claim},
    hall::Hall,
    reservation::Reservation,
};

use super::rows;

/// Up to this many changes a board follows by reading them; after more, its claims are read anew.
const MOST_FOLLOWED: i64 = 200;

/// The board of a showtime as it is now.
pub(crate) async fn board(
    on: impl Into<Executor<'_>>,
    showtime: ShowtimeId,
    hall: &Arc<Hall>,
) -> Result<Board, StoreError> {
    let (sequence, closed, claims) = claims(on, showtime).await?;
    Ok(Board::new(Arc::clone(hall), sequence, closed, claims))
}

/// The last change of a showtime, whether it is closed, and its claims by label.
pub(crate) async fn claims(
    on: impl Into<Executor<'_>>,
    showtime: ShowtimeId,
) -> Result<(i64, bool, BTreeMap<String, Claim>), StoreError> {
    let rows =
        sql("SELECT s.sequence, s.closed, c.seat, c.reservation_id, c.user_id, c.state, c.expires_at \
                    FROM showtimes s LEFT JOIN seat_claims c ON c.showtime_id = s.showtime_id \
                    WHERE s.showtime_id = $1")
        .bind(showtime)
        .fetch_all(on)
        .await?;
    let (sequence, closed) = match rows.first() {
        Some(row) => (row.get("sequence")?, row.get("closed")?),
        None => (0, false),
    };
    let mut claims = BTreeMap::new();
    for row in &rows {
        if let Some(seat) = row.get::<Option<String>>("seat")? {
            claims.insert(seat, rows::claim(row)?);
        }
    }
    Ok((sequence, closed, claims))
}

/// Brings a board up to now.
pub(crate) async fn catch_up(
    on: impl Into<Executor<'_>>,
    showtime: ShowtimeId,
    mut known: Board,
) -> Result<Board, StoreError> {
    let mut on = on.into();
    let changes = changes_after(on.reborrow(), showtime, known.sequence, MOST_FOLLOWED).await?;
    let complete = i64::try_from(changes.len()).is_ok_and(|count| count < MOST_FOLLOWED);
    if complete && changes.iter().all(|change| known.apply(change)) {
        return Ok(known);
    }
    let hall = Arc::clone(&known.hall);
    board(on, showtime, &hall).await
}

/// The first `limit` changes of a showtime after the one numbered `sequence`.
pub(crate) async fn changes_after(
    on: impl Into<Executor<'_>>,
    showtime: ShowtimeId,
    sequence: i64,
    limit: i64,
) -> Result<Vec<Change>, StoreError> {
    let rows =
        sql("SELECT sequence, kind, reservation_id, user_id, seats, expires_at, at FROM seat_history \
                    WHERE showtime_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3")
        .bind(showtime)
        .bind(sequence)
        .bind(limit)
        .fetch_all(on)
        .await?;
    rows.iter().map(rows::change).collect()
}

/// Which of the showtimes have changed since the sequence that is given with each.
pub(crate) async fn changed_since(
    db: &Db,
    known: &[(ShowtimeId, i64)],
) -> Result<HashSet<ShowtimeId>, StoreError> {
    let known = known.iter().map(|(id, sequence)| [(*id).into(), (*sequence).into()]);
    let mut query = sql("SELECT s.showtime_id FROM showtimes s JOIN ");
    match db.engine() {
        Engine::Postgres => query.push_few("known (id, sequence, number)", [Kind::Uuid, Kind::I64], known),
        Engine::Sqlite => query
            .push("(SELECT column1 AS id, column2 AS sequence FROM (VALUES ")
            .push_rows(known)
            .push(")) known"),
    };
    query.push(" ON s.showtime_id = known.id WHERE s.sequence > known.sequence");
    query.fetch_all(db).await?.iter().map(|row| row.get("showtime_id")).collect()
}

/// One reservation.
pub(crate) async fn reservation(
    on: impl Into<Executor<'_>>,
    id: ReservationId,
) -> Result<Option<Reservation>, StoreError> {
    let row = sql("SELECT * FROM reservations WHERE id = $1").bind(id).fetch_optional(on).await?;
    row.as_ref().map(rows::reservation).transpose()
}

/// What was offered for a payment that came too late, the first offer first.
pub(crate) async fn offers(db: &Db, payment: PaymentId) -> Result<Vec<Reservation>, StoreError> {
    let query = sql("SELECT * FROM reservations WHERE offered_for = $1 ORDER BY id");
    query.bind(payment).fetch_all(db).await?.iter().map(rows::reservation).collect()
}

/// Which reservations a list shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filter {
    pub(crate) user: Option<UserId>,
    pub(crate) showtime: Option<ShowtimeId>,
    /// Those made before this one.
    pub(crate) before: Option<ReservationId>,
    pub(crate) limit: i64,
}

/// Reservations, newest first.
pub(crate) async fn list(db: &Db, filter: Filter) -> Result<Vec<Reservation>, StoreError> {
    let mut query = sql("SELECT * FROM reservations WHERE TRUE");
    match (filter.user, filter.showtime) {
        (Some(user), showtime) => {
            query.push(" AND user_id = ").push_bind(user);
            if let Some(showtime) = showtime {
                query.push(" AND showtime_id = ").push_bind(showtime);
            }
        }
        // The history has the reservations of a showtime: an index for staff alone would cost every hold a write.
        (None, Some(showtime)) => {
            query.push(
                " AND id IN (SELECT reservation_id FROM seat_history WHERE kind = 'held' AND showtime_id = ",
            );
            query.push_bind(showtime).push(")");
        }
        (None, None) => {}
    }
    if let Some(before) = filter.before {
        query.push(" AND id < ").push_bind(before);
    }
    query.push(" ORDER BY id DESC LIMIT ").push_bind(filter.limit);
    query.fetch_all(db).await?.iter().map(rows::reservation).collect()
}
