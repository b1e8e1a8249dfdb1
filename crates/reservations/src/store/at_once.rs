//! Holds, looks at them, and their sales, for PostgreSQL: one statement for those of several showtimes that come at the
//! same time.

use moviebooking_domain::id::{ReservationId, ShowtimeId};
use moviebooking_store::{Batches, Db, Kind, Running, StoreError, Value, by_number, sql};

use crate::{
    board::{Change, ChangeKind},
    metrics,
    reservation::Reservation,
};

use super::rows;

/// Reads a reservation, and writes what a turn would, in one round trip; a clone is a handle on the same.
#[derive(Clone, Debug)]
pub(crate) struct AtOnce {
    holds: Batches<Hold, bool>,
    looks: Batches<ReservationId, Option<Reservation>>,
    sales: Batches<Sale, Option<i64>>,
}

/// A new reservation.
struct Hold {
    showtime: ShowtimeId,
    values: [Value; 16],
    seats: Vec<[Value; 2]>,
}

/// A reservation that is sold.
struct Sale {
    showtime: ShowtimeId,
    values: [Value; 8],
    seats: Vec<[Value; 2]>,
}

impl AtOnce {
    pub(crate) fn new(db: &Db) -> Self {
        Self {
            holds: Batches::new(db.clone(), hold),
            looks: Batches::new(db.clone(), read),
            sales: Batches::new(db.clone(), sell),
        }
    }

    /// Holds the seats of a new reservation if the showtime's last change is still `sequence`; `None` if it is not.
    /// `key` is the row of the request's idempotency key.
    ///
    /// # Errors
    /// [`StoreError::UniqueViolation`] of `idempotency_keys_pkey` when the key was used, [`StoreError::CheckViolation`]
    /// when a seat is taken.
    pub(crate) async fn hold(
        &self,
        new: &Reservation,
        sequence: i64,
        [caller, key, method, fingerprint, response, _created]: [Value; 6],
    ) -> Result<Option<Change>, StoreError> {
        let labels = new.labels();
        let sequence = sequence.saturating_add(1);
        let values = [
            new.showtime.into(),
            sequence.into(),
            caller,
            key,
            method,
            fingerprint,
            response,
            new.created_at.into(),
            new.id.into(),
            new.theater.into(),
            new.user.into(),
            rows::encode_seats(&new.seats).into(),
            new.total.minor.into(),
            new.total.currency.code().into(),
            new.expires_at.into(),
            rows::join_labels(&labels).into(),
        ];
        let hold = Hold { showtime: new.showtime, values, seats: wanted(new, &labels) };
        if !self.holds.run(hold).await? {
            return Ok(None);
        }
        let change = Change {
            sequence,
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

    /// One reservation.
    ///
    /// # Errors
    /// [`StoreError`]
    pub(crate) async fn read(&self, id: ReservationId) -> Result<Option<Reservation>, StoreError> {
        self.looks.run(id).await
    }

    /// Sells `before`, which is held by its own buyer and not expired, to the payment of `to`; `None` if something else
    /// was in the way.
    ///
    /// # Errors
    /// [`StoreError::CheckViolation`] when it, or the claim to one of its seats, is not what it was.
    pub(crate) async fn sell(
        &self,
        before: &Reservation,
        to: &Reservation,
    ) -> Result<Option<Change>, StoreError> {
        let labels = to.labels();
        let values = [
            to.showtime.into(),
            to.id.into(),
            to.payment.into(),
            to.updated_at.into(),
            before.updated_at.into(),
            to.user.into(),
            rows::join_labels(&labels).into(),
            i64::try_from(labels.len()).unwrap_or(i64::MAX).into(),
        ];
        let sale = Sale { showtime: to.showtime, values, seats: wanted(to, &labels) };
        let Some(sequence) = self.sales.run(sale).await? else { return Ok(None) };
        let change = Change {
            sequence,
            kind: ChangeKind::Sold,
            reservation: Some(to.id),
            user: Some(to.user),
            seats: labels,
            expires_at: None,
            at: to.updated_at,
        };
        metrics::happened(std::slice::from_ref(&change));
        Ok(Some(change))
    }
}

/// The seats of a reservation, each with its id.
fn wanted(reservation: &Reservation, labels: &[String]) -> Vec<[Value; 2]> {
    labels.iter().map(|label| [reservation.id.into(), label.into()]).collect()
}

const SEAT: [Kind; 2] = [Kind::Uuid, Kind::Text];

const HOLD: [Kind; 16] = {
    use Kind::{Bytes, I64, Text, Time, Uuid};
    [Uuid, I64, Text, Text, Text, Bytes, Bytes, Time, Uuid, Uuid, Uuid, Bytes, I64, Text, Time, Text]
};

/// Says for each whether it is held. It takes the turn only where the showtime is still as the board showed it;
/// everything else is written from that row, so where there is none, nothing is. A seat that is taken all the same, or a
/// key that was used, fails the whole statement by the table's own constraint. Whether another's hold has expired is asked
/// as of the first of them: who comes a moment later may have to ask again.
fn hold<'a>(db: &'a Db, batch: &'a [Hold]) -> Running<'a, bool> {
    Box::pin(async move {
        let sorted = sorted(batch, |hold| hold.showtime);
        let mut hold = sql("WITH asked AS (SELECT * FROM ");
        let columns = "asked (showtime_id, sequence, caller, key, method, fingerprint, response, created_at, id, \
            theater_id, user_id, seats, total_minor, currency, expires_at, labels, number)";
        hold.push_few(columns, HOLD, sorted.iter().map(|(_, hold)| hold.values.clone()));
        hold.push(
            "), turn AS (INSERT INTO showtimes (showtime_id, sequence, closed) \
             SELECT showtime_id, sequence, FALSE FROM asked \
             ON CONFLICT (showtime_id) DO UPDATE SET sequence = excluded.sequence \
             WHERE showtimes.sequence = excluded.sequence - 1 AND NOT showtimes.closed RETURNING showtime_id), \
             held AS (SELECT asked.* FROM asked JOIN turn USING (showtime_id)), \
             used AS (INSERT INTO idempotency_keys (caller, key, method, fingerprint, response, created_at) \
             SELECT caller, key, method, fingerprint, response, created_at FROM held), \
             reservation AS (INSERT INTO reservations (id, showtime_id, theater_id, user_id, state, seats, total_minor, \
             currency, expires_at, created_at, updated_at) \
             SELECT id, showtime_id, theater_id, user_id, 'held', seats, total_minor, currency, expires_at, created_at, \
             created_at FROM held), \
             claims AS (INSERT INTO seat_claims (showtime_id, seat, reservation_id, user_id, state, expires_at) \
             SELECT showtime_id, seat, id, user_id, 'held', expires_at FROM held JOIN ",
        );
        hold.push_unnest(SEAT, sorted.iter().flat_map(|(_, hold)| hold.seats.iter().cloned()));
        hold.push(
            " AS wanted (id, seat) USING (id) \
             ON CONFLICT (showtime_id, seat) DO UPDATE SET reservation_id = excluded.reservation_id, \
             user_id = excluded.user_id, expires_at = excluded.expires_at, state = CASE WHEN seat_claims.state = 'held' \
             AND seat_claims.expires_at <= (SELECT MIN(created_at) FROM asked) THEN 'held' ELSE 'taken' END), \
             history AS (INSERT INTO seat_history (showtime_id, sequence, kind, reservation_id, user_id, seats, \
             expires_at, at) \
             SELECT showtime_id, sequence, 'held', id, user_id, labels, expires_at, created_at FROM held) \
             SELECT number FROM held",
        );
        let held = hold.fetch_all(db).await?;
        if !held.is_empty() {
            db.wake_events();
        }
        let held = in_order(&sorted, by_number(&held, batch.len(), |_row| Ok(()))?);
        Ok(held.iter().map(Option::is_some).collect())
    })
}

/// Gives each that there is.
fn read<'a>(db: &'a Db, batch: &'a [ReservationId]) -> Running<'a, Option<Reservation>> {
    Box::pin(async move {
        let mut read = sql("SELECT reservations.*, number FROM reservations JOIN ");
        read.push_few("asked (asked_id, number)", [Kind::Uuid], batch.iter().map(|id| [(*id).into()]));
        read.push(" ON reservations.id = asked_id");
        by_number(&read.fetch_all(db).await?, batch.len(), rows::reservation)
    })
}

const SALE: [Kind; 8] = {
    use Kind::{I64, Text, Time, Uuid};
    [Uuid, Uuid, Uuid, Time, Time, Uuid, Text, I64]
};

/// Gives for each the number of its showtime's change; none where that is closed. It waits for the turn first; where a
/// claim is not the reservation's any more, or the reservation not what it was, the history's own constraint fails the
/// whole statement.
fn sell<'a>(db: &'a Db, batch: &'a [Sale]) -> Running<'a, Option<i64>> {
    Box::pin(async move {
        let sorted = sorted(batch, |sale| sale.showtime);
        let mut sell = sql("WITH asked AS (SELECT * FROM ");
        let columns = "asked (showtime_id, id, payment_id, at, updated_at, user_id, labels, seats, number)";
        sell.push_few(columns, SALE, sorted.iter().map(|(_, sale)| sale.values.clone()));
        sell.push(
            "), turn AS (UPDATE showtimes SET sequence = sequence + 1 FROM asked \
             WHERE showtimes.showtime_id = asked.showtime_id AND NOT closed \
             RETURNING asked.*, sequence), \
             claims AS (UPDATE seat_claims SET state = 'sold' FROM (SELECT id, showtime_id, bought.seat FROM turn JOIN ",
        );
        let seats = sorted.iter().flat_map(|(_, sale)| sale.seats.iter().cloned());
        sell.push_few("bought (id, seat, ordinal)", SEAT, seats);
        // Without the offset PostgreSQL would look up each seat once for each of the sales.
        sell.push(
            " USING (id) OFFSET 0) AS own WHERE seat_claims.showtime_id = own.showtime_id AND seat_claims.seat = own.seat \
             AND reservation_id = own.id AND state = 'held' RETURNING reservation_id), \
             reservation AS (UPDATE reservations SET state = 'confirmed', payment_id = turn.payment_id, \
             updated_at = turn.at FROM turn WHERE reservations.id = turn.id AND state = 'held' \
             AND reservations.showtime_id = turn.showtime_id AND reservations.updated_at = turn.updated_at \
             RETURNING reservations.id), \
             history AS (INSERT INTO seat_history (showtime_id, sequence, kind, reservation_id, user_id, seats, at) \
             SELECT showtime_id, sequence, CASE WHEN id IN (SELECT id FROM reservation) \
             AND turn.seats = (SELECT COUNT(*) FROM claims WHERE reservation_id = turn.id) THEN 'sold' ELSE 'lost' END, \
             id, user_id, labels, at FROM turn) SELECT number, sequence FROM turn",
        );
        let sold = sell.fetch_all(db).await?;
        if !sold.is_empty() {
            db.wake_events();
        }
        Ok(in_order(&sorted, by_number(&sold, batch.len(), |row| row.get("sequence"))?))
    })
}

/// Those of a batch in the order of their showtimes, and where each is in it. Who waits for the turns of several showtimes
/// waits for them in the same order everywhere.
fn sorted<T>(batch: &[T], showtime: impl Fn(&T) -> ShowtimeId) -> Vec<(usize, &T)> {
    let mut sorted: Vec<(usize, &T)> = batch.iter().enumerate().collect();
    sorted.sort_unstable_by_key(|(_, item)| showtime(item));
    sorted
}

/// What was answered of those that were sorted, in the order of the batch.
fn in_order<T, R>(sorted: &[(usize, &T)], answers: Vec<R>) -> Vec<R> {
    let mut placed: Vec<(usize, R)> = sorted.iter().map(|(at, _)| *at).zip(answers).collect();
    placed.sort_unstable_by_key(|(at, _)| *at);
    placed.into_iter().map(|(_, answer)| answer).collect()
}

#[cfg(test)]
mod tests;
