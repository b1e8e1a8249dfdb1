//! An error as a caller sees it: `google.rpc.Status` with `ErrorInfo`, `BadRequest` and `RetryInfo` (AIP-193).

use std::{collections::HashMap, time::Duration};

use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::Reason;

/// `ErrorInfo.domain` of every error of this platform.
pub const DOMAIN: &str = "moviebooking.dev";

/// An error on its way to the caller. Everything in it is meant for their eyes: internal detail is logged, never put
/// here.
///
/// ```
/// # use moviebooking_proto::{Problem, Reason};
/// let status: tonic::Status = Problem::new(Reason::SeatUnavailable, "Seat C7 was taken by another buyer.")
///     .field("seats[0]", "C7 is taken: choose another seat")
///     .meta("seats", "C7")
///     .into();
/// assert_eq!(status.code(), tonic::Code::AlreadyExists);
/// ```
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}: {message}", reason.name())]
pub struct Problem {
    reason: Reason,
    message: String,
    fields: Vec<(String, String)>,
    meta: HashMap<String, String>,
    retry_after: Option<Duration>,
}

impl Problem {
    /// An error with its reason and one sentence for people that says what to do.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), fields: Vec::new(), meta: HashMap::new(), retry_after: None }
    }

    /// `INVALID_ARGUMENT` about one field: its path in the request (`seats[2]`, `movie.release_date`) and the fix.
    pub fn invalid(field: impl Into<String>, fix: impl Into<String>) -> Self {
        let (field, fix) = (field.into(), fix.into());
        Self::new(Reason::InvalidArgument, format!("{field}: {fix}")).field(field, fix)
    }

    /// `INVALID_ARGUMENT` about several fields at once; `None` when there are none. Names the first twenty: the status
    /// travels in a header.
    pub fn invalid_fields(mut fields: Vec<(String, String)>) -> Option<Self> {
        let message = match fields.as_slice() {
            [] => return None,
            [(field, fix)] => format!("{field}: {fix}"),
            [(field, fix), rest @ ..] => format!("{field}: {fix} (and {} more)", rest.len()),
        };
        fields.truncate(20);
        Some(Self { fields, ..Self::new(Reason::InvalidArgument, message) })
    }

    /// A part of the platform cannot be reached: worth trying again in a second.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Reason::Unavailable, message).retry_after(Duration::from_secs(1))
    }

    /// A fault of ours. What happened goes to the log, not to the caller.
    pub fn internal() -> Self {
        Self::new(Reason::Internal, "The platform failed to answer; its operators can find out why.")
    }

    /// Adds a field violation.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>, fix: impl Into<String>) -> Self {
        self.fields.push((field.into(), fix.into()));
        self
    }

    /// Adds a machine-readable detail (`ErrorInfo.metadata`).
    #[must_use]
    pub fn meta(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.meta.insert(key.into(), value.into());
        self
    }

    /// When to try again (`RetryInfo`; `Retry-After` on REST).
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// Why it failed.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The sentence for people.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl From<Problem> for Status {
    fn from(problem: Problem) -> Self {
        let mut details = ErrorDetails::new();
        details.set_error_info(problem.reason.name(), DOMAIN, problem.meta);
        for (field, fix) in problem.fields {
            details.add_bad_request_violation(field, fix);
        }
        if let Some(delay) = problem.retry_after {
            details.set_retry_info(Some(delay));
        }
        Self::with_error_details(problem.reason.code(), problem.message, details)
    }
}

/// The reason that a status from another service of the platform carries, if any.
pub fn reason_of(status: &Status) -> Option<Reason> {
    let info = status.get_details_error_info()?;
    if info.domain == DOMAIN { Reason::from_name(&info.reason) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_details_survive_the_wire() {
        let status: Status =
            Problem::invalid("seats[2]", "name it once").retry_after(Duration::from_secs(3)).into();
        let details = status.get_error_details();
        assert_eq!(reason_of(&status), Some(Reason::InvalidArgument));
        assert_eq!(details.bad_request().unwrap().field_violations[0].field, "seats[2]");
        assert_eq!(details.retry_info().unwrap().retry_delay, Some(Duration::from_secs(3)));
    }

    #[test]
    fn a_foreign_domain_has_no_reason_of_ours() {
        let details = ErrorDetails::with_error_info("SEAT_UNAVAILABLE", "elsewhere.example", HashMap::new());
        assert_eq!(reason_of(&Status::with_error_details(tonic::Code::Aborted, "", details)), None);
    }
}
