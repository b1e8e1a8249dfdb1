//! One port: HTTP/1.1 and HTTP/2, with or without TLS, within limits, and a stop that lets requests finish.

use crate::{
    StartError,
    body::Unstalled,
    io::{Socket, Wire},
    request::Handling,
    tls::ServerTls,
    watch::Place,
};
use axum::{Router, extract::ConnectInfo};
use http::{Request, Version};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use std::{
    io::ErrorKind,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// How much a server takes on, per process.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at once; more wait in the operating system's queue.
    pub connections: usize,
    /// Requests at once that have no answer begun; more are refused with RESOURCE_EXHAUSTED, or 503 over plain HTTP,
    /// before anything is done for them. This is the queue as well: what waits for a connection to the database counts.
    /// Streams that are being answered do not count. Questions for health are never refused.
    pub requests: usize,
    /// Requests at once within one HTTP/2 connection, streams included.
    pub streams_per_connection: u32,
    /// How long a client may take to send a request's headers (and how long an HTTP/1.1 connection may be idle).
    pub header_time: Duration,
    /// How long the body of a request may pause.
    pub body_pause: Duration,
    /// How long requests get to finish after the signal to stop.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            requests: REQUESTS,
            streams_per_connection: 256,
            header_time: Duration::from_secs(10),
            body_pause: Duration::from_secs(30),
            drain: Duration::from_secs(20),
        }
    }
}

/// Requests at once, unless chosen otherwise. Reckoned: two processors answer some thousands of holds a second, so that
/// as many wait an eighth of a second, and no rate of refusals keeps the processors from the work that was taken on.
/// It is far more than keeps them busy, because work that waits for others (a payment provider) takes a place as well.
pub const REQUESTS: usize = 512;
/// Bytes of headers a request may have; more is answered with 431. Exact for HTTP/2; over HTTP/1.1 it is looked at
/// between reads, so that up to twice as much may pass.
const HEADER_BYTES: u32 = 16 * 1024;
/// How often an idle HTTP/2 connection is asked for a sign of life, and how long it may take to give it.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// Pause after the operating system refused a connection (out of file descriptors): others must end first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Takes the port at `address`. `flag` is how a person chooses another.
///
/// # Errors
/// If the port is in use (69), not this user's to take (77), or the address not one of this machine (64).
pub async fn bind(address: SocketAddr, flag: &str) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => StartError::unavailable(format!(
            "{address} is in use by another program: stop it, or choose another address with {flag}"
        )),
        ErrorKind::PermissionDenied => StartError::permission(format!(
            "this user may not listen on {address}: choose a port above 1023 with {flag}"
        )),
        ErrorKind::AddrNotAvailable => StartError::usage(format!(
            "{address} is not an address of this machine: choose one with {flag}, for example 0.0.0.0:{}",
            address.port()
        )),
        _ => StartError::system(format!("cannot listen on {address} ({flag}): {error}")),
    })
}

/// Serves a router. Every request gets an id (header `x-request-id`, kept if the caller sent one), a span, the
/// peer's address as [`ConnectInfo<SocketAddr>`](ConnectInfo), and an answer even if its handler panics.
#[derive(Debug)]
pub struct Server {
    router: Router,
    limits: Limits,
    tls: Option<ServerTls>,
    place: Place,
    leaving: CancellationToken,
}

impl Server {
    /// A server of `router` with the default limits.
    pub fn new(router: Router) -> Self {
        Self {
            router: router.with_state(()),
            limits: Limits::default(),
            tls: None,
            place: Place::Service,
            leaving: CancellationToken::new(),
        }
    }

    /// From `leaving` on, which comes some time before the end, each answer over HTTP/1.1 is the last of its connection: a
    /// client that is told so sends its next request elsewhere, and none at the moment at which the connection is closed.
    pub fn with_leave(mut self, leaving: CancellationToken) -> Self {
        self.leaving = leaving;
        self
    }

    /// With other limits.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// With TLS, or as it is for `None`: what [`TlsArgs::server`](crate::tls::TlsArgs::server) gives.
    pub fn with_tls(mut self, tls: Option<ServerTls>) -> Self {
        self.tls = tls;
        self
    }

    /// At the edge of the platform: metrics have gRPC calls among the requests over HTTP, as the services behind
    /// count the calls themselves. The router's answers carry their [`Route`](crate::metrics::Route).
    pub fn at_the_edge(mut self) -> Self {
        self.place = Place::Edge;
        self
    }

    /// Without traces and metrics of its requests.
    pub(crate) fn unwatched(mut self) -> Self {
        self.place = Place::Unwatched;
        self
    }

    /// Serves connections of `listener` until `shutdown`; then stops accepting, tells clients to go elsewhere
    /// (GOAWAY, `connection: close`), lets what runs finish within the drain bound, cuts off what is left, and
    /// returns. Handlers of endless streams watch `shutdown` themselves and end.
    pub async fn run(self, listener: TcpListener, shutdown: CancellationToken) {
        let Self { router, limits, tls, place, leaving } = self;
        let builder = connection_builder(&limits);
        let graceful = GracefulShutdown::new();
        let slots = Arc::new(Semaphore::new(limits.connections));
        let requests = Arc::new(Semaphore::new(limits.requests));
        let mut connections = JoinSet::new();
        let leaves = Arc::new(AtomicBool::new(false));
        loop {
            let accept = async {
                let slot = Arc::clone(&slots).acquire_owned().await;
                (slot, listener.accept().await)
            };
            let (slot, accepted) = tokio::select! {
                () = shutdown.cancelled() => break,
                () = leaving.cancelled(), if !leaves.load(Ordering::Relaxed) => {
                    leaves.store(true, Ordering::Relaxed);
                    continue;
                }
                // Finished connections are collected as they end, so that the set holds only live ones.
                Some(_) = connections.join_next() => continue,
                accepted = accept => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let service = Connection {
                router: router.clone(),
                requests: Arc::clone(&requests),
                peer,
                body_pause: limits.body_pause,
                place,
                leaves: Arc::clone(&leaves),
            };
            let tls = tls.clone();
            let builder = builder.clone();
            let watcher = graceful.watcher();
            let header_time = limits.header_time;
            connections.spawn(async move {
                let _slot = slot;
                let wire = match wire(stream, tls, header_time).await {
                    Ok(wire) => wire,
                    Err(error) => {
                        tracing::debug!(%error, "no TLS connection came about");
                        return;
                    }
                };
                let socket = TokioIo::new(Socket::new(wire, header_time));
                let connection = builder.serve_connection(socket, service);
                // A connection that breaks is the peer's affair or the network's, not ours to report.
                if let Err(error) = watcher.watch(connection).await {
                    tracing::debug!(error, "connection ended");
                }
            });
        }
        drop(listener);
        if tokio::time::timeout(limits.drain, graceful.shutdown()).await.is_err() {
            tracing::warn!(after = ?limits.drain, "cutting off requests that have not finished");
        }
        connections.shutdown().await;
    }
}

/// The connection as requests come over it: `stream` itself, or what is within its TLS.
async fn wire(stream: TcpStream, tls: Option<ServerTls>, patience: Duration) -> std::io::Result<Wire> {
    // Without it an answer in two writes waits for the peer's delayed acknowledgement; if it fails, it is only slow.
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else { return Ok(Wire::Plain(stream)) };
    Ok(Wire::Tls(Box::new(tokio::time::timeout(patience, tls.accept(stream)).await??.into())))
}

fn connection_builder(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // HTTP/1.1 takes at most 100 headers: hyper's default, which it handles without allocating.
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_buf_size(HEADER_BYTES as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_per_connection)
        .max_header_list_size(HEADER_BYTES)
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE);
    builder
}

/// What hyper calls for each request of one connection.
struct Connection {
    router: Router,
    requests: Arc<Semaphore>,
    peer: SocketAddr,
    body_pause: Duration,
    place: Place,
    leaves: Arc<AtomicBool>,
}

impl hyper::service::Service<Request<Incoming>> for Connection {
    type Response = http::Response<axum::body::Body>;
    type Error = std::convert::Infallible;
    type Future = Handling;

    fn call(&self, mut request: Request<Incoming>) -> Handling {
        request.extensions_mut().insert(ConnectInfo(self.peer));
        let permit = Arc::clone(&self.requests).try_acquire_owned().ok();
        let request = request.map(|body| Unstalled::new(body, self.body_pause));
        let is_http1 = request.version() < Version::HTTP_2;
        let handling = Handling::start(&self.router, request, permit, self.place);
        if is_http1 { handling.ending_when(&self.leaves) } else { handling }
    }
}
