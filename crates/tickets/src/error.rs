//! Why a request about tickets is refused.

use jiff::Timestamp;
use moviebooking_domain::id::ShowtimeId;
use moviebooking_proto::{Problem, Reason};
use moviebooking_store::{StoreError, idempotency::IdempotencyError};

use crate::{code::InvalidCode, keys::KeyError, pdf::PdfError, ticket::CheckIn};

/// Why a request about tickets is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TicketError {
    #[error("no such ticket, or not one that the caller may see")]
    NotFound,
    #[error(transparent)]
    InvalidCode(#[from] InvalidCode),
    #[error("checked in before")]
    CheckedIn(CheckIn),
    #[error("void")]
    Void { at: Timestamp },
    #[error("for another showtime")]
    WrongShowtime { showtime: ShowtimeId, start: Timestamp },
    /// The payment has tickets, but not these.
    #[error("the payment's tickets were issued for another sale")]
    IssuedOtherwise,
    /// Another payment has a ticket for one of the seats.
    #[error("a seat has a ticket of another payment")]
    SeatSold,
    /// By their places in the request.
    #[error("not tickets of this payment")]
    NotOfPayment(Vec<usize>),
    #[error(transparent)]
    Pdf(#[from] PdfError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Refused(#[from] Problem),
    #[error(transparent)]
    Idempotency(#[from] IdempotencyError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<TicketError> for Problem {
    fn from(error: TicketError) -> Self {
        match error {
            TicketError::NotFound => Self::new(Reason::TicketNotFound, "There is no such ticket."),
            TicketError::InvalidCode(why) => {
                Self::new(Reason::InvalidTicketCode, format!("This code lets nobody in: {why}."))
                    .field("code", "send the code as the scanner read it, all of it")
            }
            TicketError::CheckedIn(CheckIn { at, by }) => {
                Self::new(Reason::TicketAlreadyCheckedIn, format!("This ticket was let in at {at}."))
                    .meta("check_in_time", at.to_string())
                    .meta("checked_in_by", by.to_string())
            }
            TicketError::Void { at } => {
                Self::new(Reason::TicketVoid, "This ticket is void: it lets nobody in.")
                    .meta("void_time", at.to_string())
            }
            TicketError::WrongShowtime { showtime, start } => Self::new(
                Reason::WrongShowtime,
                format!("This ticket is for another show, which starts at {start}."),
            )
            .field("showtime_id", "let it in at the showtime that it is for")
            .meta("showtime_id", showtime.to_string())
            .meta("start_time", start.to_string()),
            TicketError::IssuedOtherwise => Self::new(
                Reason::FailedPrecondition,
                "This payment has tickets already, for other seats or another sale.",
            )
            .field("seats", "repeat the request exactly as it was first made"),
            TicketError::SeatSold => {
                Self::new(Reason::SeatUnavailable, "One of the seats has a valid ticket of another payment.")
                    .field("seats", "issue tickets for seats that this payment bought")
            }
            TicketError::NotOfPayment(places) => {
                let fix =
                    |at| (format!("ticket_ids[{at}]"), "use the id of a ticket of this payment".to_owned());
                Self::invalid_fields(places.into_iter().map(fix).collect()).unwrap_or_else(Self::internal)
            }
            TicketError::Pdf(error) => internal(&error),
            TicketError::Key(KeyError::Store(error)) | TicketError::Store(error) => error.into(),
            TicketError::Key(error) => internal(&error),
            TicketError::Refused(problem) => problem,
            TicketError::Idempotency(error) => error.into(),
        }
    }
}

fn internal(error: &(dyn std::error::Error + 'static)) -> Problem {
    tracing::error!(error, "a ticket cannot be made");
    Problem::internal()
}

impl From<TicketError> for tonic::Status {
    fn from(error: TicketError) -> Self {
        Problem::from(error).into()
    }
}
