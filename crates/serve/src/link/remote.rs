//! A call across the network, made again when that is safe and the budget of the link allows.
//!
//! Only a call that got no answer is made again: one that was never sent, or, where the RPC says that repeating it does
//! no harm (`idempotency_level` in its proto), one whose connection broke. UNAVAILABLE that a service has answered is an
//! answer: whatever it stands for was tried there already, and trying again at every level would multiply.

use super::{
    TIMEOUT_HEADER,
    budget::{Budget, MOST_ATTEMPTS, pause},
    replicas::Replicas,
    timeout_value, transport_status,
};
use crate::{
    metrics::{self, IntCounterVec},
    watch::Peer,
};
use http::{Request, Response};
use http_body_util::{BodyExt, Full, combinators::Collect};
use std::{
    error::Error,
    pin::Pin,
    sync::{Arc, LazyLock},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};
use tokio::time::Sleep;
use tonic::{Status, body::Body, transport::Channel};
use tower::Service;

static RETRIES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    metrics::counter(
        "moviebooking_rpc_client_retries_total",
        "Calls that got no answer and could be made again: made, or left because the budget was used up.",
        &["service", "outcome"],
    )
});

/// The other end of a link across the network.
#[derive(Debug)]
pub(super) struct Remote {
    pub(super) peer: Peer,
    pub(super) budget: Budget,
    pub(super) replicas: Replicas,
}

/// A call until its answer begins.
pub(super) struct RemoteCall {
    remote: Arc<Remote>,
    channel: Channel,
    /// The request as it is sent each time.
    request: Request<bytes::Bytes>,
    deadline: Option<Duration>,
    begun: Instant,
    attempts: u32,
    state: State,
}

enum State {
    /// The message is taken from whoever made it, which is done at once.
    Reading(Collect<Body>),
    Calling(<Channel as Service<Request<Body>>>::Future),
    Pausing(Pin<Box<Sleep>>),
    /// Until the channel takes another.
    Waiting,
}

impl RemoteCall {
    /// A call over `channel`, which is ready to take it, that the caller gives up after `deadline`.
    pub(super) fn new(
        remote: Arc<Remote>,
        channel: Channel,
        request: Request<Body>,
        deadline: Option<Duration>,
    ) -> Self {
        let (parts, body) = request.into_parts();
        let request = Request::from_parts(parts, bytes::Bytes::new());
        let state = State::Reading(body.collect());
        Self { remote, channel, request, deadline, begun: Instant::now(), attempts: 0, state }
    }

    /// Polls the call.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response<Body>, Status>> {
        loop {
            self.state = match &mut self.state {
                State::Reading(message) => match ready!(Pin::new(message).poll(cx)) {
                    Ok(message) => {
                        *self.request.body_mut() = message.to_bytes();
                        self.send()
                    }
                    Err(status) => return Poll::Ready(Err(status)),
                },
                State::Calling(call) => match ready!(Pin::new(call).poll(cx)) {
                    Ok(answer) => {
                        self.remote.budget.answered();
                        return Poll::Ready(Ok(answer));
                    }
                    Err(error) => match self.pause_after(&error) {
                        Some(pause) => State::Pausing(Box::pin(tokio::time::sleep(pause))),
                        None => return Poll::Ready(Err(transport_status(&error))),
                    },
                },
                State::Pausing(pause) => {
                    ready!(pause.as_mut().poll(cx));
                    // Another replica, where there is one.
                    self.channel = self.remote.replicas.pick();
                    State::Waiting
                }
                State::Waiting => match ready!(self.channel.poll_ready(cx)) {
                    Ok(()) => self.send(),
                    Err(error) => return Poll::Ready(Err(transport_status(&error))),
                },
            };
        }
    }

    fn send(&mut self) -> State {
        self.attempts += 1;
        // Extensions are none of the network's business, and cannot all be cloned.
        let mut request = Request::new(Body::new(Full::new(self.request.body().clone())));
        request.method_mut().clone_from(self.request.method());
        request.uri_mut().clone_from(self.request.uri());
        *request.version_mut() = self.request.version();
        request.headers_mut().clone_from(self.request.headers());
        if self.attempts > 1
            && let Some(deadline) = self.deadline
            && request.headers().contains_key(TIMEOUT_HEADER)
        {
            let left = deadline.saturating_sub(self.begun.elapsed());
            request.headers_mut().insert(TIMEOUT_HEADER, timeout_value(left));
        }
        State::Calling(self.channel.call(request))
    }

    /// How long to wait before the call is made again; `None` when it is not.
    fn pause_after(&self, error: &tonic::transport::Error) -> Option<Duration> {
        let allowed = self.remote.budget.failed();
        let method = metrics::find(self.request.uri().path());
        if self.attempts >= MOST_ATTEMPTS || !(method.idempotent || was_not_sent(error)) {
            return None;
        }
        let pause = pause(self.attempts);
        if self.deadline.is_some_and(|deadline| self.begun.elapsed() + pause >= deadline) {
            return None;
        }
        let outcome = if allowed { "made" } else { "budget_exhausted" };
        RETRIES.with_label_values(&[&*method.service, outcome]).inc();
        allowed.then_some(pause)
    }
}

/// Whether the request never left: there was no connection, or it was closed before.
fn was_not_sent(error: &tonic::transport::Error) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(current) = cause {
        if current.is::<tonic::ConnectError>()
            || current.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled)
        {
            return true;
        }
        cause = current.source();
    }
    false
}
