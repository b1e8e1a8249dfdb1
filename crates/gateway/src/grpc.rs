//! Requests over gRPC and gRPC-Web: passed to the service that has the RPC, without decoding the message.

mod ending;

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{body::Body, extract::Request, response::Response};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Version,
    header::{ACCEPT, ALLOW, CONTENT_TYPE, TE},
};
use http_body_util::{BodyExt as _, Full};
use moviebooking_auth::authorise;
use moviebooking_proto::{Problem, Reason};
use tonic::{Code, Status};
use tonic_web::GrpcWebLayer;
use tower::{Layer as _, Service as _, ServiceExt as _, service_fn};

use crate::{
    Config,
    gateway::Edge,
    headers, problem,
    upstream::{DEADLINE, LONGEST_DEADLINE},
};

const STATUS: &str = "grpc-status";
const MESSAGE: &str = "grpc-message";
const DETAILS: &str = "grpc-status-details-bin";
const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
/// How messages are compressed, and may be in the answer.
const ENCODINGS: [HeaderName; 2] =
    [HeaderName::from_static("grpc-encoding"), HeaderName::from_static("grpc-accept-encoding")];
/// The flag and the length before a message.
const PREFIX: usize = 5;
/// How tonic begins the message of an INTERNAL status when a request is not the message that the method takes.
const UNDECODABLE: &str = "failed%20to%20decode%20Protobuf%20message";

/// Whether a request is gRPC of any kind.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// Answers a request whose content type is gRPC's.
pub(crate) async fn answer(edge: Arc<Edge>, mut request: Request) -> Response {
    if request.method() != Method::POST {
        let mut response = problem::refuse(Problem::new(Reason::MethodNotAllowed, "gRPC takes POST only."));
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    let content_type = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let content_type = content_type.as_str();
    let version = request.version();
    match content_type {
        "application/grpc-web"
        | "application/grpc-web+proto"
        | "application/grpc-web-text"
        | "application/grpc-web-text+proto" => {
            let proxy = service_fn(move |request: http::Request<tonic::body::Body>| {
                let edge = Arc::clone(&edge);
                async move { Ok::<_, Infallible>(proxy(&edge, request).await) }
            });
            let accept = HeaderValue::from_static(answer_type(request.headers(), content_type));
            request.headers_mut().insert(ACCEPT, accept);
            match GrpcWebLayer::new().layer(proxy).call(request).await {
                Ok(response) => response.map(Body::new),
                Err(never) => match never {},
            }
        }
        "application/grpc" | "application/grpc+proto" if version == Version::HTTP_2 => {
            proxy(&edge, request.map(tonic::body::Body::new)).await.map(Body::new)
        }
        "application/grpc" | "application/grpc+proto" => problem::refuse(Problem::new(
            Reason::UnsupportedMediaType,
            "gRPC needs HTTP/2; over HTTP/1.1 use gRPC-Web: application/grpc-web+proto.",
        )),
        _ => problem::refuse(Problem::new(
            Reason::UnsupportedMediaType,
            "Use application/grpc, application/grpc-web or application/grpc-web-text, with +proto or without.",
        )),
    }
}

/// The gRPC-Web layer knows an `Accept` of one type only, but clients list others beside it. The first kind of gRPC-Web
/// that is named counts; without one, the answer is as the request.
fn answer_type(headers: &HeaderMap, content_type: &str) -> &'static str {
    let accepted = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut named =
        accepted.split(',').map(str::trim).filter(|accepted| accepted.starts_with("application/grpc-web"));
    if named.next().unwrap_or(content_type).starts_with("application/grpc-web-text") {
        "application/grpc-web-text+proto"
    } else {
        "application/grpc-web+proto"
    }
}

async fn proxy(edge: &Edge, request: http::Request<tonic::body::Body>) -> http::Response<tonic::body::Body> {
    let path = request.uri().path();
    if path.starts_with("/grpc.health.v1.") || path.starts_with("/grpc.reflection.") {
        return match edge.own.clone().oneshot(request.map(Body::new)).await {
            Ok(response) => response.map(tonic::body::Body::new),
            Err(never) => match never {},
        };
    }
    forward(edge, request).await.unwrap_or_else(Status::into_http)
}

async fn forward(
    edge: &Edge,
    request: http::Request<tonic::body::Body>,
) -> Result<http::Response<tonic::body::Body>, Status> {
    let (parts, body) = request.into_parts();
    // Internal RPCs are not in the table: nobody outside learns which there are.
    let rpc = edge.table.rpcs.get(parts.uri.path());
    let rpc = rpc.ok_or_else(|| Problem::new(Reason::RouteNotFound, "There is no such method."))?;
    let place = edge.limits.request()?;
    authorise(&edge.verifier, parts.uri.path(), &parts.headers).await?;
    let message = edge.limits.read(&parts.headers, body).await?;
    check(&message, &parts.headers)?;

    let mut link = edge.links.get(&rpc.service).cloned().ok_or_else(Problem::internal)?;
    let mut call = http::Request::new(tonic::body::Body::new(Full::new(message)));
    *call.method_mut() = Method::POST;
    *call.version_mut() = Version::HTTP_2;
    call.uri_mut().clone_from(&parts.uri);
    *call.headers_mut() = call_headers(&parts.headers, &parts.extensions, &edge.config, rpc.streams);
    if !rpc.streams {
        let mut answer = send(&mut link, call).await?;
        clean(answer.headers_mut());
        drop(place);
        return Ok(answer.map(|body| tonic::body::Body::new(body.map_frame(ending::cleaned))));
    }
    let stream = edge.limits.stream()?;
    let begins = tokio::time::timeout(DEADLINE, send(&mut link, call)).await;
    let mut answer =
        begins.map_err(|_| Status::deadline_exceeded("the stream did not begin in time; try again"))??;
    clean(answer.headers_mut());
    let stop = edge.stop.clone().cancelled_owned();
    Ok(answer.map(|body| tonic::body::Body::new(ending::Stream::new(body, stop, stream))))
}

async fn send(
    link: &mut moviebooking_serve::Link,
    call: http::Request<tonic::body::Body>,
) -> Result<http::Response<tonic::body::Body>, Status> {
    let failed = |error: tower::BoxError| {
        tracing::warn!(error, "a service cannot be reached");
        Status::unavailable("a service that this needs cannot be reached; try again")
    };
    link.ready().await.map_err(failed)?.call(call).await.map_err(failed)
}

/// Refuses anything but one message, whole. Whether a service takes its compression is the service's to say.
fn check(body: &Bytes, headers: &HeaderMap) -> Result<(), Problem> {
    let compression = headers.get(&ENCODINGS[0]).is_some_and(|encoding| encoding != "identity");
    let whole = body.split_at_checked(PREFIX).is_some_and(|(prefix, message)| {
        let length = [prefix[1], prefix[2], prefix[3], prefix[4]];
        prefix[0] <= u8::from(compression)
            && usize::try_from(u32::from_be_bytes(length)).is_ok_and(|length| length == message.len())
    });
    if whole {
        Ok(())
    } else {
        Err(Problem::new(
            Reason::MalformedBody,
            "The body is not one gRPC message: a flag, a length and as many bytes.",
        ))
    }
}

fn call_headers(
    sent: &HeaderMap,
    extensions: &http::Extensions,
    config: &Config,
    streams: bool,
) -> HeaderMap {
    let mut call = headers::pass_on(sent, extensions, config);
    call.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    call.insert(TE, HeaderValue::from_static("trailers"));
    for name in ENCODINGS {
        if let Some(value) = sent.get(&name) {
            call.insert(name, value.clone());
        }
    }
    // A stream lasts as long as both ends like.
    if !streams {
        let asked = sent.get(TIMEOUT).and_then(timeout).unwrap_or(DEADLINE).min(LONGEST_DEADLINE);
        if let Ok(value) = HeaderValue::try_from(format!("{}u", asked.as_micros())) {
            call.insert(TIMEOUT, value);
        }
    }
    call
}

/// The deadline that a caller asks for (gRPC over HTTP/2, "Timeout"); `None` if it is malformed.
fn timeout(value: &HeaderValue) -> Option<Duration> {
    let (digits, unit) = value.to_str().ok()?.split_at_checked(value.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(amount * 3_600)),
        "M" => Some(Duration::from_secs(amount * 60)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

/// Leaves only gRPC's own headers, and none of what went wrong inside.
fn clean(headers: &mut HeaderMap) {
    let foreign: Vec<HeaderName> = headers
        .keys()
        .filter(|name| **name != CONTENT_TYPE && !name.as_str().starts_with("grpc-"))
        .cloned()
        .collect();
    for name in foreign {
        headers.remove(name);
    }
    let code = headers.get(STATUS).map(|value| Code::from_bytes(value.as_bytes()));
    if !matches!(code, Some(Code::Internal | Code::Unknown | Code::DataLoss)) {
        return;
    }
    let message = headers.get(MESSAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let problem = if message.starts_with(UNDECODABLE) {
        Problem::new(Reason::MalformedBody, "The message is not the one that this method takes.")
    } else {
        tracing::error!(?code, message, "a service failed");
        Problem::internal()
    };
    for name in [STATUS, MESSAGE, DETAILS] {
        headers.remove(name);
    }
    // The code, the text and the details are all of a status that headers can refuse, and these are known to fit.
    let _ = Status::from(problem).add_header(headers);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_message_passes() {
        let check = |body: &[u8], encoding: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers
                .extend(encoding.map(|encoding| (ENCODINGS[0].clone(), HeaderValue::from_static(encoding))));
            check(&Bytes::copy_from_slice(body), &headers).is_ok()
        };
        assert!(check(&[0, 0, 0, 0, 0], None) && check(&[0, 0, 0, 0, 1, 7], Some("gzip")));
        for bad in [
            &[][..],
            &[0, 0, 0, 0],
            &[0, 0, 0, 0, 1],
            &[0, 0, 0, 0, 0, 0],
            &[2, 0, 0, 0, 0],
            &[0, 255, 255, 255, 255, 1],
        ] {
            assert!(!check(bad, Some("gzip")), "{bad:?}");
        }
        let compressed = [1, 0, 0, 0, 1, 7];
        assert!(check(&compressed, Some("gzip")));
        assert!(!check(&compressed, None) && !check(&compressed, Some("identity")));
    }

    #[test]
    fn deadlines_are_read_and_bounded() {
        let sent = |text: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.extend(text.map(|text| (TIMEOUT, HeaderValue::from_static(text))));
            call_headers(&headers, &http::Extensions::new(), &Config::default(), false)[TIMEOUT]
                .to_str()
                .unwrap()
                .to_owned()
        };
        assert_eq!(sent(None), "15000000u");
        assert_eq!(sent(Some("200m")), "200000u");
        assert_eq!(sent(Some("1n")), "0u");
        assert_eq!(sent(Some("99999999H")), "30000000u");
        for malformed in ["", "S", "-1S", "1.5S", "123456789S", "5x"] {
            assert_eq!(sent(Some(malformed)), "15000000u", "{malformed}");
        }
        assert!(
            !call_headers(&HeaderMap::new(), &http::Extensions::new(), &Config::default(), true)
                .contains_key(TIMEOUT)
        );
    }

    #[test]
    fn what_went_wrong_inside_is_not_told() {
        let mut headers =
            Status::internal("relation \"seats\" does not exist").into_http::<Body>().into_parts().0.headers;
        headers.insert("x-internal", HeaderValue::from_static("1"));
        clean(&mut headers);
        assert!(!format!("{headers:?}").contains("seats"), "{headers:?}");
        assert!(!headers.contains_key("x-internal"));
        assert_eq!(headers[STATUS], "13");
        let mut headers = Status::not_found("no such seat").into_http::<Body>().into_parts().0.headers;
        clean(&mut headers);
        assert_eq!(
            (&headers[STATUS], &headers[MESSAGE]),
            (&HeaderValue::from_static("5"), &HeaderValue::from_static("no%20such%20seat"))
        );
    }
}
