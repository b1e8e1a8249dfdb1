//! The history of one showtime, replayed change by change.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use moviebooking_domain::{
    id::{ReservationId, ShowtimeId, UserId},
    seating::MOST_PER_BUYER,
};
use uuid::Uuid;

use crate::{
    board::{Change, ChangeKind, Claim},
    reservation::{LONGEST_HOLD, Reservation, State, after},
};

use super::Violation;

/// What the history says of a reservation.
struct Replayed {
    state: State,
    held_at: Timestamp,
    expires_at: Timestamp,
    freed: BTreeSet<String>,
}

pub(super) struct Replay {
    showtime: ShowtimeId,
    pub(super) sequence: i64,
    closed: bool,
    claims: BTreeMap<String, Claim>,
    reservations: BTreeMap<ReservationId, Replayed>,
    pub(super) violations: Vec<Violation>,
}

impl Replay {
    pub(super) fn new(showtime: ShowtimeId) -> Self {
        Self {
            showtime,
            sequence: 0,
            closed: false,
            claims: BTreeMap::new(),
            reservations: BTreeMap::new(),
            violations: Vec::new(),
        }
    }

    /// How many reservations the history knows.
    pub(super) fn reservations(&self) -> usize {
        self.reservations.len()
    }

    fn must(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.violations.push(Violation {
                showtime: self.showtime,
                sequence: self.sequence,
                what: what(),
            });
        }
    }

    /// Applies a change and checks whether it could be made.
    pub(super) fn step(&mut self, change: &Change) {
        let expected = self.sequence + 1;
        self.sequence = change.sequence;
        self.must(change.sequence == expected, || format!("the history has a gap before it, at {expected}"));
        let closed = self.closed;
        self.must(!closed || change.kind == ChangeKind::Freed, || {
            format!("{} although the showtime was closed", change.kind.name())
        });
        match (change.kind, change.reservation) {
            (ChangeKind::Closed, _) => self.closed = true,
            (_, None) => self.must(false, || "a change without a reservation".to_owned()),
            (ChangeKind::Held, Some(reservation)) => self.held(change, reservation),
            (_, Some(reservation)) => self.changed(change, reservation),
        }
    }

    fn held(&mut self, change: &Change, id: ReservationId) {
        let (Some(user), Some(expires_at)) = (change.user, change.expires_at) else {
            return self.must(false, || "a hold without a buyer or an end".to_owned());
        };
        for seat in &change.seats {
            let claim = Claim { reservation: id, user, sold: false, expires_at };
            if let Some(before) = self.claims.insert(seat.clone(), claim) {
                let kind = if before.sold { "sold" } else { "held" };
                self.must(!before.is_live(change.at), || {
                    format!("{seat} was held while {kind} to {}", before.reservation)
                });
            }
        }
        self.must_be_within_the_limit(user, change.at);
        let replayed =
            Replayed { state: State::Held, held_at: change.at, expires_at, freed: BTreeSet::new() };
        // A payment that came late takes the seats again.
        let over = |before: Replayed| before.state == State::Held && before.expires_at <= change.at;
        let once = self.reservations.insert(id, replayed).is_none_or(over);
        self.must(once, || format!("{id} was held twice"));
    }

    /// Checks how many seats a buyer has. What is only offered has no buyer.
    fn must_be_within_the_limit(&mut self, user: UserId, at: Timestamp) {
        let own = self.claims.values().filter(|claim| claim.user == user && claim.is_live(at)).count();
        self.must(own <= MOST_PER_BUYER || user.uuid() == Uuid::nil(), || format!("a buyer has {own} seats"));
    }

    fn changed(&mut self, change: &Change, id: ReservationId) {
        let kind = change.kind;
        for seat in &change.seats {
            let claim = self.claims.get(seat).copied().filter(|claim| claim.reservation == id);
            let possible = claim.is_some_and(|claim| match kind {
                ChangeKind::Freed => claim.sold,
                ChangeKind::Released => !claim.sold,
                _ => !claim.sold && claim.is_live(change.at),
            });
            self.must(possible, || format!("{seat} was {} by {id}, which had it not", kind.name()));
            match (kind, self.claims.get_mut(seat)) {
                (ChangeKind::Extended, Some(claim)) => {
                    claim.expires_at = change.expires_at.unwrap_or(claim.expires_at)
                }
                (ChangeKind::Sold, Some(claim)) => {
                    claim.sold = true;
                    claim.user = change.user.unwrap_or(claim.user);
                }
                (ChangeKind::Released | ChangeKind::Freed, _) => {
                    self.claims.remove(seat);
                }
                _ => {}
            }
        }
        if let (ChangeKind::Sold, Some(user)) = (kind, change.user) {
            self.must_be_within_the_limit(user, change.at);
        }
        let still = self.claims.values().any(|claim| claim.reservation == id);
        let Some(replayed) = self.reservations.get_mut(&id) else {
            return self.must(false, || format!("{id} was {} and never held", kind.name()));
        };
        let mut too_long = false;
        match kind {
            ChangeKind::Extended => {
                let to = change.expires_at.unwrap_or(replayed.expires_at);
                too_long = to < replayed.expires_at || to > after(replayed.held_at, LONGEST_HOLD);
                replayed.expires_at = to;
            }
            ChangeKind::Sold => replayed.state = State::Confirmed,
            ChangeKind::Released => replayed.state = State::Released,
            ChangeKind::Freed => {
                replayed.freed.extend(change.seats.iter().cloned());
                if !still {
                    replayed.state = State::Released;
                }
            }
            ChangeKind::Held | ChangeKind::Closed => {}
        }
        self.must(!too_long, || format!("the hold {id} was made to last too long, or shorter"));
    }

    /// Compares the end of the history with the claims as they are.
    pub(super) fn compare(&mut self, sequence: i64, closed: bool, claims: BTreeMap<String, Claim>) {
        let (last, was_closed) = (self.sequence, self.closed);
        self.must(sequence == last, || format!("the showtime is at {sequence}, its history at {last}"));
        self.must(closed == was_closed, || format!("closed is {closed}, in the history {was_closed}"));
        let seats: BTreeSet<String> = self.claims.keys().chain(claims.keys()).cloned().collect();
        for seat in seats {
            let (then, now) = (self.claims.get(&seat).copied(), claims.get(&seat).copied());
            self.must(then == now, || format!("{seat} is {}, in the history {}", shown(now), shown(then)));
        }
    }

    /// Compares a reservation with the history.
    pub(super) fn compare_reservation(&mut self, stored: &Reservation) {
        let Some(replayed) = self.reservations.get(&stored.id) else {
            return self.must(false, || format!("{} has no history", stored.id));
        };
        let freed: BTreeSet<String> =
            stored.seats.iter().filter(|seat| seat.freed).map(|seat| seat.label.clone()).collect();
        let same = replayed.state == stored.state
            && replayed.expires_at == stored.expires_at
            && replayed.freed == freed
            && (stored.state != State::Confirmed || stored.payment.is_some());
        let state = replayed.state;
        self.must(same, || {
            format!("{} is {}, in the history {}", stored.id, stored.state.name(), state.name())
        });
    }
}

fn shown(claim: Option<Claim>) -> String {
    match claim {
        None => "free".to_owned(),
        Some(claim) if claim.sold => format!("sold to {}", claim.reservation),
        Some(claim) => format!("held by {} until {}", claim.reservation, claim.expires_at),
    }
}
