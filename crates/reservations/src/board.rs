//! Who has which seat of a showtime: the state after one change of its history, and the changes themselves.

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;
use moviebooking_domain::{
    id::{ReservationId, UserId},
    seating::{SeatIndex, SeatSet},
};

use crate::hall::Hall;

/// What happened to seats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChangeKind {
    Held,
    Extended,
    Sold,
    Released,
    Freed,
    /// The showtime was cancelled; it names no seats.
    Closed,
}

impl ChangeKind {
    const ALL: [Self; 6] =
        [Self::Held, Self::Extended, Self::Sold, Self::Released, Self::Freed, Self::Closed];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Extended => "extended",
            Self::Sold => "sold",
            Self::Released => "released",
            Self::Freed => "freed",
            Self::Closed => "closed",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One row of a showtime's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) sequence: i64,
    pub(crate) kind: ChangeKind,
    pub(crate) reservation: Option<ReservationId>,
    pub(crate) user: Option<UserId>,
    /// Labels.
    pub(crate) seats: Vec<String>,
    /// The end of the hold after `Held` and `Extended`.
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) at: Timestamp,
}

/// Who has a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) reservation: ReservationId,
    pub(crate) user: UserId,
    pub(crate) sold: bool,
    /// The end of the hold; of no meaning once sold.
    pub(crate) expires_at: Timestamp,
}

impl Claim {
    /// Whether it keeps others from the seat.
    pub(crate) fn is_live(&self, now: Timestamp) -> bool {
        self.sold || now < self.expires_at
    }
}

/// The claims of a showtime after its change number `sequence`.
#[derive(Clone, Debug)]
pub(crate) struct Board {
    pub(crate) hall: Arc<Hall>,
    pub(crate) sequence: i64,
    pub(crate) closed: bool,
    claims: HashMap<SeatIndex, Claim>,
}

impl Board {
    /// The state of a showtime from its claims by label.
    pub(crate) fn new(
        hall: Arc<Hall>,
        sequence: i64,
        closed: bool,
        claims: impl IntoIterator<Item = (String, Claim)>,
    ) -> Self {
        let claims =
            claims.into_iter().filter_map(|(label, claim)| Some((hall.plan.seat(&label)?, claim))).collect();
        Self { hall, sequence, closed, claims }
    }

    /// Applies the next change. Any other than the next is ignored, and `false` says so.
    pub(crate) fn apply(&mut self, change: &Change) -> bool {
        if change.sequence != self.sequence.saturating_add(1) {
            return false;
        }
        self.sequence = change.sequence;
        self.closed |= change.kind == ChangeKind::Closed;
        for seat in change.seats.iter().filter_map(|label| self.hall.plan.seat(label)) {
            match (change.kind, change.reservation, change.user, change.expires_at) {
                (ChangeKind::Held, Some(reservation), Some(user), Some(expires_at)) => {
                    self.claims.insert(seat, Claim { reservation, user, sold: false, expires_at });
                }
                (ChangeKind::Extended, _, _, Some(expires_at)) => {
                    self.claims.entry(seat).and_modify(|claim| claim.expires_at = expires_at);
                }
                (ChangeKind::Sold, ..) => {
                    self.claims.entry(seat).and_modify(|claim| {
                        claim.sold = true;
                        claim.user = change.user.unwrap_or(claim.user);
                    });
                }
                (ChangeKind::Released | ChangeKind::Freed, ..) => {
                    self.claims.remove(&seat);
                }
                _ => {}
            }
        }
        true
    }

    /// Who has the seat now.
    pub(crate) fn claim(&self, seat: SeatIndex, now: Timestamp) -> Option<&Claim> {
        self.claims.get(&seat).filter(|claim| claim.is_live(now))
    }

    /// The seats that nobody can take now.
    pub(crate) fn taken(&self, now: Timestamp) -> SeatSet {
        self.claims.iter().filter(|(_, claim)| claim.is_live(now)).map(|(seat, _)| *seat).collect()
    }

    /// The seats that the buyer has now, held or bought.
    pub(crate) fn of_buyer(&self, user: UserId, now: Timestamp) -> SeatSet {
        let own = |claim: &Claim| claim.user == user && claim.is_live(now);
        self.claims.iter().filter(|(_, claim)| own(claim)).map(|(seat, _)| *seat).collect()
    }

    /// The seats whose hold has expired and that nobody has taken over.
    pub(crate) fn expired(&self, now: Timestamp) -> impl Iterator<Item = SeatIndex> {
        self.claims.iter().filter(move |(_, claim)| !claim.is_live(now)).map(|(seat, _)| *seat)
    }

    /// How many seats have a claim, alive or not: what the board weighs.
    pub(crate) fn weight(&self) -> usize {
        self.claims.len()
    }
}
