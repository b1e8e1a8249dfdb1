//! The answer of an RPC as the answer of a route.

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{
    HeaderValue, StatusCode,
    header::{CONTENT_DISPOSITION, CONTENT_TYPE},
};
use moviebooking_proto::{Problem, google::api::HttpBody, json::Writer};
use prost::Message as _;
use prost_reflect::MessageDescriptor;
use tonic::Status;

use crate::table::{Answer, Route};

/// The answer of `route` with this message. `path` is the request's.
pub(crate) fn unary(route: &Route, writer: &Writer, message: &Bytes, path: &str) -> Result<Response, Status> {
    match route.answer {
        Answer::Empty => Ok(status_only(StatusCode::NO_CONTENT)),
        Answer::Raw => raw(message, path),
        Answer::Json { created } => {
            let json = json_of(writer, &route.rpc.output(), message)?;
            Ok(json_response(if created { StatusCode::CREATED } else { StatusCode::OK }, json.into()))
        }
        // Streams are answered as server-sent events.
        Answer::Events => Err(Problem::internal().into()),
    }
}

/// The JSON of a message that a service answered with.
///
/// # Errors
/// INTERNAL when the bytes are not such a message: the service and the gateway are of different builds.
pub(crate) fn json_of(writer: &Writer, message: &MessageDescriptor, bytes: &[u8]) -> Result<Vec<u8>, Status> {
    writer.write(message, bytes).map_err(|error| {
        tracing::error!(%error, message = message.full_name(), "an answer cannot be read");
        Problem::internal().into()
    })
}

/// JSON with a status.
pub(crate) fn json_response(status: StatusCode, json: Body) -> Response {
    let mut response = Response::new(json);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// An answer without a body.
pub(crate) fn status_only(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn raw(message: &Bytes, path: &str) -> Result<Response, Status> {
    let body = HttpBody::decode(message.clone()).map_err(|error| {
        tracing::error!(%error, "an answer is no google.api.HttpBody");
        Status::from(Problem::internal())
    })?;
    let content_type = HeaderValue::try_from(&body.content_type)
        .unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let name = HeaderValue::try_from(format!("inline; filename=\"{}\"", file_name(path, &body.content_type)));
    let mut response = Response::new(Body::from(body.data));
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    if let Ok(name) = name {
        response.headers_mut().insert(CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

/// What a browser offers to save it as: `tickets-0199….pdf` for `/tickets/0199…/pdf`.
fn file_name(path: &str, content_type: &str) -> String {
    let extension = match content_type.split(';').next().unwrap_or_default().trim() {
        "application/pdf" => ".pdf",
        "image/svg+xml" => ".svg",
        "application/json" => ".json",
        _ => "",
    };
    let mut segments: Vec<_> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    if segments.last().is_some_and(|last| extension.strip_prefix('.') == Some(last)) {
        segments.pop();
    }
    let safe = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let name: String = segments.join("-").chars().filter(safe).take(100).collect();
    format!("{name}{extension}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_by_their_path() {
        assert_eq!(file_name("/tickets/0199-ab/pdf", "application/pdf"), "tickets-0199-ab.pdf");
        assert_eq!(file_name("/tickets/0199-ab/qr", "image/svg+xml"), "tickets-0199-ab-qr.svg");
        assert_eq!(file_name("/a/%22%0d%0a;x/b", "text/plain; charset=utf-8"), "a-220d0ax-b");
    }
}
