//! A change of a showtime's seats, in a transaction that excludes all others of the same showtime.

use std::sync::Arc;

use jiff::Timestamp;
use moviebooking_domain::id::{ReservationId, ShowtimeId};
use moviebooking_store::{Db, StoreError, Tx, sql};

use crate::{
    board::{Board, Change, ChangeKind},
    hall::Hall,
    metrics,
    reservation::Reservation,
};

use super::{read, rows};

/// The turn of one change of a showtime: while it is open no other change of the showtime can be made, by any process.
/// Dropped without [`commit`](Self::commit) it leaves nothing behind.
pub(crate) struct Turn {
    tx: Tx,
    showtime: ShowtimeId,
    /// The number of this change. Each has one row of history, so that the numbers have no gaps.
    sequence: i64,
    closed: bool,
    changes: Vec<Change>,
}

impl Turn {
    /// Waits for the turn.
    pub(crate) async fn take(db: &Db, showtime: ShowtimeId) -> Result<Self, StoreError> {
        let mut tx = db.begin().await?;
        let row = sql("INSERT INTO showtimes (showtime_id, sequence, closed) VALUES ($1, 1, FALSE) \
                       ON CONFLICT (showtime_id) DO UPDATE SET sequence = showtimes.sequence + 1 \
                       RETURNING sequence, closed")
        .bind(showtime)
        .fetch_one(&mut tx)
        .await?;
        let (sequence, closed) = (row.get("sequence")?, row.get("closed")?);
        tx.announce_events();
        Ok(Self { tx, showtime, sequence, closed, changes: Vec::new() })
    }

    /// The transaction, for the record of the request's key.
    pub(crate) fn tx(&mut self) -> &mut Tx {
        &mut self.tx
    }

    /// Whether the showtime was closed before.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// The state before this change: `known` brought up to it, or read anew.
    pub(crate) async fn board(
        &mut self,
        known: Option<Board>,
        hall: &Arc<Hall>,
    ) -> Result<Board, StoreError> {
        let before = self.sequence - 1;
        let mut board = match known {
            Some(board) if board.sequence == before => board,
            Some(board) => read::catch_up(&mut self.tx, self.showtime, board).await?,
            None => read::board(&mut self.tx, self.showtime, hall).await?,
        };
        // The showtime's row, where it was read from, has the number of this change already.
        board.sequence = before;
        Ok(board)
    }

    /// A reservation, which no other change can touch during this turn.
    pub(crate) async fn reservation(&mut self, id: ReservationId) -> Result<Reservation, StoreError> {
        read::reservation(&mut self.tx, id).await?.ok_or(StoreError::NoRow)
    }

    /// Holds the seats of a new reservation, taking over those whose hold has expired.
    ///
    /// # Errors
    /// [`StoreError::CheckViolation`] when one of the seats is taken.
    pub(crate) async fn hold(&mut self, new: &Reservation) -> Result<(), StoreError> {
        let labels = self.claim(new, new.created_at).await?;
        sql("INSERT INTO reservations (id, showtime_id, theater_id, user_id, state, seats, total_minor, currency, \
             expires_at, created_at, updated_at, offered_for) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)")
        .bind(new.id)
        .bind(new.showtime)
        .bind(new.theater)
        .bind(new.user)
        .bind(new.state.name())
        .bind(rows::encode_seats(&new.seats))
        .bind(new.total.minor)
        .bind(new.total.currency.code())
        .bind(new.expires_at)
        .bind(new.created_at)
        .bind(new.updated_at)
        .bind(new.offered_for)
        .execute(&mut self.tx)
        .await?;
        self.record(ChangeKind::Held, Some(new), labels, new.created_at).await
    }

    /// Holds the seats of a reservation again whose time was over.
    ///
    /// # Errors
    /// [`StoreError::CheckViolation`] when one of the seats is taken.
    pub(crate) async fn hold_again(&mut self, to: &Reservation) -> Result<(), StoreError> {
        let labels = self.claim(to, to.updated_at).await?;
        self.changed(ChangeKind::Held, to, labels).await.map(drop)
    }

    /// How many seats the buyer of a reservation has besides its own, held or bought.
    pub(crate) async fn others_of_buyer(
        &mut self,
        of: &Reservation,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let row = sql("SELECT COUNT(*) AS seats FROM seat_claims WHERE showtime_id = $1 AND user_id = $2 \
                       AND reservation_id <> $3 AND (state = 'sold' OR expires_at > $4)")
        .bind(self.showtime)
        .bind(of.user)
        .bind(of.id)
        .bind(now)
        .fetch_one(&mut self.tx)
        .await?;
        Ok(usize::try_from(row.get::<u32>("seats")?).unwrap_or(usize::MAX))
    }

    /// Claims the seats of a hold, taking over those whose hold has expired, and returns their labels.
    async fn claim(&mut self, hold: &Reservation, now: Timestamp) -> Result<Vec<String>, StoreError> {
        let labels = hold.labels();
        let mut claims = sql("INSERT INTO seat_claims \
                              (showtime_id, seat, reservation_id, user_id, state, expires_at) VALUES ");
        claims.push_rows(labels.iter().map(|label| {
            [
                self.showtime.into(),
                label.into(),
                hold.id.into(),
                hold.claimant().into(),
                "held".into(),
                hold.expires_at.into(),
            ]
        }));
        // A taken seat gets a state that the table refuses, and with it the whole statement fails.
        claims
            .push(
                " ON CONFLICT (showtime_id, seat) DO UPDATE SET reservation_id = excluded.reservation_id, \
                 user_id = excluded.user_id, expires_at = excluded.expires_at, \
                 state = CASE WHEN seat_claims.state = 'held' AND seat_claims.expires_at <= ",
            )
            .push_bind(now)
            .push(" THEN 'held' ELSE 'taken' END");
        claims.execute(&mut self.tx).await?;
        Ok(labels)
    }

    /// Writes what became of a reservation whose claims were changed.
    async fn changed(
        &mut self,
        kind: ChangeKind,
        to: &Reservation,
        labels: Vec<String>,
    ) -> Result<bool, StoreError> {
        self.update(to).await?;
        self.record(kind, Some(to), labels, to.updated_at).await?;
        Ok(true)
    }

    /// Moves the end of a hold; `false` when its seats are not its own any more.
    pub(crate) async fn extend(&mut self, to: &Reservation) -> Result<bool, StoreError> {
        let labels = to.labels();
        let mut claims =
            sql("UPDATE seat_claims SET expires_at = $1 WHERE showtime_id = $2 AND reservation_id = $3 \
                              AND state = 'held' AND seat IN ")
            .bind(to.expires_at)
            .bind(self.showtime)
            .bind(to.id);
        claims.push_list(&labels);
        if !all(claims.execute(&mut self.tx).await?, &labels) {
            return Ok(false);
        }
        self.changed(ChangeKind::Extended, to, labels).await
    }

    /// Turns a hold into a sale; `false` when its seats are not its own any more.
    pub(crate) async fn sell(&mut self, to: &Reservation) -> Result<bool, StoreError> {
        let labels = to.labels();
        let mut claims = sql("UPDATE seat_claims SET state = 'sold', user_id = $3 WHERE showtime_id = $1 \
                 AND reservation_id = $2 AND state = 'held' AND seat IN ")
        .bind(self.showtime)
        .bind(to.id)
        .bind(to.user);
        claims.push_list(&labels);
        if !all(claims.execute(&mut self.tx).await?, &labels) {
            return Ok(false);
        }
        self.changed(ChangeKind::Sold, to, labels).await
    }

    /// Sells seats whoever has them.
    #[cfg(feature = "sabotage")]
    pub(crate) async fn sell_whoever_has_it(&mut self, to: &Reservation) -> Result<(), StoreError> {
        let labels = to.labels();
        let mut claims = sql("UPDATE seat_claims SET state = 'sold', user_id = $3, reservation_id = $2 \
                 WHERE showtime_id = $1 AND seat IN ")
        .bind(self.showtime)
        .bind(to.id)
        .bind(to.user);
        claims.push_list(&labels);
        claims.execute(&mut self.tx).await?;
        self.changed(ChangeKind::Sold, to, labels).await.map(drop)
    }

    /// Gives held seats back; `false` when they are not its own any more.
    pub(crate) async fn release(&mut self, to: &Reservation) -> Result<bool, StoreError> {
        let labels = to.labels();
        if !self.delete_claims(to.id, "held", &labels).await? {
            return Ok(false);
        }
        self.changed(ChangeKind::Released, to, labels).await
    }

    /// Gives sold seats back.
    ///
    /// # Errors
    /// [`StoreError::NoRow`] when one of them was not sold to it, which does not happen.
    pub(crate) async fn free(&mut self, to: &Reservation, labels: Vec<String>) -> Result<(), StoreError> {
        if !self.delete_claims(to.id, "sold", &labels).await? {
            return Err(StoreError::NoRow);
        }
        self.update(to).await?;
        self.record(ChangeKind::Freed, Some(to), labels, to.updated_at).await
    }

    /// The holds that have not expired and still have all of their seats.
    pub(crate) async fn active_holds(&mut self, now: Timestamp) -> Result<Vec<Reservation>, StoreError> {
        let rows = sql("SELECT reservation_id, COUNT(*) AS seats FROM seat_claims \
                        WHERE showtime_id = $1 AND state = 'held' AND expires_at > $2 \
                        GROUP BY reservation_id ORDER BY reservation_id")
        .bind(self.showtime)
        .bind(now)
        .fetch_all(&mut self.tx)
        .await?;
        let mut holds = Vec::with_capacity(rows.len());
        for row in rows {
            let hold = self.reservation(row.get("reservation_id")?).await?;
            // Where a replica whose clock is ahead of ours gave a seat to another buyer, there is no hold any more.
            if all(u64::from(row.get::<u32>("seats")?), &hold.labels()) {
                holds.push(hold);
            }
        }
        Ok(holds)
    }

    /// Takes no more holds of the showtime.
    pub(crate) async fn close(&mut self, now: Timestamp) -> Result<(), StoreError> {
        self.record(ChangeKind::Closed, None, Vec::new(), now).await?;
        sql("UPDATE showtimes SET closed = TRUE WHERE showtime_id = $1")
            .bind(self.showtime)
            .execute(&mut self.tx)
            .await
            .map(drop)
    }

    /// Makes it permanent and returns what has changed.
    pub(crate) async fn commit(mut self) -> Result<Vec<Change>, StoreError> {
        // The turn has counted the first one.
        if self.changes.len() > 1 {
            sql("UPDATE showtimes SET sequence = $2 WHERE showtime_id = $1")
                .bind(self.showtime)
                .bind(self.sequence - 1)
                .execute(&mut self.tx)
                .await?;
        }
        self.tx.commit().await?;
        metrics::happened(&self.changes);
        Ok(self.changes)
    }

    async fn delete_claims(
        &mut self,
        reservation: ReservationId,
        state: &'static str,
        labels: &[String],
    ) -> Result<bool, StoreError> {
        let mut claims =
            sql("DELETE FROM seat_claims WHERE showtime_id = $1 AND reservation_id = $2 AND state = $3 AND seat IN ")
                .bind(self.showtime)
                .bind(reservation)
                .bind(state);
        claims.push_list(labels);
        Ok(all(claims.execute(&mut self.tx).await?, labels))
    }

    /// Stores what of a reservation can change.
    async fn update(&mut self, to: &Reservation) -> Result<(), StoreError> {
        sql("UPDATE reservations SET state = $2, seats = $3, expires_at = $4, updated_at = $5, payment_id = $6 \
             WHERE id = $1")
        .bind(to.id)
        .bind(to.state.name())
        .bind(rows::encode_seats(&to.seats))
        .bind(to.expires_at)
        .bind(to.updated_at)
        .bind(to.payment)
        .execute(&mut self.tx)
        .await
        .map(drop)
    }

    /// Appends to the history, under the next number.
    async fn record(
        &mut self,
        kind: ChangeKind,
        of: Option<&Reservation>,
        seats: Vec<String>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let expires_at = match kind {
            ChangeKind::Held | ChangeKind::Extended => of.map(|of| of.expires_at),
            _ => None,
        };
        let (reservation, user) = (of.map(|of| of.id), of.map(Reservation::claimant));
        let change = Change { sequence: self.sequence, kind, reservation, user, seats, expires_at, at };
        sql("INSERT INTO seat_history (showtime_id, sequence, kind, reservation_id, user_id, seats, expires_at, at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
        .bind(self.showtime)
        .bind(change.sequence)
        .bind(kind.name())
        .bind(reservation)
        .bind(user)
        .bind(rows::join_labels(&change.seats))
        .bind(expires_at)
        .bind(at)
        .execute(&mut self.tx)
        .await?;
        self.sequence += 1;
        self.changes.push(change);
        Ok(())
    }
}

fn all(affected: u64, labels: &[String]) -> bool {
    usize::try_from(affected).is_ok_and(|affected| affected == labels.len())
}
