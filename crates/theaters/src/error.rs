//! Why a use case failed, and what its caller is told.

use moviebooking_proto::{Problem, Reason};
use moviebooking_store::{StoreError, idempotency::IdempotencyError};
use tonic::Status;

/// Why a use case failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("no such theater")]
    TheaterNotFound,
    #[error("no such hall")]
    HallNotFound,
    #[error("no such layout")]
    LayoutNotFound,
    #[error("the theater is closed")]
    TheaterClosed,
    #[error("the hall is closed")]
    HallClosed,
    /// The field can no longer be changed: showtimes of the theater's halls carry it.
    #[error("{0} is fixed")]
    Fixed(&'static str),
    #[error("another hall has the name")]
    NameTaken,
    /// The hall has as many layouts as can be counted.
    #[error("no further layout version")]
    VersionsExhausted,
    /// The request is wrong, or the caller may not.
    #[error(transparent)]
    Refused(#[from] Problem),
    #[error(transparent)]
    Key(#[from] IdempotencyError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let problem = match error {
            Error::TheaterNotFound => Problem::new(Reason::TheaterNotFound, "There is no such theater."),
            Error::HallNotFound => Problem::new(Reason::HallNotFound, "There is no such hall."),
            Error::LayoutNotFound => {
                Problem::new(Reason::LayoutNotFound, "The hall has no layout of this version.")
                    .field("version", "use 1 up to the hall's layout_version")
            }
            Error::TheaterClosed => {
                Problem::new(Reason::FailedPrecondition, "The theater is closed and takes no changes.")
            }
            Error::HallClosed => {
                Problem::new(Reason::FailedPrecondition, "The hall is closed and takes no changes.")
            }
            Error::Fixed(field) => Problem::new(
                Reason::FailedPrecondition,
                "The theater has halls: its time zone and currency stay.",
            )
            .field(field, "leave it as it is; open another theater for another one"),
            Error::NameTaken => {
                Problem::new(Reason::NameTaken, "Another hall of this theater has this name.")
                    .field("hall.display_name", "choose another name")
            }
            Error::VersionsExhausted => {
                Problem::new(Reason::FailedPrecondition, "The hall has as many layouts as a hall can have.")
            }
            Error::Refused(problem) => problem,
            Error::Key(error) => error.into(),
            Error::Store(error) => error.into(),
        };
        problem.into()
    }
}
