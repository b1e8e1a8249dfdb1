//! Why a use case refuses, and what callers are told.

use moviebooking_domain::seating::MOST_PER_BUYER;
use moviebooking_proto::{Problem, Reason};
use moviebooking_store::{StoreError, idempotency::IdempotencyError};

/// A seat and where it stands in the request, when it was named there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedSeat {
    pub(crate) label: String,
    pub(crate) position: Option<usize>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("no such reservation")]
    ReservationNotFound,
    #[error("no such seats")]
    SeatsNotFound(Vec<NamedSeat>),
    #[error("the reservation has no such seats")]
    NotOfReservation(Vec<NamedSeat>),
    #[error("seats are taken")]
    SeatsTaken(Vec<NamedSeat>),
    #[error("not enough seats are free")]
    NotEnoughSeats,
    #[error("a seat would be left alone")]
    Orphan { left: String },
    #[error("a companion seat without its wheelchair space")]
    CompanionAlone { companion: NamedSeat, wheelchair: String },
    #[error("the buyer has as many seats as they may")]
    SeatLimit { has: usize },
    #[error("not on sale")]
    NotOnSale { why: String },
    #[error("the showtime is cancelled")]
    ShowtimeCancelled,
    #[error("the hold has expired")]
    HoldExpired,
    #[error("the hold was released")]
    HoldReleased,
    #[error("the hold lasts as long as it may")]
    HoldCapReached,
    #[error("the reservation is paid")]
    AlreadyPaid,
    #[error("too many watchers")]
    TooManyWatchers,
    /// Refused by a field of the request or by a neighbour: what the caller is told is decided.
    #[error(transparent)]
    Problem(#[from] Problem),
    #[error(transparent)]
    Idempotency(#[from] IdempotencyError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Error {
    /// Whether the request may have been refused because it had its effect before: only its key can tell.
    pub(crate) fn may_be_of_a_repetition(&self) -> bool {
        !matches!(self, Self::Idempotency(_) | Self::Store(_) | Self::TooManyWatchers)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::ReservationNotFound => {
                Self::new(Reason::ReservationNotFound, "There is no such reservation of yours.")
            }
            Error::SeatsNotFound(seats) => {
                let message = format!("The hall has no seat {}.", names(&seats));
                fields(Self::new(Reason::SeatNotFound, message), &seats, "use the label of a seat of the seat map")
            }
            Error::NotOfReservation(seats) => {
                let message = format!("The reservation has no seat {}.", names(&seats));
                fields(Self::new(Reason::SeatNotFound, message), &seats, "use the label of a seat of the reservation")
            }
            Error::SeatsTaken(seats) => {
                let verb = if seats.len() == 1 { "is" } else { "are" };
                let message = format!("{} {verb} taken: choose other seats.", names(&seats));
                let labels: Vec<&str> = seats.iter().map(|seat| seat.label.as_str()).collect();
                let problem = Self::new(Reason::SeatUnavailable, message).meta("seats", labels.join(","));
                fields(problem, &seats, "taken: choose another seat")
            }
            Error::NotEnoughSeats => Self::new(
                Reason::NotEnoughSeats,
                "There are not that many seats free as wished: ask for fewer, for another category, or not together.",
            ),
            Error::Orphan { left } => Self::new(
                Reason::OrphanSeat,
                format!("The choice would leave the single seat {left} free: take it as well, or move by one seat."),
            )
            .meta("seat", left)
            .field("seats", "leave no single free seat"),
            Error::CompanionAlone { companion, wheelchair } => {
                let message = format!(
                    "{} is for the companion of a person in the wheelchair space {wheelchair}: take both.",
                    companion.label
                );
                let problem = Self::new(Reason::CompanionAlone, message).meta("seat", wheelchair);
                fields(problem, &[companion], "take its wheelchair space as well")
            }
            Error::SeatLimit { has } => Self::new(
                Reason::SeatLimit,
                format!("One buyer may have {MOST_PER_BUYER} seats of a showtime at most, and you have {has}."),
            )
            .meta("seats_left", MOST_PER_BUYER.saturating_sub(has).to_string()),
            Error::NotOnSale { why } => Self::new(Reason::NotOnSale, why),
            Error::ShowtimeCancelled => Self::new(Reason::ShowtimeCancelled, "The showtime is cancelled."),
            Error::HoldExpired => {
                Self::new(Reason::HoldExpired, "The time of the hold is over: hold the seats again.")
            }
            Error::HoldReleased => Self::new(Reason::HoldReleased, "The seats were given back: hold them again."),
            Error::HoldCapReached => {
                Self::new(Reason::HoldCapReached, "The hold lasts as long already as it may.")
            }
            Error::AlreadyPaid => {
                Self::new(Reason::AlreadyPaid, "The reservation is paid; to give its seats back ask for a refund.")
            }
            Error::TooManyWatchers => {
                Self::new(Reason::Overloaded, "Too many watch seats at the moment; read the seat map instead.")
                    .retry_after(std::time::Duration::from_secs(10))
            }
            Error::Problem(problem) => problem,
            Error::Idempotency(error) => error.into(),
            Error::Store(error) => error.into(),
        }
    }
}

impl From<Error> for tonic::Status {
    fn from(error: Error) -> Self {
        Problem::from(error).into()
    }
}

/// The labels for people. Unknown ones come from the request, so they are shown cut and escaped.
fn names(seats: &[NamedSeat]) -> String {
    let shown =
        |seat: &NamedSeat| seat.label.chars().take(20).flat_map(char::escape_debug).collect::<String>();
    seats.iter().map(shown).collect::<Vec<_>>().join(", ")
}

fn fields(problem: Problem, seats: &[NamedSeat], fix: &str) -> Problem {
    seats
        .iter()
        .filter_map(|seat| seat.position)
        .fold(problem, |problem, position| problem.field(format!("seats[{position}]"), fix))
}
