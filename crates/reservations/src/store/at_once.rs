//! A hold, and its sale, in one statement each, for PostgreSQL.

use moviebooking_store::{Db, StoreError, Value, sql};

use crate::{
    board::{Change, ChangeKind},
    metrics,
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
    db.wake_events();
    let change = Change {
        sequence: row.get("sequence")?,
        kind: ChangeKind::Held,
        reservation: Some(new.id),
        user: Some(new.user),
        seats: labels,
        expires_at: Some(new.expires_at),
        at: new.created_at,
    };
    metrics::happened(std::slice::from_ref(&change));
    Ok(Some(change))
}

/// The same as a turn that sells a hold which has not expired, in one round trip. It waits for the turn first; where a
/// claim is not the reservation's any more, or the reservation not what it was, the history's own constraint fails the
/// whole statement.
const SELL: &str = "\
WITH turn AS (
    UPDATE showtimes SET sequence = sequence + 1 WHERE showtime_id = $1 RETURNING showtime_id, sequence
), claims AS (
    UPDATE seat_claims SET state = 'sold' FROM turn
    WHERE seat_claims.showtime_id = turn.showtime_id AND seat = ANY($3) AND reservation_id = $2 AND state = 'held'
    RETURNING seat
), reservation AS (
    UPDATE reservations SET state = 'confirmed', payment_id = $4, updated_at = $5 FROM turn
    WHERE id = $2 AND state = 'held' AND reservations.showtime_id = turn.showtime_id AND updated_at = $6
    RETURNING id
)
INSERT INTO seat_history (showtime_id, sequence, kind, reservation_id, user_id, seats, at)
SELECT showtime_id, sequence,
       CASE WHEN (SELECT COUNT(*) FROM claims) = $7 AND EXISTS (SELECT FROM reservation) THEN 'sold' ELSE 'lost' END,
       $2, $8, $9, $5 FROM turn
RETURNING sequence";

/// Sells `before`, which is held by its own buyer and not expired, to the payment of `to`.
///
/// # Errors
/// [`StoreError::CheckViolation`] when it, or the claim to one of its seats, is not what it was.
pub(crate) async fn sell_at_once(
    db: &Db,
    before: &Reservation,
    to: &Reservation,
) -> Result<Change, StoreError> {
    let labels = to.labels();
    let row = sql(SELL)
        .bind(to.showtime)
        .bind(to.id)
        .bind(labels.clone())
        .bind(to.payment)
        .bind(to.updated_at)
        .bind(before.updated_at)
        .bind(i64::try_from(labels.len()).unwrap_or(i64::MAX))
        .bind(to.user)
        .bind(rows::join_labels(&labels))
        .fetch_one(db)
        .await?;
    db.wake_events();
    let change = Change {
        sequence: row.get("sequence")?,
        kind: ChangeKind::Sold,
        reservation: Some(to.id),
        user: Some(to.user),
        seats: labels,
        expires_at: None,
        at: to.updated_at,
    };
    metrics::happened(std::slice::from_ref(&change));
    Ok(change)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use moviebooking_domain::{
        id::{ReservationId, ShowtimeId, TheaterId, UserId},
        money::Money,
    };
    use moviebooking_proto::reservations::v1::ReservedSeat;
    use moviebooking_store::{idempotency::Request, testing::TestDb};
    use uuid::Uuid;

    use super::*;
    use crate::{
        MIGRATIONS,
        audit::audit,
        reservation::{State, after},
        store::Turn,
    };

    const LASTS: jiff::SignedDuration = jiff::SignedDuration::from_mins(10);

    fn reservation(showtime: ShowtimeId, now: Timestamp, seats: &[&str]) -> Reservation {
        let seats =
            seats.iter().map(|label| ReservedSeat { label: (*label).to_owned(), ..Default::default() });
        Reservation {
            id: ReservationId::new(now),
            showtime,
            theater: TheaterId::new(now),
            user: UserId::new(now),
            state: State::Held,
            seats: seats.collect(),
            total: Money::new(0, "EUR".parse().unwrap()),
            expires_at: after(now, LASTS),
            created_at: now,
            updated_at: now,
            payment: None,
            offered_for: None,
        }
    }

    fn key(id: &str, now: Timestamp) -> [Value; 6] {
        Request::required("buyer", id, "hold", &()).unwrap().row(&(), now).unwrap()
    }

    #[tokio::test]
    async fn it_writes_everything_or_nothing() {
        let database = TestDb::postgres(&MIGRATIONS).await;
        let db = database.db();
        let now: Timestamp = "2026-11-22T18:00:00Z".parse().unwrap();
        let showtime = ShowtimeId::from(Uuid::now_v7());
        let hold = async |sequence, seats: &[&str], id: &str, now| {
            hold_at_once(db, &reservation(showtime, now, seats), sequence, key(id, now)).await
        };
        assert_eq!(hold(0, &["A1", "A2"], "one", now).await.unwrap().unwrap().sequence, 1);
        assert_eq!(hold(0, &["B1"], "two", now).await.unwrap(), None, "the showtime has changed since");
        assert_eq!(hold(1, &["B1"], "two", now).await.unwrap().unwrap().sequence, 2);
        let used = hold(2, &["C1"], "one", now).await.unwrap_err();
        assert!(used.is_unique("idempotency_keys_pkey"), "{used:?}");
        let taken = hold(2, &["C1", "A1"], "three", now).await.unwrap_err();
        assert!(matches!(taken, StoreError::CheckViolation { .. }), "{taken:?}");
        assert_eq!(hold(2, &["C1", "A1"], "three", after(now, LASTS)).await.unwrap().unwrap().sequence, 3);
        let mut turn = Turn::take(db, showtime).await.unwrap();
        turn.close(now).await.unwrap();
        turn.commit().await.unwrap();
        assert_eq!(hold(4, &["D1"], "four", now).await.unwrap(), None, "the showtime is closed");
        let keys = sql("SELECT COUNT(*) AS keys FROM idempotency_keys").fetch_one(db).await.unwrap();
        assert_eq!(keys.get::<i64>("keys").unwrap(), 3);
        assert_eq!(audit(db).await.unwrap(), []);
    }
    #[tokio::test]
    async fn a_sale_takes_all_of_a_hold_that_is_what_it_was_or_nothing() {
        let database = TestDb::postgres(&MIGRATIONS).await;
        let db = database.db();
        let now: Timestamp = "2026-11-22T18:00:00Z".parse().unwrap();
        let showtime = ShowtimeId::from(Uuid::now_v7());
        let held = reservation(showtime, now, &["A1", "A2"]);
        hold_at_once(db, &held, 0, key("one", now)).await.unwrap().unwrap();
        let paid = |updated_at| Reservation {
            state: State::Confirmed,
            payment: Some(Uuid::now_v7().into()),
            updated_at,
            ..held.clone()
        };
        let later = after(now, jiff::SignedDuration::from_secs(1));
        let stale = Reservation { updated_at: later, ..held.clone() };
        let lost = |sold: Result<Change, StoreError>| matches!(sold, Err(StoreError::CheckViolation { .. }));
        assert!(lost(sell_at_once(db, &stale, &paid(later)).await), "it has changed since");

        // A replica whose clock is ahead gives one of the seats to another buyer.
        let late = reservation(showtime, after(now, LASTS), &["A2"]);
        hold_at_once(db, &late, 1, key("two", late.created_at)).await.unwrap().unwrap();
        assert!(lost(sell_at_once(db, &held, &paid(later)).await), "a seat is another's");
        assert_eq!(audit(db).await.unwrap(), []);

        let (bought, at) = (paid(later), after(late.created_at, jiff::SignedDuration::from_secs(1)));
        let bought =
            Reservation { id: late.id, seats: late.seats.clone(), user: late.user, updated_at: at, ..bought };
        let change = sell_at_once(db, &late, &bought).await.unwrap();
        assert_eq!((change.sequence, change.kind), (3, ChangeKind::Sold));
        assert!(lost(sell_at_once(db, &late, &bought).await), "it is sold");
        let stored = crate::store::reservation(db, late.id).await.unwrap().unwrap();
        assert_eq!((stored.state, stored.payment), (State::Confirmed, bought.payment));
        assert_eq!(audit(db).await.unwrap(), []);
    }
}
