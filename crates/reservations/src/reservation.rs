//! A reservation: some seats of a showtime, held by somebody for a while and then sold or given back.

use jiff::{SignedDuration, Timestamp};
use moviebooking_domain::{
    id::{PaymentId, ReservationId, ShowtimeId, TheaterId, UserId},
    money::Money,
};
use moviebooking_proto::reservations::v1 as wire;
use uuid::Uuid;

use crate::error::Error;

/// Seconds that a hold lasts unless the operator says otherwise.
pub(crate) const HOLD: u32 = 600;
/// How long a hold can last with all of its extensions.
pub(crate) const LONGEST_HOLD: SignedDuration = SignedDuration::from_mins(30);

/// How long an offer is held.
pub(crate) const OFFER: SignedDuration = SignedDuration::from_mins(5);

/// The state that is stored. Whether a hold has expired is a matter of the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Held,
    Confirmed,
    Released,
}

impl State {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Confirmed => "confirmed",
            Self::Released => "released",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Held, Self::Confirmed, Self::Released].into_iter().find(|state| state.name() == name)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reservation {
    pub(crate) id: ReservationId,
    pub(crate) showtime: ShowtimeId,
    pub(crate) theater: TheaterId,
    pub(crate) user: UserId,
    pub(crate) state: State,
    /// In the layout's order. Kept as the API shows them: protobuf keeps old rows readable.
    pub(crate) seats: Vec<wire::ReservedSeat>,
    pub(crate) total: Money,
    pub(crate) expires_at: Timestamp,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) payment: Option<PaymentId>,
    /// The payment that came too late for its seats, when these are offered instead of them.
    pub(crate) offered_for: Option<PaymentId>,
}

impl Reservation {
    /// Whether its hold is alive.
    pub(crate) fn is_active(&self, now: Timestamp) -> bool {
        self.state == State::Held && now < self.expires_at
    }

    /// # Errors
    /// Why the hold is not alive.
    pub(crate) fn must_be_active(&self, now: Timestamp) -> Result<(), Error> {
        match self.state {
            State::Held if now < self.expires_at => Ok(()),
            State::Held => Err(Error::HoldExpired),
            State::Confirmed => Err(Error::AlreadyPaid),
            State::Released => Err(Error::HoldReleased),
        }
    }

    /// The end of the hold if it is extended now, by as much as a new one `lasts`.
    ///
    /// # Errors
    /// [`Error::HoldCapReached`] when it lasts as long as it may already.
    pub(crate) fn extended(&self, now: Timestamp, lasts: SignedDuration) -> Result<Timestamp, Error> {
        let longest = if self.offered_for.is_some() { OFFER } else { LONGEST_HOLD };
        let cap = after(self.created_at, longest);
        if self.expires_at >= cap {
            return Err(Error::HoldCapReached);
        }
        // Another replica's clock may be ahead of ours: an extension never shortens.
        Ok(after(now, lasts).min(cap).max(self.expires_at))
    }

    /// Whose seats its claims are: the buyer's, and nobody's while it is only offered.
    pub(crate) fn claimant(&self) -> UserId {
        if self.offered_for.is_some() && self.state != State::Confirmed {
            UserId::from(Uuid::nil())
        } else {
            self.user
        }
    }

    /// The labels of the seats that it has: those that were not freed.
    pub(crate) fn labels(&self) -> Vec<String> {
        self.seats.iter().filter(|seat| !seat.freed).map(|seat| seat.label.clone()).collect()
    }
}

/// `by` later, or the end of time.
pub(crate) fn after(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LASTS: SignedDuration = SignedDuration::from_mins(10);

    fn held(created_at: Timestamp) -> Reservation {
        Reservation {
            id: ReservationId::new(created_at),
            showtime: ShowtimeId::new(created_at),
            theater: TheaterId::new(created_at),
            user: UserId::new(created_at),
            state: State::Held,
            seats: Vec::new(),
            total: Money::new(0, "EUR".parse().unwrap()),
            expires_at: after(created_at, LASTS),
            created_at,
            updated_at: created_at,
            payment: None,
            offered_for: None,
        }
    }

    #[test]
    fn extensions_end_thirty_minutes_after_the_start() {
        let start: Timestamp = "2026-11-22T20:00:00Z".parse().unwrap();
        let minute = |minutes| after(start, SignedDuration::from_mins(minutes));
        let mut hold = held(start);
        assert_eq!(hold.extended(start, LASTS).unwrap(), minute(10), "nothing gained, nothing lost");
        hold.expires_at = hold.extended(minute(9), LASTS).unwrap();
        assert_eq!(hold.expires_at, minute(19));
        assert_eq!(
            hold.extended(minute(8), LASTS).unwrap(),
            minute(19),
            "a clock behind ours takes nothing away"
        );
        hold.expires_at = hold.extended(minute(19), LASTS).unwrap();
        hold.expires_at = hold.extended(minute(28), LASTS).unwrap();
        assert_eq!(hold.expires_at, minute(30));
        assert!(matches!(hold.extended(minute(29), LASTS), Err(Error::HoldCapReached)));
    }

    #[test]
    fn an_offer_is_not_extended_and_nobodys_until_it_is_sold() {
        let start: Timestamp = "2026-11-22T20:00:00Z".parse().unwrap();
        let mut offer = Reservation {
            offered_for: Some(PaymentId::new(start)),
            expires_at: after(start, OFFER),
            ..held(start)
        };
        assert!(matches!(offer.extended(start, LASTS), Err(Error::HoldCapReached)));
        assert_ne!(offer.claimant(), offer.user);
        offer.state = State::Confirmed;
        assert_eq!(offer.claimant(), offer.user);
    }
}
