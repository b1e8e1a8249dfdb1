//! Metrics as Prometheus reads them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use axum::{
    Router,
    body::Body,
    response::IntoResponse,
    routing::{get, post},
};
use clap::Parser;
use http::HeaderMap;
use http_body_util::{BodyExt, StreamBody};
use moviebooking_serve::{
    self as serve, Link, Server,
    metrics::{self, MetricsArgs, Route},
};
use prost::Message;
use prost_types::{FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto, ServiceDescriptorProto};
use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{net::TcpListener, sync::Notify};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

#[derive(clap::Parser)]
struct Args {
    #[command(flatten)]
    metrics: MetricsArgs,
}

/// The text at `/metrics`. The metrics are the process's: each test looks at names of its own.
async fn scrape() -> String {
    let args = Args::parse_from(["test", "--metrics-listen", "127.0.0.1:0"]);
    let address = args.metrics.serve(None).await.unwrap().unwrap();
    let response = reqwest::get(format!("http://{address}/metrics")).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    response.text().await.unwrap()
}

/// The value of the line of `text` that begins with `series`.
fn value(text: &str, series: &str) -> Option<f64> {
    let line =
        text.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// Waits until the series has the value: what is counted at the end of an answer is so after its reader has it.
async fn until(series: &str, expected: f64) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let text = scrape().await;
        if value(&text, series) == Some(expected) {
            return;
        }
        assert!(Instant::now() < deadline, "{series} is not {expected} in\n{text}");
    }
}

async fn served(server: Server) -> SocketAddr {
    // Nothing is counted before there is somewhere to read it.
    scrape().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(server.run(listener, CancellationToken::new()));
    address
}

/// Makes the methods of the service `name` known.
fn know(name: &str, methods: &[&str]) {
    let method = |name: &&str| MethodDescriptorProto { name: Some((*name).to_owned()), ..Default::default() };
    let service = ServiceDescriptorProto {
        name: Some(name.to_owned()),
        method: methods.iter().map(method).collect(),
        ..Default::default()
    };
    let file = FileDescriptorProto {
        package: Some("shop".to_owned()),
        service: vec![service],
        ..Default::default()
    };
    metrics::know_methods(&FileDescriptorSet { file: vec![file] }.encode_to_vec());
}

/// An answer whose code comes after a message, in trailers.
fn trailing(code: &'static str) -> impl IntoResponse {
    let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), code.parse().unwrap())]);
    let message = http_body::Frame::data(bytes::Bytes::from_static(&[0; 5]));
    let frames = [message, http_body::Frame::trailers(trailers)].map(Ok::<_, Infallible>);
    ([("content-type", "application/grpc")], Body::new(StreamBody::new(tokio_stream::iter(frames))))
}

async fn call(link: &Link, path: &str) {
    let request =
        http::Request::post(format!("http://shop{path}")).header("content-type", "application/grpc");
    let answer = link.clone().oneshot(request.body(tonic::body::Body::empty()).unwrap()).await.unwrap();
    answer.into_body().collect().await.unwrap();
}

#[tokio::test]
async fn calls_are_counted_on_both_sides_by_method_and_code() {
    know("Near", &["Buy", "Find"]);
    let router = || {
        Router::new().route("/shop.Near/Buy", post(async || trailing("0"))).route(
            "/shop.Near/Find",
            post(async || [("content-type", "application/grpc"), ("grpc-status", "5")]),
        )
    };
    let address = served(Server::new(router())).await;
    let far = Link::connect(&format!("http://{address}"), &serve::ConnectOptions::default()).unwrap();
    for link in [far, Link::local(router().into())] {
        call(&link, "/shop.Near/Buy").await;
        call(&link, "/shop.Near/Find").await;
    }
    for side in ["server", "client"] {
        for (method, code) in [("Buy", "OK"), ("Find", "NOT_FOUND")] {
            let labels = format!("{{code=\"{code}\",method=\"{method}\",service=\"shop.Near\"}}");
            until(&format!("moviebooking_rpc_{side}_duration_seconds_count{labels}"), 2.0).await;
            let labels = format!("{{method=\"{method}\",service=\"shop.Near\"}}");
            until(&format!("moviebooking_rpc_{side}_in_flight{labels}"), 0.0).await;
        }
    }
}

#[tokio::test]
async fn a_call_that_is_given_up_is_in_flight_and_then_cancelled() {
    know("Slow", &["Wait"]);
    let entered = Arc::new(Notify::new());
    let on_enter = Arc::clone(&entered);
    let wait = async move || {
        on_enter.notify_one();
        std::future::pending::<()>().await;
    };
    served(Server::new(Router::new())).await;
    let link = Link::local(Router::new().route("/shop.Slow/Wait", post(wait)).into());
    let waiting = tokio::spawn(async move { call(&link, "/shop.Slow/Wait").await });
    entered.notified().await;
    until("moviebooking_rpc_client_in_flight{method=\"Wait\",service=\"shop.Slow\"}", 1.0).await;
    waiting.abort();
    until("moviebooking_rpc_client_in_flight{method=\"Wait\",service=\"shop.Slow\"}", 0.0).await;
    let labels = "{code=\"CANCELLED\",method=\"Wait\",service=\"shop.Slow\"}";
    until(&format!("moviebooking_rpc_server_duration_seconds_count{labels}"), 1.0).await;
}

#[tokio::test]
async fn an_unreachable_service_is_counted_by_its_caller() {
    know("Gone", &["Ask"]);
    served(Server::new(Router::new())).await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let link = Link::connect(&format!("http://{closed}"), &serve::ConnectOptions::default()).unwrap();
    call(&link, "/shop.Gone/Ask").await;
    let labels = "{code=\"UNAVAILABLE\",method=\"Ask\",service=\"shop.Gone\"}";
    until(&format!("moviebooking_rpc_client_duration_seconds_count{labels}"), 1.0).await;
}

#[tokio::test]
async fn the_edge_counts_requests_by_route_and_made_up_names_as_other() {
    know("Far", &["Buy"]);
    let film = async || {
        let mut response = "a film".into_response();
        response.extensions_mut().insert(Route("/films/{id}".into()));
        response
    };
    let router =
        Router::new().route("/films/{id}", get(film)).route("/shop.Far/Buy", post(async || trailing("9")));
    let address = served(Server::new(router).at_the_edge()).await;
    let (http1, http2) =
        (reqwest::Client::new(), reqwest::Client::builder().http2_prior_knowledge().build().unwrap());
    for path in ["/films/1", "/films/2", "/made/up/3", "/made/up/4"] {
        http1.get(format!("http://{address}{path}")).send().await.unwrap().bytes().await.unwrap();
    }
    let strange = reqwest::Method::from_bytes(b"BREW").unwrap();
    http1.request(strange, format!("http://{address}/films/1")).send().await.unwrap();
    for path in ["/shop.Far/Buy", "/shop.Far/Nothing"] {
        let request =
            http2.post(format!("http://{address}{path}")).header("content-type", "application/grpc");
        request.send().await.unwrap().bytes().await.unwrap();
    }
    for (labels, count) in [
        ("method=\"GET\",route=\"/films/{id}\",status=\"200\"", 2.0),
        ("method=\"GET\",route=\"other\",status=\"404\"", 2.0),
        ("method=\"_OTHER\",route=\"other\",status=\"405\"", 1.0),
        ("method=\"POST\",route=\"/shop.Far/Buy\",status=\"FAILED_PRECONDITION\"", 1.0),
        ("method=\"POST\",route=\"/other/other\",status=\"UNKNOWN\"", 1.0),
    ] {
        until(&format!("moviebooking_http_server_duration_seconds_count{{{labels}}}"), count).await;
    }
    let text = scrape().await;
    assert!(!text.contains("made/up") && !text.contains("BREW") && !text.contains("Nothing"), "{text}");
    assert!(
        !text.contains("service=\"shop.Far\""),
        "the service behind the edge counts its calls itself: {text}"
    );
}

#[tokio::test]
async fn the_process_its_database_and_a_services_own_counters_are_shown() {
    let sold = metrics::counter("moviebooking_test_sold_total", "Seats sold.", &["currency"]);
    sold.with_label_values(&["EUR"]).inc_by(3);
    metrics::sql_pool("shop", "all", Box::new(|| [5, 3, 16]));
    scrape().await;
    metrics::sql_statement("shop", "SELECT", false, Duration::from_millis(3));
    metrics::sql_statement("shop", "INSERT", true, Duration::from_millis(700));
    let text = scrape().await;
    for (series, expected) in [
        ("moviebooking_test_sold_total{currency=\"EUR\"}", 3.0),
        ("moviebooking_sql_pool_connections{pool=\"all\",service=\"shop\",state=\"idle\"}", 3.0),
        ("moviebooking_sql_pool_connections{pool=\"all\",service=\"shop\",state=\"used\"}", 2.0),
        ("moviebooking_sql_pool_connections_max{pool=\"all\",service=\"shop\"}", 16.0),
        (
            "moviebooking_sql_duration_seconds_bucket{operation=\"SELECT\",outcome=\"ok\",service=\"shop\",le=\"0.005\"}",
            1.0,
        ),
        (
            "moviebooking_sql_duration_seconds_bucket{operation=\"INSERT\",outcome=\"error\",service=\"shop\",le=\"0.5\"}",
            0.0,
        ),
        (
            "moviebooking_sql_duration_seconds_count{operation=\"INSERT\",outcome=\"error\",service=\"shop\"}",
            1.0,
        ),
    ] {
        assert_eq!(value(&text, series), Some(expected), "{series} in\n{text}");
    }
    assert!(text.contains("moviebooking_build_info{process=\"moviebooking\",version=\""), "{text}");
    let at_least = |series: &str, least: f64| {
        let found = value(&text, series);
        assert!(found.is_some_and(|found| found >= least), "{series} is {found:?}");
    };
    at_least("process_resident_memory_bytes", 1_000_000.0);
    at_least("process_open_fds", 3.0);
    at_least("process_max_fds", 64.0);
    at_least("process_threads", 1.0);
    at_least("process_start_time_seconds", 1_700_000_000.0);
    at_least("process_cpu_seconds_total", 0.0);
}

#[tokio::test]
async fn health_is_answered_beside_the_metrics_and_a_port_in_use_is_named() {
    let args = Args::parse_from(["test", "--metrics-listen", "127.0.0.1:0"]);
    let health = serve::Health::new(&[]).await;
    let address = args.metrics.serve(Some(&health)).await.unwrap().unwrap();
    for (path, status) in [("/healthz", 200), ("/readyz", 503), ("/metrics", 200), ("/else", 404)] {
        assert_eq!(reqwest::get(format!("http://{address}{path}")).await.unwrap().status(), status, "{path}");
    }
    let taken = Args::parse_from(["test", "--metrics-listen", &address.to_string()]);
    let error = taken.metrics.serve(None).await.unwrap_err();
    assert!(error.code() == 69 && error.to_string().contains("--metrics-listen"), "{error}");
}
