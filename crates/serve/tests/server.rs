//! One port: both protocols, the limits, and the stop, over real sockets.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    routing::{get, post},
};
use moviebooking_proto::{Reason, problem::reason_of};
use moviebooking_serve::{Limits, Server, bind};
use reqwest::{Client, StatusCode, Version};
use std::{convert::Infallible, future::pending, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinHandle,
    time::timeout,
};
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;

/// What must happen, happens within this.
const SOON: Duration = Duration::from_secs(10);

struct Served {
    address: SocketAddr,
    stop: CancellationToken,
    done: JoinHandle<()>,
}

impl Served {
    async fn new(router: Router, limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let done = tokio::spawn(Server::new(router).with_limits(limits).run(listener, stop.clone()));
        Self { address, stop, done }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

fn http1() -> Client {
    Client::builder().http1_only().build().unwrap()
}

fn http2() -> Client {
    Client::builder().http2_prior_knowledge().build().unwrap()
}

/// A handler that says when it is entered and answers when it is told to.
fn held() -> (Router, Arc<Notify>, Arc<Notify>) {
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (on_enter, on_release) = (Arc::clone(&entered), Arc::clone(&release));
    let handler = async move || {
        on_enter.notify_one();
        on_release.notified().await;
        "done"
    };
    (Router::new().route("/held", get(handler)), entered, release)
}

#[tokio::test]
async fn both_protocols_on_one_port_with_peer_and_request_id() {
    let peer = async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.ip().to_string();
    let served = Served::new(Router::new().route("/", get(peer)), Limits::default()).await;
    for (client, version) in [(http1(), Version::HTTP_11), (http2(), Version::HTTP_2)] {
        let response = client.get(served.url("/")).send().await.unwrap();
        assert_eq!((response.status(), response.version()), (StatusCode::OK, version));
        assert_eq!(response.headers()["x-request-id"].len(), 28);
        assert_eq!(response.text().await.unwrap(), "127.0.0.1");
    }
}

#[tokio::test]
async fn headers_that_are_too_large_are_431() {
    let served = Served::new(Router::new().route("/", get(async || "ok")), Limits::default()).await;
    for client in [http1(), http2()] {
        let fits = client.get(served.url("/")).header("x-big", "a".repeat(8_000)).send().await.unwrap();
        assert_eq!(fits.status(), StatusCode::OK);
        let large = client.get(served.url("/")).header("x-big", "a".repeat(40_000)).send().await.unwrap();
        assert_eq!(large.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    let many = (0..150).fold(http1().get(served.url("/")), |r, n| r.header(format!("x-{n}"), "v"));
    assert_eq!(many.send().await.unwrap().status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
}

#[tokio::test]
async fn a_stop_finishes_what_runs_and_refuses_what_is_new() {
    for client in [http1(), http2()] {
        let (router, entered, release) = held();
        let served = Served::new(router, Limits::default()).await;
        let running = tokio::spawn(client.get(served.url("/held")).send());
        timeout(SOON, entered.notified()).await.unwrap();
        served.stop.cancel();
        let refused = async {
            while TcpStream::connect(served.address).await.is_ok() {
                tokio::task::yield_now().await;
            }
        };
        timeout(SOON, refused).await.expect("new connections are refused");
        assert!(!served.done.is_finished());
        release.notify_one();
        let response = timeout(SOON, running).await.unwrap().unwrap().unwrap();
        assert_eq!(response.text().await.unwrap(), "done");
        timeout(SOON, served.done).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_stop_waits_no_longer_than_its_bound() {
    let (router, entered, _release) = held();
    let served = Served::new(router, Limits { drain: Duration::from_millis(50), ..Limits::default() }).await;
    let running = tokio::spawn(http1().get(served.url("/held")).send());
    timeout(SOON, entered.notified()).await.unwrap();
    served.stop.cancel();
    timeout(SOON, served.done).await.unwrap().unwrap();
    assert!(running.await.unwrap().is_err(), "the request was cut off");
}

#[tokio::test]
async fn an_endless_stream_that_watches_the_stop_ends_cleanly() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let watched = stop.clone();
    let events = async move || {
        let first = tokio_stream::once(Ok::<_, Infallible>("first;"));
        let last = tokio_stream::once(()).then(move |()| {
            let watched = watched.clone();
            async move {
                watched.cancelled().await;
                Ok("last;")
            }
        });
        Body::from_stream(first.chain(last))
    };
    let server = Server::new(Router::new().route("/events", get(events)));
    let done = tokio::spawn(server.run(listener, stop.clone()));
    let mut response = http1().get(format!("http://{address}/events")).send().await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "first;");
    stop.cancel();
    assert_eq!(timeout(SOON, response.text()).await.unwrap().unwrap(), "last;");
    timeout(SOON, done).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_panic_is_an_answer_and_the_connection_lives_on() {
    async fn broken() -> &'static str {
        panic!("this handler is broken")
    }
    let router = Router::new().route("/", get(async || "ok")).route("/broken", post(broken));
    let served = Served::new(router, Limits::default()).await;
    for client in [http1(), http2()] {
        let plain = client.post(served.url("/broken")).send().await.unwrap();
        assert_eq!(plain.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(plain.headers()["content-type"], "application/problem+json");
        assert!(!plain.text().await.unwrap().contains("broken"));
        let grpc = client.post(served.url("/broken")).header("content-type", "application/grpc+proto");
        let grpc = grpc.send().await.unwrap();
        assert_eq!((grpc.status(), &grpc.headers()["grpc-status"]), (StatusCode::OK, &"13".parse().unwrap()));
        assert_eq!(client.get(served.url("/")).send().await.unwrap().status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn more_requests_than_the_limit_are_refused_but_health_is_not() {
    let (router, entered, release) = held();
    let router = router.route("/healthz", get(async || "ok"));
    let served = Served::new(router, Limits { requests: 1, ..Limits::default() }).await;
    let running = tokio::spawn(http1().get(served.url("/held")).send());
    timeout(SOON, entered.notified()).await.unwrap();
    let refused = http1().get(served.url("/held")).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()["retry-after"], "1");
    assert!(refused.text().await.unwrap().contains(r#""reason":"OVERLOADED""#));
    let refused = http2().get(served.url("/held")).header("content-type", "application/grpc").send().await;
    let status = tonic::Status::from_header_map(refused.unwrap().headers()).unwrap();
    assert_eq!(reason_of(&status), Some(Reason::Overloaded), "{status:?}");
    assert_eq!(http1().get(served.url("/healthz")).send().await.unwrap().status(), StatusCode::OK);
    release.notify_one();
    assert_eq!(timeout(SOON, running).await.unwrap().unwrap().unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn more_connections_than_the_limit_wait_for_one_to_end() {
    let served = Served::new(
        Router::new().route("/", get(async || "ok")),
        Limits { connections: 1, ..Limits::default() },
    )
    .await;
    let mut first = TcpStream::connect(served.address).await.unwrap();
    first.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut buffer = [0; 512];
    assert!(timeout(SOON, first.read(&mut buffer)).await.unwrap().unwrap() > 0);
    let mut second = TcpStream::connect(served.address).await.unwrap();
    second.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(
        timeout(Duration::from_millis(100), second.read(&mut buffer)).await.is_err(),
        "served above the limit"
    );
    drop(first);
    assert!(timeout(SOON, second.read(&mut buffer)).await.unwrap().unwrap() > 0);
}

#[tokio::test]
async fn a_client_that_does_not_send_its_headers_is_let_go() {
    let limits = Limits { header_time: Duration::from_millis(50), ..Limits::default() };
    let served = Served::new(Router::new().route("/", get(async || "ok")), limits).await;
    // Nothing; the beginning of either protocol; the beginning of a request.
    for sent in ["", "P", "PRI * HTTP/2.0\r\n", "GET / HTTP/1.1\r\nhost: a-long-name.example\r\n"] {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let ended = timeout(SOON, stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "still connected after {sent:?}");
    }
}

#[tokio::test]
async fn a_body_that_stalls_is_refused_and_frees_its_share() {
    let limits = Limits { body_pause: Duration::from_millis(50), requests: 1, ..Limits::default() };
    let served = Served::new(Router::new().route("/", post(async |body: String| body)), limits).await;
    let stalling = || {
        let begun = tokio_stream::once(Ok::<_, Infallible>("begun"));
        let body = begun.chain(tokio_stream::once(()).then(async |()| pending().await));
        http1().post(served.url("/")).body(reqwest::Body::wrap_stream(body)).send()
    };
    for _ in 0..2 {
        let response = timeout(SOON, stalling()).await.unwrap().unwrap();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    }
    let whole = http1().post(served.url("/")).body("whole").send().await.unwrap();
    assert_eq!(whole.text().await.unwrap(), "whole");
}

#[tokio::test]
async fn a_port_in_use_names_the_address_and_the_flag() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let error = bind(address, "--listen").await.unwrap_err();
    assert_eq!(error.code(), 69);
    let text = error.to_string();
    assert!(text.contains(&address.to_string()) && text.contains("--listen"), "{text}");
    let foreign = bind("192.0.2.1:0".parse().unwrap(), "--listen").await.unwrap_err();
    assert_eq!(foreign.code(), 64);
}
