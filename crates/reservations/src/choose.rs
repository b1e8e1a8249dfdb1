//! Which seats a buyer gets: the rules of a hold, decided on a board.

use jiff::Timestamp;
use moviebooking_domain::{
    id::UserId,
    seating::{MOST_PER_BUYER, Refusal, SeatIndex, SeatSet, Wish},
};

use crate::{
    board::Board,
    error::{Error, NamedSeat},
    hall::Hall,
};

/// Which seats are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// These, in the order of the request.
    Named(Vec<String>),
    /// The best that are free.
    Best {
        count: usize,
        /// Any when `None`.
        category: Option<String>,
        together: bool,
    },
}

/// The seats that the buyer gets now, in the layout's order.
///
/// # Errors
/// The rule that refuses them.
pub(crate) fn choose(
    wanted: &Wanted,
    user: UserId,
    board: &Board,
    now: Timestamp,
) -> Result<Vec<SeatIndex>, Error> {
    if board.closed {
        return Err(Error::ShowtimeCancelled);
    }
    let own = board.of_buyer(user, now);
    let room = MOST_PER_BUYER.saturating_sub(own.len());
    let limit = |count| if count > room { Err(Error::SeatLimit { has: own.len() }) } else { Ok(()) };
    match wanted {
        Wanted::Named(labels) => {
            let seats = find(labels, &board.hall)?;
            let taken = conflicts(labels, &seats, board, now);
            if !taken.is_empty() {
                return Err(Error::SeatsTaken(taken));
            }
            limit(seats.len())?;
            let choice: SeatSet = seats.iter().copied().collect();
            board
                .hall
                .plan
                .check(&choice, &board.taken(now), &own)
                .map_err(|refusal| refused(refusal, labels, &board.hall))?;
            Ok(choice.iter().collect())
        }
        Wanted::Best { count, category, together } => {
            limit(*count)?;
            let wish = Wish { count: *count, category: category.as_deref(), together: *together };
            board.hall.plan.best_available(wish, &board.taken(now)).ok_or(Error::NotEnoughSeats)
        }
    }
}

/// The numbers of the named seats.
fn find(labels: &[String], hall: &Hall) -> Result<Vec<SeatIndex>, Error> {
    let unknown: Vec<NamedSeat> = labels
        .iter()
        .enumerate()
        .filter(|(_, label)| hall.plan.seat(label).is_none())
        .map(|(position, label)| NamedSeat { label: label.clone(), position: Some(position) })
        .collect();
    if !unknown.is_empty() {
        return Err(Error::SeatsNotFound(unknown));
    }
    Ok(labels.iter().filter_map(|label| hall.plan.seat(label)).collect())
}

fn conflicts(labels: &[String], seats: &[SeatIndex], board: &Board, now: Timestamp) -> Vec<NamedSeat> {
    labels
        .iter()
        .zip(seats)
        .enumerate()
        .filter(|(_, (_, seat))| board.claim(**seat, now).is_some())
        .map(|(position, (label, _))| NamedSeat { label: label.clone(), position: Some(position) })
        .collect()
}

fn refused(refusal: Refusal, labels: &[String], hall: &Hall) -> Error {
    match refusal {
        Refusal::Orphan(seat) => Error::Orphan { left: hall.label(seat).to_owned() },
        Refusal::CompanionAlone { companion, wheelchair } => {
            let label = hall.label(companion).to_owned();
            let position = labels.iter().position(|named| *named == label);
            Error::CompanionAlone {
                companion: NamedSeat { label, position },
                wheelchair: hall.label(wheelchair).to_owned(),
            }
        }
    }
}
