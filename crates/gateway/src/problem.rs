//! Errors on REST: RFC 9457 problems, made from the `google.rpc.Status` that services and the gateway answer with.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use axum::{body::Body, response::Response};
use http::{
    HeaderValue, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use moviebooking_proto::{Problem, Reason, problem::reason_of};
use serde::Serialize;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::{names, table::Route};

/// The media type of a problem.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: String,
    reason: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct FieldError {
    field: String,
    message: String,
}

/// A problem, ready to be sent.
pub(crate) struct Rendered {
    reason: Reason,
    retry_after: Option<u64>,
    pub(crate) json: Vec<u8>,
}

/// The answer to a request that the gateway refuses; the names in the problem are the client's already.
pub(crate) fn refuse(problem: impl Into<Status>) -> Response {
    render(&problem.into(), None).respond()
}

/// The answer to a request that a service refused; the names of fields are the proto's.
pub(crate) fn pass_on(status: &Status, route: &Route) -> Response {
    render(status, Some(route)).respond()
}

/// The problem that a status says. With a route, the names of fields become those that its clients use.
pub(crate) fn render(status: &Status, route: Option<&Route>) -> Rendered {
    let reason = reason(status);
    let details = status.get_error_details();
    let (mut errors, mut metadata, mut detail) = (Vec::new(), HashMap::new(), status.message().to_owned());
    if reason == Reason::Internal {
        // What went wrong inside is for the log.
        tracing::error!(code = ?status.code(), message = status.message(), "a service failed");
        Problem::internal().message().clone_into(&mut detail);
    } else {
        for violation in details.bad_request().map(|bad| bad.field_violations.as_slice()).unwrap_or_default()
        {
            let field = route
                .map_or_else(|| violation.field.clone(), |route| names::of_client(route, &violation.field));
            // The sentence for people begins with the first field.
            if let Some(rest) = detail.strip_prefix(&format!("{}: ", violation.field)) {
                detail = format!("{field}: {rest}");
            }
            errors.push(FieldError { field, message: violation.description.clone() });
        }
        if let Some(info) = details.error_info() {
            metadata.clone_from(&info.metadata);
        }
    }
    let title = reason.description().trim().trim_end_matches('.');
    if detail.is_empty() {
        detail = format!("{title}.");
    }
    let delay = details.retry_info().and_then(|info| info.retry_delay);
    // What could not be reached or was too busy says no time itself.
    let soon = (reason.http_status() == 503).then_some(Duration::from_secs(1));
    let retry_after = delay.or(soon).map(|delay| delay.as_secs() + u64::from(delay.subsec_nanos() > 0));
    let document = Document {
        r#type: format!("urn:moviebooking:problem:{}", reason.name()),
        title,
        status: reason.http_status(),
        detail,
        reason: reason.name(),
        code: code_name(reason.code()),
        errors,
        retry_after,
        metadata: metadata.into_iter().collect(),
    };
    let json = serde_json::to_vec(&document).unwrap_or_default();
    Rendered { reason, retry_after, json }
}

impl Rendered {
    fn respond(self) -> Response {
        let mut response = Response::new(Body::from(self.json));
        *response.status_mut() =
            StatusCode::from_u16(self.reason.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        if self.reason.http_status() == 401 {
            // RFC 6750, section 3: the error is named where a token was sent.
            let challenge = match self.reason {
                Reason::InvalidToken => r#"Bearer realm="moviebooking", error="invalid_token""#,
                _ => r#"Bearer realm="moviebooking""#,
            };
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}

/// Why a call failed. A status without a reason of ours comes from the way to the service, not from the service.
fn reason(status: &Status) -> Reason {
    reason_of(status).unwrap_or(match status.code() {
        Code::InvalidArgument | Code::OutOfRange => Reason::InvalidArgument,
        Code::DeadlineExceeded => Reason::DeadlineExceeded,
        Code::NotFound => Reason::RouteNotFound,
        Code::AlreadyExists | Code::Aborted => Reason::Conflict,
        Code::PermissionDenied => Reason::PermissionDenied,
        Code::ResourceExhausted => Reason::Overloaded,
        Code::FailedPrecondition => Reason::FailedPrecondition,
        Code::Unauthenticated => Reason::Unauthenticated,
        // A service that does not know a method yet is of an older build and will be replaced.
        Code::Unavailable | Code::Cancelled | Code::Unimplemented => Reason::Unavailable,
        Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss => Reason::Internal,
    })
}

/// A code as gRPC's documentation writes it.
pub(crate) const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(status: &Status) -> serde_json::Value {
        serde_json::from_slice(&render(status, None).json).unwrap()
    }

    #[test]
    fn a_status_becomes_a_problem() {
        let status: Status = Problem::new(Reason::RateLimited, "Too many attempts.")
            .meta("account", "x")
            .retry_after(Duration::from_millis(1_200))
            .into();
        let expected = serde_json::json!({
            "type": "urn:moviebooking:problem:RATE_LIMITED",
            "title": "Too many requests; try again after the given time",
            "status": 429,
            "detail": "Too many attempts.",
            "reason": "RATE_LIMITED",
            "code": "RESOURCE_EXHAUSTED",
            "retryAfter": 2,
            "metadata": { "account": "x" },
        });
        assert_eq!(problem(&status), expected);
        let response = refuse(status);
        assert_eq!(response.headers()[RETRY_AFTER], "2");
    }

    #[test]
    fn what_went_wrong_inside_is_not_told() {
        for code in [Code::Internal, Code::Unknown, Code::DataLoss] {
            let problem = problem(&Status::new(code, "password authentication failed for postgres://u:p@db"));
            assert_eq!((&problem["status"], &problem["reason"]), (&500.into(), &"INTERNAL".into()));
            assert!(!problem.to_string().contains("postgres"), "{problem}");
        }
        let status: Status = Problem::internal().meta("query", "SELECT").into();
        assert!(!problem(&status).to_string().contains("SELECT"));
    }

    #[test]
    fn a_status_of_the_transport_has_a_reason_too() {
        let problem = problem(&Status::unavailable("a service that this needs cannot be reached; try again"));
        assert_eq!((&problem["status"], &problem["reason"]), (&503.into(), &"UNAVAILABLE".into()));
        assert_eq!(problem["retryAfter"], 1);
    }
}
