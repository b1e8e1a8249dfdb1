//! What is told about each request and each call: its span in a trace and its share of the metrics. Where nobody
//! reads either, there is nothing but two flags to look at.

mod body;

pub(crate) use body::WatchedBody;

use crate::{
    metrics::{self, Exchange, Method, Route},
    telemetry::{self, TARGET},
};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body;
use opentelemetry::{
    KeyValue,
    trace::{SpanRef, Status, TraceContextExt},
};
use std::time::Instant;
use tonic::Code;
use tracing::{Span, field, info_span, span::Entered};
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Where a server stands, which decides what its requests are counted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In front of a service: gRPC requests are calls of that service.
    Service,
    /// Between the world and the services, which count the calls themselves.
    Edge,
    /// Where nobody wants to know.
    Unwatched,
}

/// The other end of a link across the network.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// A request or a call while it is watched; nothing if nobody watches. Dropped before its end it counts as cancelled.
pub(crate) struct Watch(Option<Box<Watching>>);

struct Watching {
    span: Span,
    what: What,
    /// The metrics of it, until they are written.
    counted: Option<Counted>,
    ended: bool,
}

enum What {
    Call { method: &'static Method, role: Role },
    Http { verb: &'static str, route: Option<Route>, status: Option<StatusCode> },
}

/// On which side of a call this process is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Server,
    Edge,
    Client,
    /// Both.
    Local,
}

enum Counted {
    Call(Instant),
    Http(Exchange),
}

impl Watch {
    /// Watches nothing.
    pub(crate) fn off() -> Self {
        Self(None)
    }

    /// Watches a request that came to a server that stands at `place`; `grpc` says whether it is a gRPC call. `span`
    /// is what log lines say of it, and goes to traces as well where there are any.
    pub(crate) fn request<B>(request: &Request<B>, grpc: bool, place: Place, span: &Span) -> Self {
        if !(telemetry::is_on() || metrics::is_on()) || place == Place::Unwatched {
            return Self::off();
        }
        let path = request.uri().path();
        let what = if grpc {
            let role = if place == Place::Edge { Role::Edge } else { Role::Server };
            What::Call { method: metrics::find(path), role }
        } else {
            // gRPC-Web has the paths of gRPC.
            let route = metrics::find_known(path).map(|method| Route(method.path.as_str().into()));
            What::Http { verb: metrics::verb(request.method()), route, status: None }
        };
        if !telemetry::is_on() {
            return Self::begin(what, Span::none());
        }
        if let Some(parent) = telemetry::extract(request.headers()) {
            // It fails only for a span that is under way.
            let _ = span.set_parent(parent);
        }
        let context = span.context();
        what.introduce(&context.span(), path);
        span.record("trace_id", field::display(context.span().span_context().trace_id()));
        Self::begin(what, span.clone())
    }

    /// Watches a call that is about to be made with a request to `path` with `headers`, which then carry the trace
    /// along. Without a peer it is a call within this process.
    pub(crate) fn call(path: &str, headers: &mut HeaderMap, peer: Option<&Peer>) -> Self {
        if !(telemetry::is_on() || metrics::is_on()) {
            return Self::off();
        }
        let role = if peer.is_some() { Role::Client } else { Role::Local };
        let what = What::Call { method: metrics::find(path), role };
        if !telemetry::is_on() {
            return Self::begin(what, Span::none());
        }
        let kind = if role == Role::Client { "client" } else { "internal" };
        let span = info_span!(target: TARGET, "call", otel.kind = kind);
        let context = span.context();
        what.introduce(&context.span(), path);
        if let Some(peer) = peer {
            context.span().set_attribute(KeyValue::new("server.address", peer.host.clone()));
            context.span().set_attribute(KeyValue::new("server.port", i64::from(peer.port)));
        }
        telemetry::inject(&context, headers);
        Self::begin(what, span)
    }

    fn begin(what: What, span: Span) -> Self {
        let counted = metrics::is_on().then(|| what.count());
        Self(Some(Box::new(Watching { span, what, counted, ended: false })))
    }

    /// Makes what runs while the result lives belong to the request.
    pub(crate) fn enter(&self) -> Option<Entered<'_>> {
        self.0.as_ref().map(|watching| watching.span.enter())
    }

    /// Goes on with the answer: it ends when the body of `response` does, which `wrap` makes one again.
    pub(crate) fn answered<B: Body>(
        self,
        response: Response<B>,
        wrap: impl FnOnce(WatchedBody<B>) -> B,
    ) -> Response<B> {
        let Some(mut watching) = self.0 else { return response };
        if let What::Http { route, status, .. } = &mut watching.what {
            *status = Some(response.status());
            if let Some(told) = response.extensions().get::<Route>() {
                *route = Some(told.clone());
            }
        }
        if let Some(code) = code_of(response.headers()) {
            watching.end(code);
            response
        } else if response.body().is_end_stream() {
            watching.end(Code::Unknown);
            response
        } else {
            response.map(|body| wrap(WatchedBody::new(body, Self(Some(watching)))))
        }
    }

    /// Ends it with `code`, which is a gRPC call's.
    fn end(&mut self, code: Code) {
        if let Some(watching) = &mut self.0 {
            watching.end(code);
        }
    }
}

impl Watching {
    fn end(&mut self, code: Code) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        if let Some(counted) = self.counted.take() {
            self.what.write(counted, code);
        }
        if !self.span.is_disabled() {
            self.what.describe(&self.span.context().span(), code);
            // A span ends when it was last left.
            self.span.in_scope(|| ());
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}

impl What {
    /// Names and describes `span` after OpenTelemetry's semantic conventions for RPC and HTTP.
    fn introduce(&self, span: &SpanRef<'_>, path: &str) {
        match self {
            Self::Call { method, .. } => {
                span.update_name(method.path.trim_start_matches('/'));
                span.set_attribute(KeyValue::new("rpc.system", "grpc"));
                span.set_attribute(KeyValue::new("rpc.service", method.service.as_str()));
                span.set_attribute(KeyValue::new("rpc.method", method.name.as_str()));
            }
            Self::Http { verb, .. } => {
                span.update_name(*verb);
                span.set_attribute(KeyValue::new("http.request.method", *verb));
                span.set_attribute(KeyValue::new("url.path", path.to_owned()));
            }
        }
    }

    fn count(&self) -> Counted {
        let Self::Call { method, role } = self else { return Counted::Http(Exchange::begin()) };
        match role {
            Role::Edge => return Counted::Http(Exchange::begin()),
            Role::Server => method.begin(&method.server),
            Role::Client => method.begin(&method.client),
            Role::Local => {
                method.begin(&method.client);
                method.begin(&method.server);
            }
        }
        Counted::Call(Instant::now())
    }

    fn write(&self, counted: Counted, code: Code) {
        match (self, counted) {
            (Self::Call { method, role }, Counted::Call(begun)) => {
                let elapsed = begun.elapsed();
                if *role != Role::Server {
                    method.end(&method.client, code, elapsed);
                }
                if *role != Role::Client {
                    method.end(&method.server, code, elapsed);
                }
            }
            (Self::Call { method, .. }, Counted::Http(exchange)) => {
                exchange.end("POST", &method.path, metrics::code_name(code));
            }
            (Self::Http { verb, route, status }, Counted::Http(exchange)) => {
                let route = route.as_ref().map_or("other", |route| &route.0);
                exchange.end(verb, route, status.as_ref().map_or("cancelled", StatusCode::as_str));
            }
            (Self::Http { .. }, Counted::Call(_)) => {}
        }
    }

    /// Says in `span` how it ended.
    fn describe(&self, span: &SpanRef<'_>, code: Code) {
        let failed = match self {
            Self::Call { role, .. } => {
                span.set_attribute(KeyValue::new("rpc.grpc.status_code", i64::from(i32::from(code))));
                is_failure(code, *role)
            }
            Self::Http { verb, route, status } => {
                if let Some(Route(pattern)) = route {
                    span.update_name(format!("{verb} {pattern}"));
                    span.set_attribute(KeyValue::new("http.route", pattern.clone()));
                }
                if let Some(status) = status {
                    let status = i64::from(status.as_u16());
                    span.set_attribute(KeyValue::new("http.response.status_code", status));
                }
                status.is_some_and(|status| status.is_server_error())
            }
        };
        if failed {
            span.set_status(Status::error(""));
        }
    }
}

/// Whether a call that ended with `code` is a failure of the side that this process is on: what a caller did wrong
/// is none of the server's.
fn is_failure(code: Code, role: Role) -> bool {
    match code {
        Code::Ok => false,
        Code::Unknown
        | Code::DeadlineExceeded
        | Code::Unimplemented
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => true,
        _ => matches!(role, Role::Client),
    }
}

/// The code in `headers`, which may be trailers.
fn code_of(headers: &HeaderMap) -> Option<Code> {
    headers.get("grpc-status").map(|code| Code::from_bytes(code.as_bytes()))
}
