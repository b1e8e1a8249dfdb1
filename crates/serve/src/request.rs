//! What happens to every request of a server: an id, a span, a share of the concurrency limit, and no panic that
//! reaches the connection. One future without an allocation of its own.

use crate::{
    telemetry,
    watch::{Place, Watch},
};
use axum::{Router, body::Body, routing::future::RouteFuture};
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode,
    header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER},
};
use std::{
    collections::HashMap,
    convert::Infallible,
    hash::{BuildHasher, RandomState},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::sync::OwnedSemaphorePermit;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};
use tower::Service;
use tracing::{Span, field::Empty, info_span};

/// The header that carries a request's id from process to process and back to the caller.
pub const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The target of the span of a request.
pub(crate) const TARGET: &str = module_path!();

tokio::task_local! {
    static REQUEST_ID: HeaderValue;
}

/// The id of the request that is being handled, if this is called while handling one (not from a spawned task).
pub fn current_request_id() -> Option<HeaderValue> {
    REQUEST_ID.try_with(HeaderValue::clone).ok()
}

/// A request on its way through the router.
pub(crate) struct Handling {
    state: State,
    id: HeaderValue,
    grpc: Option<HeaderValue>,
    span: Span,
    watch: Watch,
    /// Whether the connection is to end with the answer, where an answer can say so: over HTTP/1.1.
    last: Option<Arc<AtomicBool>>,
}

#[expect(
    clippy::large_enum_variant,
    reason = "the large variant is the usual one; a box is an allocation per request"
)]
enum State {
    Running { inner: RouteFuture<Infallible>, _permit: Option<OwnedSemaphorePermit> },
    Failed(Failure),
    Done,
}

#[derive(Clone, Copy)]
enum Failure {
    Overloaded,
    Panicked,
}

impl Handling {
    /// Starts to handle `request`, which came to a server that stands at `place`; without a permit it is refused
    /// unless it asks for health, which an overloaded process must still answer: it would be killed for silence.
    pub(crate) fn start<B>(
        router: &Router,
        mut request: Request<B>,
        permit: Option<OwnedSemaphorePermit>,
        place: Place,
    ) -> Self
    where
        B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<tower::BoxError>,
    {
        let id = request_id(request.headers_mut());
        let grpc = grpc_content_type(request.headers());
        let path = request.uri().path();
        // Probes come every few seconds and tell nothing.
        let health = is_health(path);
        let place = if health { Place::Unwatched } else { place };
        let id_text = id.to_str().unwrap_or_default();
        let span = if place != Place::Unwatched && telemetry::is_on() {
            // By the field `otel.kind` it is known as one for traces.
            info_span!("request", id = id_text, path, trace_id = Empty, otel.kind = "server")
        } else {
            info_span!("request", id = id_text, path)
        };
        let watch = Watch::request(&request, grpc.is_some(), place, &span);
        let state = if permit.is_none() && !health {
            State::Failed(Failure::Overloaded)
        } else {
            let call = || {
                let _entered = span.enter();
                REQUEST_ID.sync_scope(id.clone(), || router.clone().call(request))
            };
            match catch_unwind(AssertUnwindSafe(call)) {
                Ok(inner) => State::Running { inner, _permit: permit },
                Err(_) => State::Failed(Failure::Panicked),
            }
        };
        Self { state, id, grpc, span, watch, last: None }
    }

    /// The same for a request over HTTP/1.1: its answer ends the connection if `leaving` is set by then.
    pub(crate) fn ending_when(mut self, leaving: &Arc<AtomicBool>) -> Self {
        self.last = Some(Arc::clone(leaving));
        self
    }
}

impl Future for Handling {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let _entered = this.span.enter();
        let mut response = match &mut this.state {
            State::Running { inner, .. } => {
                let poll = || REQUEST_ID.sync_scope(this.id.clone(), || Pin::new(inner).poll(cx));
                // Unwind safety: a handler that panicked is dropped, never polled again.
                match catch_unwind(AssertUnwindSafe(poll)) {
                    Ok(answer) => match ready!(answer) {
                        Ok(response) => response,
                        Err(never) => match never {},
                    },
                    Err(_) => failure(Failure::Panicked, this.grpc.take()),
                }
            }
            State::Failed(failed) => failure(*failed, this.grpc.take()),
            // hyper polls a future until it is ready and no further.
            State::Done => return Poll::Pending,
        };
        this.state = State::Done;
        tracing::debug!(status = response.status().as_u16(), "answered");
        response.headers_mut().insert(REQUEST_ID_HEADER, this.id.clone());
        if this.last.as_ref().is_some_and(|leaving| leaving.load(Ordering::Relaxed)) {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let watch = std::mem::replace(&mut this.watch, Watch::off());
        Poll::Ready(Ok(watch.answered(response, Body::new)))
    }
}

/// The caller's id for the request if it is one to log without harm, else a new one; the headers then have it.
fn request_id(headers: &mut HeaderMap) -> HeaderValue {
    let given = headers.get(REQUEST_ID_HEADER).filter(|value| {
        let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
        (1..=64).contains(&value.len()) && value.as_bytes().iter().all(fits)
    });
    if let Some(given) = given {
        return given.clone();
    }
    let id = new_id();
    headers.insert(REQUEST_ID_HEADER, id.clone());
    id
}

/// An id that no other request has: 64 random bits of the process and a count. It is a name, not a secret.
fn new_id() -> HeaderValue {
    static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(std::process::id()));
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let text = format!("{:016x}{:012x}", *PROCESS, COUNT.fetch_add(1, Ordering::Relaxed));
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("unnamed"))
}

fn grpc_content_type(headers: &HeaderMap) -> Option<HeaderValue> {
    headers.get(CONTENT_TYPE).filter(|value| value.as_bytes().starts_with(b"application/grpc")).cloned()
}

fn is_health(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz") || path.starts_with("/grpc.health.v1.Health/")
}

/// The answer to a request that no handler answered, in the protocol of the request.
fn failure(failure: Failure, grpc: Option<HeaderValue>) -> Response<Body> {
    if let Some(content_type) = grpc {
        let status = match failure {
            Failure::Overloaded => overloaded(),
            Failure::Panicked => Status::internal("internal error"),
        };
        let mut response = status.into_http::<Body>();
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        return response;
    }
    let (status, problem) = match failure {
        Failure::Overloaded => (
            StatusCode::SERVICE_UNAVAILABLE,
            r#"{"type":"urn:moviebooking:problem:OVERLOADED","title":"Service Unavailable","status":503,"detail":"Too many requests at once; try again in a second.","reason":"OVERLOADED","code":"RESOURCE_EXHAUSTED","retryAfter":1}"#,
        ),
        Failure::Panicked => (
            StatusCode::INTERNAL_SERVER_ERROR,
            r#"{"title":"Internal Server Error","status":500,"detail":"internal error"}"#,
        ),
    };
    let mut response = Response::new(Body::from(problem));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if let Failure::Overloaded = failure {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// The refusal of one request too many, with the details that all errors of the platform have (AIP-193).
fn overloaded() -> Status {
    let mut details = ErrorDetails::with_retry_info(Some(Duration::from_secs(1)));
    details.set_error_info("OVERLOADED", "moviebooking.dev", HashMap::new());
    let message = "Too many requests at once; try again in a second.";
    Status::with_error_details(Code::ResourceExhausted, message, details)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_harmless_id_is_kept_and_any_other_replaced() {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID_HEADER, HeaderValue::from_static("Abc-1_2.3"));
        assert_eq!(request_id(&mut headers), "Abc-1_2.3");
        for bad in ["", "with space", "semi;colon", &"x".repeat(65)] {
            headers.insert(REQUEST_ID_HEADER, HeaderValue::from_str(bad).unwrap());
            let id = request_id(&mut headers);
            assert_ne!(id, bad);
            assert_eq!(headers[REQUEST_ID_HEADER], id);
        }
    }

    #[test]
    fn new_ids_differ() {
        assert_ne!(new_id(), new_id());
    }
}
