//! Holding seats.

use std::{sync::Arc, time::Instant};

use jiff::Timestamp;
use moviebooking_domain::{
    id::{ReservationId, ShowtimeId, UserId},
    seating::SeatIndex,
};
use moviebooking_proto::{Problem, reservations::v1 as wire};
use moviebooking_store::{StoreError, idempotency::Request};

use crate::{
    Service,
    board::Board,
    boards::{Kept, Place},
    catalogue::Showtime,
    choose::{Wanted, choose},
    convert,
    error::Error,
    hall::Hall,
    metrics,
    reservation::{Reservation, State, after},
    store::{self, AtOnce, Turn},
};

/// Who wants which seats of what.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) user: UserId,
    pub(crate) showtime: ShowtimeId,
    pub(crate) wanted: Wanted,
}

/// What a hold is decided about.
struct Context {
    ask: Ask,
    showtime: Arc<Showtime>,
    hall: Arc<Hall>,
}

impl Service {
    /// Holds seats: all or none.
    ///
    /// # Errors
    /// The rule that refuses them.
    pub(crate) async fn hold(&self, ask: Ask, key: &Request) -> Result<wire::Reservation, Error> {
        let result = self.try_hold(ask, key).await;
        self.or_answer_of_before(result, key).await.inspect_err(metrics::not_held)
    }

    async fn try_hold(&self, ask: Ask, key: &Request) -> Result<wire::Reservation, Error> {
        let showtime = self.catalogue.showtime(ask.showtime).await?;
        showtime.must_be_on_sale(self.clock.now())?;
        let hall = self.catalogue.hall(&showtime).await?;
        if let Wanted::Best { category: Some(category), .. } = &ask.wanted {
            must_be_category(category, &hall)?;
        }
        let id = ask.showtime;
        let context = Context { ask, showtime, hall };
        let place = self.boards.place(id);
        let held = match &self.at_once {
            Some(at_once) => Box::pin(self.hold_at_once(at_once, &context, &place, key)).await?,
            None => Box::pin(self.hold_in_turn(&context, &place, key)).await?,
        };
        self.watches.wake(id);
        Ok(held)
    }

    /// Decides on the board that is at hand, and writes if it is still true.
    async fn hold_at_once(
        &self,
        at_once: &AtOnce,
        context: &Context,
        place: &Place,
        key: &Request,
    ) -> Result<wire::Reservation, Error> {
        let asked = Instant::now();
        let mut slot = place.wait().await;
        let mut kept = match slot.take() {
            Some(kept) => kept,
            None => self.read_board(context).await?,
        };
        let reservation = loop {
            match self.decide(context, &kept.board) {
                Ok(reservation) => break reservation,
                // An old board may refuse what is possible by now.
                Err(_) if kept.as_of < asked => {
                    let as_of = Instant::now();
                    let board = store::catch_up(&self.db, context.ask.showtime, kept.board).await?;
                    kept = Kept { board, as_of };
                }
                Err(refusal) => {
                    place.leave(slot, kept);
                    return Err(refusal);
                }
            }
        };
        let answer = convert::reservation(&reservation, reservation.created_at);
        let as_of = Instant::now();
        let written = match key.row(&answer, reservation.created_at) {
            Some(row) => at_once.hold(&reservation, kept.board.sequence, row).await,
            None => Ok(None),
        };
        match written {
            Ok(Some(change)) => {
                metrics::held();
                kept.board.apply(&change);
                place.leave(slot, Kept { as_of, ..kept });
                self.recent.keep(reservation);
                return Ok(answer);
            }
            // Another process was faster, or the key was used: the turn finds out what is so now.
            Ok(None) | Err(StoreError::UniqueViolation { .. }) => place.leave(slot, kept),
            // The board is not what the database has: it is forgotten.
            Err(StoreError::CheckViolation { .. }) => drop(slot),
            Err(error) => return Err(error.into()),
        }
        self.hold_in_turn(context, place, key).await
    }

    /// Decides while no other process can change the showtime.
    async fn hold_in_turn(
        &self,
        context: &Context,
        place: &Place,
        key: &Request,
    ) -> Result<wire::Reservation, Error> {
        let asked = Instant::now();
        let mut slot = place.wait().await;
        if let Some(kept) = &*slot
            && kept.as_of >= asked
            && let Err(refusal) = self.decide(context, &kept.board)
        {
            return Err(refusal);
        }
        let mut turn = Turn::take(&self.db, context.ask.showtime).await?;
        let as_of = Instant::now();
        let mut board = turn.board(slot.take().map(|kept| kept.board), &context.hall).await?;
        let reservation = match self.decide(context, &board) {
            Ok(reservation) => reservation,
            Err(refusal) => {
                place.leave(slot, Kept { board, as_of });
                return Err(refusal);
            }
        };
        let answer = convert::reservation(&reservation, reservation.created_at);
        if let Some(before) = key.record(turn.tx(), &answer, reservation.created_at).await? {
            place.leave(slot, Kept { board, as_of });
            return Ok(before);
        }
        turn.hold(&reservation).await?;
        let changes = turn.commit().await?;
        metrics::held();
        for change in changes {
            board.apply(&change);
        }
        place.leave(slot, Kept { board, as_of });
        Ok(answer)
    }

    async fn read_board(&self, context: &Context) -> Result<Kept, Error> {
        let as_of = Instant::now();
        let board = store::board(&self.db, context.ask.showtime, &context.hall).await?;
        Ok(Kept { board, as_of })
    }

    /// The reservation that the buyer gets on this board now.
    fn decide(&self, context: &Context, board: &Board) -> Result<Reservation, Error> {
        let now = self.clock.now();
        let Context { ask, showtime, hall } = context;
        let seats = choose(&ask.wanted, ask.user, board, now)?;
        #[cfg(feature = "sabotage")]
        if moviebooking_sabotage::Fault::ConfirmIgnoresExpiry.is_on() {
            let soon = after(now, jiff::SignedDuration::from_millis(400));
            return price(showtime, hall, ask.user, &seats, (now, soon));
        }
        price(showtime, hall, ask.user, &seats, (now, after(now, self.hold)))
    }
}

/// A new reservation of these seats at the showtime's prices, held between two instants.
///
/// # Errors
/// [`Error::NotOnSale`] when a seat's category has no price.
pub(crate) fn price(
    showtime: &Showtime,
    hall: &Hall,
    user: UserId,
    seats: &[SeatIndex],
    (now, expires_at): (Timestamp, Timestamp),
) -> Result<Reservation, Error> {
    let mut total = showtime.nothing();
    let mut reserved = Vec::with_capacity(seats.len());
    for (row, seat) in seats.iter().filter_map(|seat| hall.seat(*seat)) {
        let not_sold = || Error::NotOnSale { why: format!("There is no price for {} seats.", seat.category) };
        let price = showtime.price(&seat.category).ok_or_else(not_sold)?;
        total = total.checked_add(price).ok_or_else(not_sold)?;
        reserved.push(convert::reserved_seat(row, seat, price));
    }
    Ok(Reservation {
        id: ReservationId::new(now),
        showtime: showtime.id,
        theater: showtime.theater,
        user,
        state: State::Held,
        seats: reserved,
        total,
        expires_at,
        created_at: now,
        updated_at: now,
        payment: None,
        offered_for: None,
    })
}

fn must_be_category(name: &str, hall: &Hall) -> Result<(), Problem> {
    if hall.plan.has_category(name) {
        return Ok(());
    }
    let known: Vec<&str> = hall.layout.categories.iter().map(|category| category.name.as_str()).collect();
    let fix = format!("use a category of the hall: {}; or leave it empty for any", known.join(", "));
    Err(Problem::invalid("best_available.category", fix))
}
