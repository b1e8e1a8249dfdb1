//! Offering seats to who paid too late for theirs.

use std::{sync::Arc, time::Instant};

use jiff::Timestamp;
use moviebooking_domain::{
    id::{PaymentId, ReservationId},
    seating::SeatIndex,
};
use moviebooking_proto::{reservations::v1 as wire, theaters::v1::SeatKind};
use moviebooking_store::StoreError;

use crate::{
    Service,
    board::Board,
    boards::Kept,
    catalogue::Showtime,
    change::Step,
    choose::{Wanted, choose},
    convert,
    error::Error,
    hall::Hall,
    hold::price,
    reservation::{OFFER, Reservation, after},
    store::{self, Turn},
};

/// The most that is offered for one payment.
const MOST_OFFERS: usize = 3;

impl Service {
    /// Holds seats for the buyer instead of those of the reservation `id`, which were gone when `payment` came: the same
    /// number of the same categories, together, in the showtime and in the next ones of the movie at the theater. Again
    /// for the same payment: what was offered stays so, and what is missing is added.
    ///
    /// # Errors
    /// [`Error::ReservationNotFound`]; a [`Problem`](Error::Problem) when the catalogue does not answer.
    pub(crate) async fn offer(
        &self,
        id: ReservationId,
        payment: PaymentId,
    ) -> Result<Vec<wire::Reservation>, Error> {
        let lost = self.found(id).await?;
        let mut offers = store::offers(&self.db, payment).await?;
        let now = self.clock.now();
        let here = self.catalogue.showtime(lost.showtime).await?;
        let mut showtimes = vec![Arc::clone(&here)];
        match self.catalogue.next(&here, now).await {
            Ok(next) => showtimes.extend(next),
            Err(problem) => tracing::warn!(%problem, "the next showtimes are not offered"),
        }
        for showtime in &showtimes {
            if offers.len() >= MOST_OFFERS {
                break;
            }
            if showtime.must_be_on_sale(now).is_err()
                || offers.iter().any(|offer| offer.showtime == showtime.id)
            {
                continue;
            }
            offers.extend(self.offer_in(showtime, showtime.hall == here.hall, &lost, payment).await?);
        }
        offers.sort_by_key(|offer| showtimes.iter().position(|showtime| showtime.id == offer.showtime));
        Ok(offers.iter().map(|offer| convert::reservation(offer, now)).collect())
    }

    /// Releases what is offered for `payment` besides `taken`. What cannot be released now ends by itself.
    pub(crate) async fn release_other_offers(&self, payment: PaymentId, taken: ReservationId) {
        let offers = match store::offers(&self.db, payment).await {
            Ok(offers) => offers,
            Err(error) => {
                return tracing::warn!(error = error.chain(), "the other offers are left to expire");
            }
        };
        for offer in offers.into_iter().filter(|offer| offer.id != taken) {
            match self.change(offer, None, Step::Release).await {
                Ok(_) | Err(Error::AlreadyPaid) => {}
                Err(error) => tracing::warn!(%error, "another offer is left to expire"),
            }
        }
    }

    /// Holds an offer in this showtime; `None` when there is nothing like it.
    async fn offer_in(
        &self,
        showtime: &Showtime,
        same_hall: bool,
        lost: &Reservation,
        payment: PaymentId,
    ) -> Result<Option<Reservation>, Error> {
        let hall = self.catalogue.hall(showtime).await?;
        let place = self.boards.place(showtime.id);
        let mut slot = place.wait().await;
        let mut turn = Turn::take(&self.db, showtime.id).await?;
        let as_of = Instant::now();
        let mut board = turn.board(slot.take().map(|kept| kept.board), &hall).await?;
        let now = self.clock.now();
        let offer = seats_like(lost, same_hall, &board, now)
            .and_then(|seats| price(showtime, &hall, lost.user, &seats, (now, after(now, OFFER))).ok())
            .map(|hold| Reservation { offered_for: Some(payment), ..hold });
        if let Some(offer) = &offer {
            match turn.hold(offer).await {
                // Asked for the same payment elsewhere at the same time.
                Err(StoreError::UniqueViolation { .. }) => return self.offered_in(showtime, payment).await,
                result => result?,
            }
            for change in turn.commit().await? {
                board.apply(&change);
            }
            self.watches.wake(showtime.id);
        }
        place.leave(slot, Kept { board, as_of });
        Ok(offer)
    }

    async fn offered_in(
        &self,
        showtime: &Showtime,
        payment: PaymentId,
    ) -> Result<Option<Reservation>, Error> {
        let offers = store::offers(&self.db, payment).await?;
        Ok(offers.into_iter().find(|offer| offer.showtime == showtime.id))
    }
}

/// Free seats like those of a reservation: the very same ones where the hall is the same, or else as many of each
/// category, together. Wheelchair spaces and their companion seats are never replaced by other seats.
fn seats_like(lost: &Reservation, same_hall: bool, board: &Board, now: Timestamp) -> Option<Vec<SeatIndex>> {
    if same_hall
        && let Ok(seats) = choose(&Wanted::Named(lost.labels()), lost.user, board, now)
        && seats.iter().all(|seat| is_like_before(lost, *seat, &board.hall))
    {
        return Some(seats);
    }
    let accessible = |kind| matches!(kind, SeatKind::Wheelchair | SeatKind::Companion);
    if lost.seats.iter().any(|seat| accessible(seat.kind())) {
        return None;
    }
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for seat in &lost.seats {
        match counts.iter_mut().find(|(category, _)| *category == seat.category) {
            Some((_, count)) => *count += 1,
            None => counts.push((&seat.category, 1)),
        }
    }
    let mut seats = Vec::with_capacity(lost.seats.len());
    for (category, count) in counts {
        let wanted = Wanted::Best { count, category: Some(category.to_owned()), together: true };
        seats.extend(choose(&wanted, lost.user, board, now).ok()?);
    }
    seats.sort_unstable();
    Some(seats)
}

/// Whether a seat has the category that it had in the reservation.
fn is_like_before(lost: &Reservation, seat: SeatIndex, hall: &Hall) -> bool {
    hall.seat(seat).is_some_and(|(_, seat)| {
        lost.seats.iter().any(|before| before.label == seat.label && before.category == seat.category)
    })
}
