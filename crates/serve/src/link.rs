//! A link to another service, in this process or across the network: what generated clients are built over.

mod budget;
mod remote;
mod replicas;

use crate::{
    ConnectOptions, REQUEST_ID_HEADER, StartError, body::Shielded, connect::Destination, current_request_id,
    watch::Watch,
};
use axum::{Router, routing::future::RouteFuture};
use budget::Budget;
use http::{HeaderValue, Request, Response};
use remote::{Remote, RemoteCall};
use replicas::Replicas;
use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::Sleep;
use tonic::{Code, Status, body::Body, service::Routes, transport::Channel};
use tower::{BoxError, Service};

/// The header of a call's deadline (gRPC over HTTP/2, "Timeout").
const TIMEOUT_HEADER: &str = "grpc-timeout";

/// A link to another service; clone it freely. `UsersServiceClient::new(link)` makes a client of it.
///
/// Whichever kind it is, a call behaves as one across the network does: every failure to get an answer is an answer
/// with a gRPC status (UNAVAILABLE if the service cannot be reached, DEADLINE_EXCEEDED, INTERNAL if its handler
/// panicked), nothing but the request itself reaches the other side (no extensions), and dropping the call cancels
/// it. A call that carries `grpc-timeout` is given up when it runs out; the body of an answer that has begun is not
/// cut. The id of the request being handled goes along as `x-request-id`, and its trace as `traceparent`.
///
/// Across the network a call that gets no answer is made again, up to three times after short random pauses, if it was
/// never sent or its RPC may be repeated (`idempotency_level` in the proto), and for as long as most calls of the link
/// and its clones are answered (gRPC's retry throttling). Where the service's name stands for several addresses, one for
/// each of its replicas, the calls go to them in turn; replicas that come and go are noticed within three seconds.
#[derive(Debug, Clone)]
pub struct Link {
    target: Target,
    deadline: Option<(Duration, HeaderValue)>,
}

#[derive(Debug, Clone)]
enum Target {
    Local(Router),
    Slot(Arc<OnceLock<Router>>),
    /// The channel that was chosen for the next call, once it is asked whether it is ready.
    Remote(Option<Channel>, Arc<Remote>),
}

/// The other end of a link that was handed out before its service existed; see [`Link::slot`].
#[derive(Debug)]
pub struct LinkSlot(Arc<OnceLock<Router>>);

impl LinkSlot {
    /// Connects the link and all of its clones to `routes`, for the rest of the process.
    pub fn fill(self, routes: Routes) {
        // The slot is gone after this and was empty before, so the value is always taken.
        let _ = self.0.set(prepared(routes));
    }
}

impl Link {
    /// A link to a service in this process: a direct call.
    pub fn local(routes: Routes) -> Self {
        Self { target: Target::Local(prepared(routes)), deadline: None }
    }

    /// A link to a service in this process that does not exist yet; calls are UNAVAILABLE until the slot is filled.
    /// It breaks the circle where two services need links to one another.
    pub fn slot() -> (Self, LinkSlot) {
        let slot = Arc::new(OnceLock::new());
        (Self { target: Target::Slot(Arc::clone(&slot)), deadline: None }, LinkSlot(slot))
    }

    /// A link to `uri`, for example `http://users:4001`. It connects at the first call and again whenever the
    /// connection is lost. `https` is verified by the authorities that the options name. Call it within a runtime.
    ///
    /// # Errors
    /// If `uri` is not `http://host:port` or `https://host:port` (64), or this machine has no certificate
    /// authorities and the options name none (78).
    pub fn connect(uri: &str, options: &ConnectOptions) -> Result<Self, StartError> {
        let destination = Destination::new(uri, options)?;
        let peer = destination.peer.clone();
        let remote = Remote { peer, budget: Budget::full(), replicas: Replicas::of(destination)? };
        Ok(Self { target: Target::Remote(None, Arc::new(remote)), deadline: None })
    }

    /// The same link with a deadline for every call: sent along as `grpc-timeout` unless the call has one of its
    /// own, and enforced here either way. It bounds the time until the answer begins; streams are not cut.
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some((deadline, timeout_value(deadline)));
        self
    }
}

impl Service<Request<Body>> for Link {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = LinkFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match &mut self.target {
            Target::Local(_) | Target::Slot(_) => Poll::Ready(Ok(())),
            Target::Remote(chosen, remote) => {
                let channel = chosen.get_or_insert_with(|| remote.replicas.pick());
                channel.poll_ready(cx).map_err(Into::into)
            }
        }
    }

    fn call(&mut self, request: Request<Body>) -> LinkFuture {
        let (mut parts, body) = request.into_parts();
        let headers = &mut parts.headers;
        let mut deadline = headers.get(TIMEOUT_HEADER).and_then(parse_timeout);
        if let Some((limit, value)) = &self.deadline {
            if !headers.contains_key(TIMEOUT_HEADER) {
                headers.insert(TIMEOUT_HEADER, value.clone());
            }
            deadline = Some(deadline.map_or(*limit, |asked| asked.min(*limit)));
        }
        if !headers.contains_key(REQUEST_ID_HEADER)
            && let Some(id) = current_request_id()
        {
            headers.insert(REQUEST_ID_HEADER, id);
        }
        let peer = if let Target::Remote(_, remote) = &self.target { Some(&remote.peer) } else { None };
        let watch = Watch::call(parts.uri.path(), headers, peer);
        let request = Request::from_parts(parts, body);
        let watched = watch.enter();
        let state = match &mut self.target {
            Target::Remote(chosen, remote) => {
                let ready = chosen.take().unwrap_or_else(|| remote.replicas.pick());
                State::Remote(RemoteCall::new(Arc::clone(remote), ready, request, deadline))
            }
            Target::Local(router) => call_local(router, request),
            Target::Slot(slot) => match slot.get() {
                Some(router) => call_local(router, request),
                None => State::Failed(Some(unreachable_service())),
            },
        };
        drop(watched);
        LinkFuture { state, deadline, timer: None, watch }
    }
}

/// A call through a [`Link`] until its answer begins.
pub struct LinkFuture {
    state: State,
    deadline: Option<Duration>,
    /// Made when the call first has to wait: an answer that is ready at once needs no timer.
    timer: Option<Pin<Box<Sleep>>>,
    watch: Watch,
}

enum State {
    Local(RouteFuture<Infallible>),
    Remote(RemoteCall),
    Failed(Option<Status>),
}

impl Future for LinkFuture {
    type Output = Result<Response<Body>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let watched = this.watch.enter();
        let answer = match &mut this.state {
            // Unwind safety: a handler that panicked is dropped, never polled again.
            State::Local(call) => match catch_unwind(AssertUnwindSafe(|| Pin::new(call).poll(cx))) {
                Ok(answer) => answer.map(|Ok(answer)| Ok(answer.map(|body| Body::new(Shielded::new(body))))),
                Err(_) => Poll::Ready(Err(Status::internal("internal error"))),
            },
            State::Remote(call) => call.poll(cx),
            State::Failed(status) => Poll::Ready(Err(status.take().unwrap_or_else(unreachable_service))),
        };
        let answer = match (answer, this.deadline) {
            (Poll::Ready(answer), _) => answer,
            (Poll::Pending, None) => return Poll::Pending,
            (Poll::Pending, Some(deadline)) => {
                let timer = this.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(deadline)));
                if timer.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                Err(late())
            }
        };
        if answer.is_err() {
            // What was asked for is cancelled now, not when the caller gets round to dropping this.
            this.state = State::Failed(None);
        }
        drop(watched);
        let watch = std::mem::replace(&mut this.watch, Watch::off());
        Poll::Ready(Ok(watch.answered(answer.unwrap_or_else(Status::into_http), Body::new)))
    }
}

fn prepared(routes: Routes) -> Router {
    routes.prepare().into_axum_router()
}

fn call_local(router: &Router, mut request: Request<Body>) -> State {
    // Extensions do not cross a network; what a service trusts in them (who calls) must be its own.
    request.extensions_mut().clear();
    match catch_unwind(AssertUnwindSafe(|| router.clone().call(request))) {
        Ok(call) => State::Local(call),
        Err(_) => State::Failed(Some(Status::internal("internal error"))),
    }
}

/// The status of a call that got no answer. The detail is for the log, not for whoever called.
fn transport_status(error: &tonic::transport::Error) -> Status {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut detail = String::new();
    while let Some(current) = cause {
        if current.is::<tonic::TimeoutExpired>() {
            return late();
        }
        detail.push_str(": ");
        detail.push_str(&current.to_string());
        cause = current.source();
    }
    tracing::warn!("a service cannot be reached{detail}");
    unreachable_service()
}

fn unreachable_service() -> Status {
    Status::new(Code::Unavailable, "a service that this needs cannot be reached; try again")
}

fn late() -> Status {
    Status::deadline_exceeded("a service that this needs did not answer in time; try again")
}

/// `timeout` as the header has it: at most eight digits and a unit.
fn timeout_value(timeout: Duration) -> HeaderValue {
    let (amount, unit) = match timeout.as_millis() {
        millis if millis < 100_000_000 => (millis, 'm'),
        millis => ((millis / 1000).min(99_999_999), 'S'),
    };
    HeaderValue::try_from(format!("{amount}{unit}")).unwrap_or(HeaderValue::from_static("99999999S"))
}

/// The header's duration; `None` if it is malformed, which servers ignore as well.
fn parse_timeout(value: &HeaderValue) -> Option<Duration> {
    let (unit, digits) = value.as_bytes().split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let amount: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    match unit {
        b'H' => Some(Duration::from_secs(amount * 3600)),
        b'M' => Some(Duration::from_secs(amount * 60)),
        b'S' => Some(Duration::from_secs(amount)),
        b'm' => Some(Duration::from_millis(amount)),
        b'u' => Some(Duration::from_micros(amount)),
        b'n' => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_go_to_the_header_and_back() {
        for (timeout, header) in [
            (Duration::from_millis(2_500), "2500m"),
            (Duration::ZERO, "0m"),
            (Duration::from_secs(100_000), "100000S"),
        ] {
            assert_eq!(timeout_value(timeout), header);
            assert_eq!(parse_timeout(&timeout_value(timeout)), Some(timeout));
        }
        assert_eq!(timeout_value(Duration::MAX), "99999999S");
    }

    #[test]
    fn malformed_timeouts_are_ignored() {
        for bad in ["", "m", "12", "-1m", "1.5S", "123456789S", "5x", "+1m"] {
            assert_eq!(parse_timeout(&HeaderValue::from_static(bad)), None, "{bad}");
        }
    }
}
