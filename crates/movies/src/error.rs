//! What can go wrong, and what the caller is told.

use jiff::Timestamp;
use moviebooking_domain::id::ShowtimeId;
use moviebooking_proto::{Problem, Reason};
use moviebooking_store::{StoreError, idempotency::IdempotencyError};
use tonic::Status;

/// Why a use case failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The request is wrong, or its caller may not make it.
    #[error(transparent)]
    Refused(#[from] Problem),
    #[error(transparent)]
    Idempotency(#[from] IdempotencyError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("there is no such movie")]
    MovieNotFound { field: &'static str },
    #[error("the movie has {count} showtimes to come")]
    MovieHasShowtimes { count: i64 },
    #[error("the movie has no running time")]
    NoRunningTime,
    #[error("there is no such showtime")]
    ShowtimeNotFound,
    #[error("the showtime was cancelled")]
    ShowtimeCancelled,
    #[error("the showtime is over")]
    ShowtimeOver,
    #[error("the hall is taken by the showtime {by}")]
    Overlap { by: ShowtimeId, from: Timestamp, to: Timestamp },
    #[error("there is no such hall")]
    HallNotFound,
    #[error("the hall is closed")]
    HallClosed,
    #[error("the hall has no layout")]
    NoLayout,
    /// The showtime is cancelled, and reservations do not know it yet.
    #[error("reservations could not be told of the cancellation")]
    NotClosed(#[source] Status),
    /// Another service did not answer, or not as it should.
    #[error("the {service} service failed")]
    Neighbour {
        service: &'static str,
        #[source]
        status: Status,
    },
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(problem) => problem,
            Error::Idempotency(error) => error.into(),
            Error::Store(error) => error.into(),
            Error::MovieNotFound { field } => Self::new(Reason::MovieNotFound, "There is no such movie.")
                .field(field, "use the id of a movie of the catalogue"),
            Error::MovieHasShowtimes { count } => Self::new(
                Reason::MovieHasShowtimes,
                format!("The movie has {count} showtimes to come: cancel them first."),
            ),
            Error::NoRunningTime => Self::new(
                Reason::FailedPrecondition,
                "The movie has no running time: set its running_time_minutes first.",
            ),
            Error::ShowtimeNotFound => Self::new(Reason::ShowtimeNotFound, "There is no such showtime.")
                .field("id", "use the id of a showtime"),
            Error::ShowtimeCancelled => {
                Self::new(Reason::ShowtimeCancelled, "The showtime was cancelled: schedule a new one.")
            }
            Error::ShowtimeOver => Self::new(
                Reason::FailedPrecondition,
                "The showtime is over: it cannot be cancelled any more.",
            ),
            Error::Overlap { by, from, to } => Self::new(
                Reason::ShowtimeOverlap,
                format!(
                    "The hall is taken from {from} to {to}, with the cleaning: choose another time or hall."
                ),
            )
            .meta("showtime_id", by.to_string()),
            Error::HallNotFound => Self::new(Reason::HallNotFound, "There is no such hall.")
                .field("showtime.hall_id", "use the id of a hall"),
            Error::HallClosed => {
                Self::new(Reason::FailedPrecondition, "The hall is closed: choose another hall.")
            }
            Error::NoLayout => Self::new(
                Reason::FailedPrecondition,
                "The hall has no seats yet: publish a layout for it first.",
            ),
            Error::NotClosed(status) => {
                tracing::warn!(code = ?status.code(), "not everybody knows of a cancelled showtime yet");
                Self::unavailable(
                    "The showtime is cancelled, but its held seats could not be released or its refunds not begun yet; try again to \
                     see it done.",
                )
            }
            Error::Neighbour { service, status } => {
                tracing::warn!(service, code = ?status.code(), message = status.message(), "call failed");
                Self::unavailable(format!(
                    "The {service} service cannot answer at the moment; try again in a second."
                ))
            }
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        Problem::from(error).into()
    }
}
