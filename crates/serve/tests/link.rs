//! Links between services, in one process and over real sockets.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use axum::{Router, body::Body, extract::Request, routing::post};
use moviebooking_serve::{ConnectOptions, Health, Link, Server, metrics};
use prost::Message as _;
use prost_types::{
    FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto, MethodOptions, ServiceDescriptorProto,
    method_options::IdempotencyLevel,
};
use std::{
    convert::Infallible,
    future::pending,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::mpsc,
};
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;
use tonic::{Code, service::Routes};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tower::ServiceExt;

const CHECK: &str = "/grpc.health.v1.Health/Check";

async fn health_routes() -> Routes {
    Health::new(&["one.Service"]).await.add_grpc(Routes::default())
}

fn ask(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

/// A server of `router` on a port of its own, for as long as the test's runtime lives.
async fn served(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(Server::new(router).run(listener, CancellationToken::new()));
    address
}

fn connect(address: SocketAddr) -> Link {
    connect_with(address, &ConnectOptions::default())
}

fn connect_with(address: SocketAddr, options: &ConnectOptions) -> Link {
    Link::connect(&format!("http://{address}"), options).unwrap()
}

fn never_answering() -> Router {
    Router::new().route(CHECK, post(async || pending::<()>().await))
}

#[tokio::test]
async fn a_call_is_the_same_here_and_across_the_network() {
    let address = served(health_routes().await.into_axum_router()).await;
    for link in [Link::local(health_routes().await), connect(address)] {
        let mut client = HealthClient::new(link);
        let answer = client.check(ask("one.Service")).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::NotServing);
        let unknown = client.check(ask("two.Service")).await.unwrap_err();
        assert_eq!(unknown.code(), Code::NotFound);
        let mut watch = client.watch(ask("")).await.unwrap().into_inner();
        assert_eq!(watch.next().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    }
}

#[tokio::test]
async fn a_dead_address_is_unavailable_at_once() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let begun = Instant::now();
    let patient = ConnectOptions { connect_timeout: Duration::from_secs(60), ..ConnectOptions::default() };
    let status = HealthClient::new(connect_with(address, &patient)).check(ask("")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(!status.message().contains("127.0.0.1"), "internal detail: {status}");
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn a_link_connects_again_after_its_service_came_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut client = HealthClient::new(connect(address));
    let stop = CancellationToken::new();
    let first =
        tokio::spawn(Server::new(health_routes().await.into_axum_router()).run(listener, stop.clone()));
    client.check(ask("")).await.unwrap();
    stop.cancel();
    first.await.unwrap();
    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(
        Server::new(health_routes().await.into_axum_router()).run(listener, CancellationToken::new()),
    );
    let deadline = Instant::now() + Duration::from_secs(5);
    while let Err(status) = client.check(ask("")).await {
        assert_eq!(status.code(), Code::Unavailable);
        assert!(Instant::now() < deadline, "{status}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_deadline_is_enforced_here_and_across_the_network() {
    let address = served(never_answering()).await;
    for link in [Link::local(never_answering().into()), connect(address)] {
        let mut client = HealthClient::new(link.clone().with_deadline(Duration::from_millis(30)));
        let status = client.check(ask("")).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");

        // The call's own deadline counts where the link has none.
        let mut request = tonic::Request::new(ask(""));
        request.set_timeout(Duration::from_millis(30));
        let status = HealthClient::new(link).check(request).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    }
}

#[tokio::test]
async fn the_deadline_is_sent_unless_the_call_has_one() {
    let echo = async |request: Request| format!("{:?}", request.headers().get("grpc-timeout"));
    let link =
        Link::local(Router::new().route(CHECK, post(echo)).into()).with_deadline(Duration::from_secs(2));
    assert!(text(&link, http::Request::post(CHECK)).await.contains("2000m"));
    assert!(text(&link, http::Request::post(CHECK).header("grpc-timeout", "1S")).await.contains("1S"));
}

async fn text(link: &Link, request: http::request::Builder) -> String {
    let request = request.body(tonic::body::Body::empty()).unwrap();
    let response = link.clone().oneshot(request).await.unwrap();
    let body = axum::body::to_bytes(Body::new(response.into_body()), 1 << 16).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_stream_outlives_the_deadline() {
    let stream = async || {
        let ticks = tokio_stream::iter(0..3).then(async |tick| {
            tokio::time::sleep(Duration::from_secs(60)).await;
            Ok::<_, Infallible>(format!("{tick};"))
        });
        Body::from_stream(ticks)
    };
    let link =
        Link::local(Router::new().route(CHECK, post(stream)).into()).with_deadline(Duration::from_secs(1));
    assert_eq!(text(&link, http::Request::post(CHECK)).await, "0;1;2;");
}

#[tokio::test]
async fn a_panic_is_the_calls_failure_alone() {
    async fn broken() -> &'static str {
        panic!("this handler is broken")
    }
    let link = Link::local(Router::new().route(CHECK, post(broken)).into());
    let mut client = HealthClient::new(link);
    for _ in 0..2 {
        let status = client.check(ask("")).await.unwrap_err();
        assert_eq!(status.code(), Code::Internal);
        assert!(!status.message().contains("broken"));
    }
}

#[tokio::test]
async fn a_panic_within_a_stream_is_an_error_of_the_stream() {
    let stream = async || {
        let items = tokio_stream::iter(0..2).map(|item| match item {
            // One whole message: not compressed, two bytes, `status: SERVING`.
            0 => Ok::<_, Infallible>(bytes::Bytes::from_static(&[0, 0, 0, 0, 2, 8, 1])),
            _ => panic!("this stream is broken"),
        });
        ([("content-type", "application/grpc")], Body::from_stream(items))
    };
    let link = Link::local(Router::new().route("/grpc.health.v1.Health/Watch", post(stream)).into());
    let mut watch = HealthClient::new(link).watch(ask("")).await.unwrap().into_inner();
    assert_eq!(watch.next().await.unwrap().unwrap().status(), ServingStatus::Serving);
    assert_eq!(watch.next().await.unwrap().unwrap_err().code(), Code::Internal);
}

#[tokio::test]
async fn a_slot_is_unavailable_until_filled_for_every_clone() {
    let (link, slot) = Link::slot();
    let mut early = HealthClient::new(link.clone());
    assert_eq!(early.check(ask("")).await.unwrap_err().code(), Code::Unavailable);
    slot.fill(health_routes().await);
    early.check(ask("")).await.unwrap();
    HealthClient::new(link).check(ask("")).await.unwrap();
}

#[tokio::test]
async fn extensions_stay_with_the_caller() {
    #[derive(Clone)]
    struct Secret;
    let echo = async |request: Request| request.extensions().get::<Secret>().is_some().to_string();
    let link = Link::local(Router::new().route(CHECK, post(echo)).into());
    assert_eq!(text(&link, http::Request::post(CHECK).extension(Secret)).await, "false");
}

#[tokio::test]
async fn the_request_id_goes_along() {
    let echo =
        async |request: Request| request.headers().get("x-request-id").unwrap().to_str().unwrap().to_owned();
    let inner = Link::local(Router::new().route(CHECK, post(echo)).into());
    let outer = Router::new().route("/", post(async move || text(&inner, http::Request::post(CHECK)).await));
    let address = served(outer).await;
    let response = reqwest::Client::new()
        .post(format!("http://{address}/"))
        .header("x-request-id", "chosen-by-the-caller")
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["x-request-id"], "chosen-by-the-caller");
    assert_eq!(response.text().await.unwrap(), "chosen-by-the-caller");
}

#[tokio::test]
async fn an_address_that_is_none_is_refused_with_the_form() {
    for bad in ["users:4001", "ftp://users:4001", "/users", "http://", "not an address"] {
        let error = Link::connect(bad, &ConnectOptions::default()).unwrap_err();
        assert_eq!(error.code(), 64, "{bad}");
        assert!(error.to_string().contains("http://host:port"), "{error}");
    }
}

/// A service whose reads may be repeated and whose writes may not.
fn know_ledger() {
    let method = |name: &str, level: IdempotencyLevel| MethodDescriptorProto {
        name: Some(name.to_owned()),
        options: Some(MethodOptions { idempotency_level: Some(level.into()), ..Default::default() }),
        ..Default::default()
    };
    let service = ServiceDescriptorProto {
        name: Some("Ledger".to_owned()),
        method: vec![
            method("Read", IdempotencyLevel::NoSideEffects),
            method("Write", IdempotencyLevel::IdempotencyUnknown),
        ],
        ..Default::default()
    };
    let file = FileDescriptorProto {
        package: Some("test".to_owned()),
        service: vec![service],
        ..Default::default()
    };
    metrics::know_methods(&FileDescriptorSet { file: vec![file] }.encode_to_vec());
}

/// A server that loses the connection over each of the first `losses` requests, and how many it has been sent.
async fn losing(losses: usize) -> (Link, Arc<AtomicUsize>) {
    know_ledger();
    let asked = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&asked);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let link = connect(listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (lose, lost) = mpsc::channel::<()>(1);
            let seen = Arc::clone(&seen);
            let router = Router::new().fallback(async move || {
                if seen.fetch_add(1, Ordering::SeqCst) < losses {
                    lose.send(()).await.unwrap();
                    pending::<()>().await;
                }
                [("grpc-status", "0")]
            });
            tokio::spawn(async move {
                let mut lost = lost;
                let service = hyper_util::service::TowerToHyperService::new(router);
                let http2 = hyper::server::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new());
                tokio::select! {
                    _ = http2.serve_connection(hyper_util::rt::TokioIo::new(stream), service) => {}
                    _ = lost.recv() => {}
                }
            });
        }
    });
    (link, asked)
}

async fn call(link: &Link, method: &str) -> Code {
    let request =
        http::Request::post(format!("/test.Ledger/{method}")).body(tonic::body::Body::empty()).unwrap();
    let answer = link.clone().oneshot(request).await.unwrap();
    Code::from_bytes(answer.headers()["grpc-status"].as_bytes())
}

#[tokio::test]
async fn a_call_whose_connection_broke_is_made_again_if_that_does_no_harm() {
    let (link, asked) = losing(2).await;
    assert_eq!(call(&link, "Read").await, Code::Ok);
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    let (link, asked) = losing(1).await;
    assert_eq!(call(&link, "Write").await, Code::Unavailable);
    assert_eq!(asked.load(Ordering::SeqCst), 1, "it may have been carried out");
    assert_eq!(call(&link, "Write").await, Code::Ok);
}

#[tokio::test]
async fn calls_that_all_fail_are_hardly_more_than_were_asked_for() {
    let (link, asked) = losing(usize::MAX).await;
    for _ in 0..20 {
        assert_eq!(call(&link, "Read").await, Code::Unavailable);
    }
    let asked = asked.load(Ordering::SeqCst);
    assert!((21..=25).contains(&asked), "{asked} requests for 20 calls");
}

#[tokio::test]
async fn what_was_never_sent_is_sent_when_the_service_is_there() {
    know_ledger();
    // The port is taken, so that nobody else gets it, and not listened on.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let link = connect(socket.local_addr().unwrap());
    assert_eq!(call(&link, "Write").await, Code::Unavailable);
    let listener = socket.listen(16).unwrap();
    tokio::spawn(
        Server::new(Router::new().fallback(async || [("grpc-status", "0")]))
            .run(listener, CancellationToken::new()),
    );
    assert_eq!(call(&link, "Write").await, Code::Ok);
}
