//! A hold in one statement, for PostgreSQL.

use moviebooking_store::{Db, StoreError, Value, sql};

use crate::{
    board::{Change, ChangeKind},
    reservation::Reservation,
};

use super::rows;

/// The same as a turn with `hold`, in one round trip. It takes the turn only where the showtime is still as the board
/// showed it; everything else is written from that row, so where there is none, nothing is. A seat that is taken all the
/// same, or a key that was used, fails the whole statement by the table's own constraint.
const HOLD: &str = "\
WITH turn AS (
    INSERT INTO showtimes (showtime_id, sequence, closed) VALUES ($1, $2 + 1, FALSE)
    ON CONFLICT (showtime_id) DO UPDATE SET sequence = excluded.sequence
        WHERE showtimes.sequence = $2 AND NOT showtimes.closed
    RETURNING showtime_id, sequence
), key AS (
    INSERT INTO idempotency_keys (caller, key, method, fingerprint, response, created_at)
    SELECT $3, $4, $5, $6, $7, $8 FROM turn
), reservation AS (
    INSERT INTO reservations (id, showtime_id, theater_id, user_id, state, seats, total_minor, currency,
                              expires_at, created_at, updated_at)
    SELECT $9, showtime_id, $10, $11, 'held', $12, $13, $14, $15, $8, $8 FROM turn
), claims AS (
    INSERT INTO seat_claims (showtime_id, seat, reservation_id, user_id, state, expires_at)
    SELECT turn.showtime_id, wanted.seat, $9, $11, 'held', $15 FROM turn, unnest($16::text[]) AS wanted(seat)
    ON CONFLICT (showtime_id, seat) DO UPDATE SET reservation_id = excluded.reservation_id,
        user_id = excluded.user_id, expires_at = excluded.expires_at,
        state = CASE WHEN seat_claims.state = 'held' AND seat_claims.expires_at <= $8 THEN 'held' ELSE 'taken' END
), history AS (
    INSERT INTO seat_history (showtime_id, sequence, kind, reservation_id, user_id, seats, expires_at, at)
    SELECT showtime_id, sequence, 'held', $9, $11, $17, $15, $8 FROM turn
)
SELECT sequence FROM turn";

/// Holds the seats of a new reservation if the showtime's last change is still `sequence`; `None` if it is not.
/// `key` is the row of the request's idempotency key.
///
/// # Errors
/// [`StoreError::UniqueViolation`] of `idempotency_keys_pkey` when the key was used, [`StoreError::CheckViolation`] when
/// a seat is taken.
pub(crate) async fn hold_at_once(
    db: &Db,
    new: &Reservation,
    sequence: i64,
    key: [Value; 6],
) -> Result<Option<Change>, StoreError> {
    let labels = new.labels();
    let mut statement = sql(HOLD).bind(new.showtime).bind(sequence);
    for value in key {
        statement = statement.bind(value);
    }
    let row = statement
        .bind(new.id)
        .bind(new.theater)
        .bind(new.user)
        .bind(rows::encode_seats(&new.seats))
        .bind(new.total.minor)
        .bind(new.total.currency.code())
        .bind(new.expires_at)
        .bind(labels.clone())
        .bind(rows::join_labels(&labels))
        .fetch_optional(db)
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Change {
        sequence: row.get("sequence")?,
        kind: ChangeKind::Held,
        reservation: Some(new.id),
        user: Some(new.user),
        seats: labels,
        expires_at: Some(new.expires_at),
        at: new.created_at,
    }))
}
