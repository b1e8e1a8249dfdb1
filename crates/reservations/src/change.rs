//! What happens to a reservation after it was made: by its buyer, by payments, and when its showtime is cancelled.

use jiff::{SignedDuration, Timestamp};
use moviebooking_auth::Caller;
use moviebooking_domain::{
    id::{PaymentId, ReservationId, ShowtimeId},
    seating::MOST_PER_BUYER,
};
use moviebooking_proto::reservations::v1 as wire;
use moviebooking_store::{StoreError, idempotency::Request};

use crate::{
    Service, convert,
    error::{Error, NamedSeat},
    reservation::{Reservation, State, after},
    store::{AtOnce, Turn},
};

/// How near its end a hold is when it may end before a request that was begun is carried out, or has ended for a replica
/// whose clock is ahead: a request waits for a connection and for its turn for up to five seconds each.
const NEAR: SignedDuration = SignedDuration::from_secs(15);

/// A change of one reservation; what its request has is in it.
pub(crate) enum Step<'a> {
    Extend,
    Keep,
    Release,
    Confirm(PaymentId),
    Free(PaymentId, &'a [String]),
}

impl Service {
    /// Lets the hold last longer.
    ///
    /// # Errors
    /// Why it is no live hold; [`Error::HoldCapReached`].
    pub(crate) async fn extend(
        &self,
        caller: &Caller,
        id: ReservationId,
        key: &Request,
    ) -> Result<wire::Reservation, Error> {
        let result = self.change_own(caller, id, key, Step::Extend).await;
        self.or_answer_of_before(result, key).await
    }

    /// Gives the held seats back. What is released or expired stays as it is.
    ///
    /// # Errors
    /// [`Error::AlreadyPaid`]
    pub(crate) async fn release(
        &self,
        caller: &Caller,
        id: ReservationId,
        key: &Request,
    ) -> Result<wire::Reservation, Error> {
        let result = self.change_own(caller, id, key, Step::Release).await;
        self.or_answer_of_before(result, key).await
    }

    /// Turns the hold into a sale to `payment`, which may come after the hold's time is over: then the seats are taken
    /// again if they are free. Again for the same payment: nothing changes.
    ///
    /// # Errors
    /// [`Error::HoldExpired`] when the seats are gone or no longer on sale; [`Error::HoldReleased`];
    /// [`Error::ShowtimeCancelled`]; [`Error::AlreadyPaid`] when it was sold to another payment;
    /// [`Error::SeatLimit`] when the buyer has got too many others meanwhile.
    pub(crate) async fn confirm(
        &self,
        id: ReservationId,
        payment: PaymentId,
    ) -> Result<wire::Reservation, Error> {
        if let Some(at_once) = &self.at_once
            && let Some(recent) = self.recent.take(id)
            && let Some(sold) = self.sell_at_once(at_once, &recent, payment).await?
        {
            return Ok(sold);
        }
        let found = self.found(id).await?;
        let now = self.clock.now();
        if found.state == State::Held && !found.is_active(now) {
            let showtime = self.catalogue.showtime(found.showtime).await?;
            showtime.must_be_on_sale(now).map_err(|error| match error {
                Error::NotOnSale { .. } => Error::HoldExpired,
                error => error,
            })?;
        }
        if let Some(at_once) = &self.at_once
            && let Some(sold) = self.sell_at_once(at_once, &found, payment).await?
        {
            return Ok(sold);
        }
        let offered_for = found.offered_for;
        let sold = self.change(found, None, Step::Confirm(payment)).await?;
        if let Some(late) = offered_for {
            self.release_other_offers(late, id).await;
        }
        Ok(sold)
    }

    /// Sells a hold that was found to be the buyer's own and not near its end; nothing when it is not that, or no longer,
    /// or when its showtime is closed, which who reads it again finds out.
    async fn sell_at_once(
        &self,
        at_once: &AtOnce,
        found: &Reservation,
        payment: PaymentId,
    ) -> Result<Option<wire::Reservation>, Error> {
        let place = self.boards.place(found.showtime);
        let slot = place.wait().await;
        let now = self.clock.now();
        if !found.is_active(after(now, NEAR)) || found.offered_for.is_some() {
            return Ok(None);
        }
        let Some(to) = Step::Confirm(payment).of(found, now, self.hold)? else { return Ok(None) };
        match at_once.sell(found, &to).await {
            Ok(Some(change)) => {
                place.leave_changed(slot, &[change]);
                self.watches.wake(found.showtime);
                Ok(Some(convert::reservation(&to, now)))
            }
            Ok(None) | Err(StoreError::CheckViolation { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Lets a hold last longer whose payment waits for its buyer; at its cap it stays as it is.
    ///
    /// # Errors
    /// Why it is no live hold.
    pub(crate) async fn keep(&self, id: ReservationId) -> Result<wire::Reservation, Error> {
        let found = self.found(id).await?;
        self.change(found, None, Step::Keep).await
    }

    /// Frees seats that were sold to `payment`; all of them when none is named. What is free already, or was never
    /// sold to it, stays so.
    ///
    /// # Errors
    /// [`Error::AlreadyPaid`] when it was sold to another payment; [`Error::NotOfReservation`].
    pub(crate) async fn free(
        &self,
        id: ReservationId,
        payment: PaymentId,
        seats: &[String],
    ) -> Result<wire::Reservation, Error> {
        let found = self.found(id).await?;
        self.change(found, None, Step::Free(payment, seats)).await
    }

    async fn change_own(
        &self,
        caller: &Caller,
        id: ReservationId,
        key: &Request,
        step: Step<'_>,
    ) -> Result<wire::Reservation, Error> {
        caller.user()?;
        let found = self.found(id).await?;
        if !caller.is(found.user) && !caller.runs(found.theater) {
            return Err(Error::ReservationNotFound);
        }
        self.change(found, Some(key), step).await
    }

    pub(crate) async fn change(
        &self,
        found: Reservation,
        key: Option<&Request>,
        step: Step<'_>,
    ) -> Result<wire::Reservation, Error> {
        let (id, showtime) = (found.id, found.showtime);
        let place = self.boards.place(showtime);
        let slot = place.wait().await;
        let mut turn = Turn::take(&self.db, showtime).await?;
        let before = turn.reservation(id).await?;
        let now = self.clock.now();
        let Some(to) = step.of(&before, now, self.hold)? else {
            drop(turn);
            return self.unchanged(convert::reservation(&before, now), key, now).await;
        };
        // One that had ended for the replica that closed the showtime, whose clock is ahead of ours.
        if turn.is_closed()
            && before.state == State::Held
            && matches!(step, Step::Extend | Step::Keep | Step::Confirm(_))
        {
            return Err(Error::ShowtimeCancelled);
        }
        let answer = convert::reservation(&to, now);
        if let Some(key) = key
            && let Some(before) = key.record(turn.tx(), &answer, now).await?
        {
            return Ok(before);
        }
        match step {
            // A replica whose clock is ahead of ours may have given the seats to another buyer.
            Step::Extend | Step::Keep if !turn.extend(&to).await? => return Err(Error::HoldExpired),
            Step::Release if !turn.release(&to).await? => return Err(Error::HoldExpired),
            Step::Confirm(_) => sell(&mut turn, &before, &to, now).await?,
            Step::Free(..) => {
                let still = to.labels();
                let freed = before.labels().into_iter().filter(|label| !still.contains(label)).collect();
                turn.free(&to, freed).await?;
            }
            Step::Extend | Step::Keep | Step::Release => {}
        }
        place.leave_changed(slot, &turn.commit().await?);
        self.recent.take(id);
        self.watches.wake(showtime);
        Ok(answer)
    }

    /// The answer to a request that changes nothing: what its key says was answered before, or else what is so now, which
    /// its key keeps.
    async fn unchanged(
        &self,
        answer: wire::Reservation,
        key: Option<&Request>,
        now: Timestamp,
    ) -> Result<wire::Reservation, Error> {
        let Some(key) = key else { return Ok(answer) };
        let mut tx = self.db.begin().await?;
        if let Some(before) = key.record(&mut tx, &answer, now).await? {
            return Ok(before);
        }
        tx.commit().await?;
        Ok(answer)
    }

    /// Releases the holds of a cancelled showtime and takes no more. Sold seats stay sold. Again: nothing changes.
    pub(crate) async fn close(&self, showtime: ShowtimeId) -> Result<(), Error> {
        let place = self.boards.place(showtime);
        let slot = place.wait().await;
        let mut turn = Turn::take(&self.db, showtime).await?;
        if turn.is_closed() {
            return Ok(());
        }
        let now = self.clock.now();
        for hold in turn.active_holds(now).await? {
            turn.release(&Reservation { state: State::Released, updated_at: now, ..hold }).await?;
        }
        turn.close(now).await?;
        place.leave_changed(slot, &turn.commit().await?);
        self.watches.wake(showtime);
        Ok(())
    }
}

impl Step<'_> {
    /// What the reservation becomes, where a hold `lasts` so long; `None` when it stays as it is.
    fn of(
        &self,
        before: &Reservation,
        now: Timestamp,
        lasts: SignedDuration,
    ) -> Result<Option<Reservation>, Error> {
        let to = Reservation { updated_at: now, ..before.clone() };
        match self {
            Self::Extend => {
                before.must_be_active(now)?;
                let expires_at = before.extended(now, lasts)?;
                Ok((expires_at > before.expires_at).then_some(Reservation { expires_at, ..to }))
            }
            Self::Keep => match Self::Extend.of(before, now, lasts) {
                Err(Error::HoldCapReached) => Ok(None),
                extended => extended,
            },
            Self::Release => match before.state {
                State::Confirmed => Err(Error::AlreadyPaid),
                _ if before.is_active(now) => Ok(Some(Reservation { state: State::Released, ..to })),
                _ => Ok(None),
            },
            Self::Confirm(payment) if before.state == State::Confirmed => {
                if before.payment == Some(*payment) { Ok(None) } else { Err(Error::AlreadyPaid) }
            }
            Self::Confirm(payment) => {
                let expires_at = match before.must_be_active(now) {
                    Ok(()) => before.expires_at,
                    Err(Error::HoldExpired) => after(now, lasts),
                    Err(error) => return Err(error),
                };
                Ok(Some(Reservation { state: State::Confirmed, payment: Some(*payment), expires_at, ..to }))
            }
            Self::Free(payment, seats) => free(before, to, *payment, seats),
        }
    }
}

/// Sells what is held, or was and is free.
async fn sell(turn: &mut Turn, before: &Reservation, to: &Reservation, now: Timestamp) -> Result<(), Error> {
    #[cfg(feature = "sabotage")]
    if moviebooking_sabotage::Fault::ConfirmIgnoresExpiry.is_on() {
        return Ok(turn.sell_whoever_has_it(to).await?);
    }
    let late = !before.is_active(now);
    // For others it may have ended, and the buyer may hold seats instead.
    if !before.is_active(after(now, NEAR)) || before.offered_for.is_some() {
        let has = turn.others_of_buyer(before, now).await?;
        if has + before.seats.len() > MOST_PER_BUYER {
            return Err(Error::SeatLimit { has });
        }
    }
    if late {
        let again = Reservation { expires_at: to.expires_at, updated_at: now, ..before.clone() };
        match turn.hold_again(&again).await {
            Err(StoreError::CheckViolation { .. }) => return Err(Error::HoldExpired),
            result => result?,
        }
    }
    if turn.sell(to).await? { Ok(()) } else { Err(Error::HoldExpired) }
}

fn free(
    before: &Reservation,
    mut to: Reservation,
    payment: PaymentId,
    seats: &[String],
) -> Result<Option<Reservation>, Error> {
    if before.payment.is_some_and(|other| other != payment) {
        return Err(Error::AlreadyPaid);
    }
    let unknown: Vec<NamedSeat> = seats
        .iter()
        .enumerate()
        .filter(|(_, label)| !before.seats.iter().any(|seat| seat.label == **label))
        .map(|(position, label)| NamedSeat { label: label.clone(), position: Some(position) })
        .collect();
    if !unknown.is_empty() {
        return Err(Error::NotOfReservation(unknown));
    }
    if before.state != State::Confirmed {
        return Ok(None);
    }
    for seat in &mut to.seats {
        seat.freed |= seats.is_empty() || seats.contains(&seat.label);
    }
    if to.seats == before.seats {
        return Ok(None);
    }
    if to.seats.iter().all(|seat| seat.freed) {
        to.state = State::Released;
    }
    Ok(Some(to))
}

impl Service {
    /// A request that was refused may have had its effect before; then the answer of then is given again.
    pub(crate) async fn or_answer_of_before(
        &self,
        result: Result<wire::Reservation, Error>,
        key: &Request,
    ) -> Result<wire::Reservation, Error> {
        match result {
            Err(error) if error.may_be_of_a_repetition() => match key.lookup(&self.db).await? {
                Some(answer) => Ok(answer),
                None => Err(error),
            },
            result => result,
        }
    }
}
