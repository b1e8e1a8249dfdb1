//! Traces as a collector receives them, from processes that call each other over real sockets.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and a process prints its address"
)]

use axum::{
    Router,
    extract::State,
    response::IntoResponse,
    routing::{get, post},
};
use clap::Parser;
use http::StatusCode;
use moviebooking_serve::{
    self as serve, Workers,
    metrics::{Route, know_methods},
    telemetry::TARGET,
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{Span, span::SpanKind, status::StatusCode as SpanStatus},
};
use prost::Message;
use prost_types::{FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto, ServiceDescriptorProto};
use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStderr, Command, ExitCode, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::net::TcpListener;
use tower::ServiceExt;
use tracing::{Instrument, info_span};

const SOON: Duration = Duration::from_secs(20);
const PLACE: &str = "/shop.v1.Orders/Place";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

// ---- the processes ----

#[derive(Debug, clap::Parser)]
struct Args {
    #[command(flatten)]
    log: serve::LogArgs,
    #[command(flatten)]
    telemetry: serve::telemetry::TelemetryArgs,
    /// Where the orders are; in this process if it is not given.
    #[arg(long, env = "ORDERS")]
    orders: Option<String>,
}

/// The orders: a service whose one method runs a statement, in a task that outlives a caller who goes away.
fn orders() -> Router {
    let place = async || {
        let statement = async {
            let span = info_span!(target: TARGET, "sql", otel.name = "INSERT orders", otel.kind = "client");
            async { tracing::info!("an order is placed") }.instrument(span).await;
        };
        tokio::spawn(statement.in_current_span()).await.unwrap();
        [("content-type", "application/grpc"), ("grpc-status", "0")]
    };
    let missing = async || [("content-type", "application/grpc"), ("grpc-status", "5")];
    Router::new().route(PLACE, post(place)).route("/shop.v1.Orders/Find", post(missing))
}

async fn place_an_order(State(orders): State<serve::Link>) -> impl IntoResponse {
    let request =
        http::Request::post(format!("http://orders{PLACE}")).header("content-type", "application/grpc");
    let answer = orders.oneshot(request.body(tonic::body::Body::empty()).unwrap()).await.unwrap();
    let status =
        if answer.headers()["grpc-status"] == "0" { StatusCode::OK } else { StatusCode::BAD_GATEWAY };
    let mut response = (status, "placed\n").into_response();
    response.extensions_mut().insert(Route("/orders".into()));
    response
}

async fn run(orders_at: Option<String>) -> Result<(), serve::StartError> {
    know_methods(&descriptors());
    let listener = serve::bind(([127, 0, 0, 1], 0).into(), "--listen").await?;
    println!("\nlistening on {}", listener.local_addr().unwrap());
    let shutdown = serve::shutdown_signal()?;
    let health = serve::Health::new(&[]).await;
    let link = match orders_at {
        Some(uri) => serve::Link::connect(&uri, &serve::ConnectOptions::default())?,
        None => serve::Link::local(orders().into()),
    };
    let router = Router::new().route("/orders", get(place_an_order)).with_state(link);
    let router = router.merge(orders()).merge(health.http_routes());
    serve::Server::new(router).run(listener, shutdown).await;
    Ok(())
}

/// Not a test of its own: what the tests below start as a process.
#[test]
#[ignore = "started by the tests as a process of its own"]
fn child() {
    let args = Args::parse_from(["child"]);
    let code = serve::main_watched("shop", &args.log, &args.telemetry, Workers::Quarter, run(args.orders));
    std::process::exit(i32::from(code != ExitCode::SUCCESS));
}

fn descriptors() -> Vec<u8> {
    let method = |name: &str| MethodDescriptorProto { name: Some(name.to_owned()), ..Default::default() };
    let service = ServiceDescriptorProto {
        name: Some("Orders".to_owned()),
        method: vec![method("Place"), method("Find")],
        ..Default::default()
    };
    let file = FileDescriptorProto {
        package: Some("shop.v1".to_owned()),
        service: vec![service],
        ..Default::default()
    };
    FileDescriptorSet { file: vec![file] }.encode_to_vec()
}

/// A process, its address, and its log, which is read while it runs so that it never waits for a reader.
struct Process {
    child: Child,
    address: String,
    log: std::thread::JoinHandle<String>,
}

impl Process {
    fn start(variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child", "--exact", "--ignored", "--nocapture"])
            .env("MOVIEBOOKING_LOG_FORMAT", "json")
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr: ChildStderr = child.stderr.take().unwrap();
        let log = std::thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            text
        });
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let address = lines.find_map(|line| line.strip_prefix("listening on ").map(str::to_owned));
        Self { child, address: address.expect("the child prints its address"), log }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Stops the process and returns its log.
    fn stop(mut self) -> String {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
        self.log.join().unwrap()
    }
}

async fn order(process: &Process, traceparent: Option<&str>) {
    let request = reqwest::Client::new().get(process.url("/orders"));
    let request = match traceparent {
        Some(parent) => request.header("traceparent", parent),
        None => request,
    };
    assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
}

async fn stopped(process: Process) -> String {
    tokio::task::spawn_blocking(|| process.stop()).await.unwrap()
}

// ---- the collector ----

/// A span and the `service.name` of the process that sent it.
type Received = (String, Span);

#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Received>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        for spans in request.into_inner().resource_spans {
            let process = attributes(&spans.resource.unwrap().attributes)["service.name"].clone();
            let spans = spans.scope_spans.into_iter().flat_map(|scope| scope.spans);
            self.0.lock().unwrap().extend(spans.map(|span| (process.clone(), span)));
        }
        Ok(tonic::Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    /// A collector at an address of its own, for as long as the test's runtime lives.
    async fn start() -> (Self, String) {
        let collector = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let incoming = tonic::transport::server::TcpIncoming::from(listener);
        let server = tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(collector.clone()))
            .serve_with_incoming(incoming);
        tokio::spawn(server);
        (collector, address)
    }

    fn spans(&self) -> Vec<Received> {
        self.0.lock().unwrap().clone()
    }
}

fn attributes(attributes: &[KeyValue]) -> HashMap<String, String> {
    let text = |value: &KeyValue| match value.value.as_ref().and_then(|value| value.value.clone()) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    attributes.iter().map(|attribute| (attribute.key.clone(), text(attribute))).collect()
}

/// The one span of `spans` of the given process, name and kind.
fn the<'a>(spans: &'a [Received], process: &str, name: &str, kind: SpanKind) -> &'a Span {
    let fits = |(from, span): &&Received| from == process && span.name == name && span.kind() == kind;
    let found: Vec<_> = spans.iter().filter(fits).collect();
    assert_eq!(found.len(), 1, "{process} {name} {kind:?} in {spans:#?}");
    &found[0].1
}

fn id(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[tokio::test]
async fn one_trace_goes_through_two_processes_to_the_statement() {
    let (collector, endpoint) = Collector::start().await;
    let telemetry = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str())];
    let orders = Process::start(&[telemetry[0], ("OTEL_SERVICE_NAME", "orders")]);
    let orders_at = orders.url("");
    let edge = Process::start(&[telemetry[0], ("OTEL_SERVICE_NAME", "edge"), ("ORDERS", &orders_at)]);
    order(&edge, Some(&format!("00-{TRACE}-{CALLER}-01"))).await;
    // Questions for health are in no trace.
    assert!(reqwest::get(edge.url("/healthz")).await.unwrap().status().is_success());
    // The last spans are sent when a process stops.
    let (edge, orders) = (stopped(edge).await, stopped(orders).await);

    let spans = collector.spans();
    assert_eq!(spans.len(), 4, "{spans:#?}");
    assert!(spans.iter().all(|(_, span)| span.trace_id == id(TRACE)), "{spans:#?}");
    let request = the(&spans, "edge", "GET /orders", SpanKind::Server);
    let call = the(&spans, "edge", "shop.v1.Orders/Place", SpanKind::Client);
    let handled = the(&spans, "orders", "shop.v1.Orders/Place", SpanKind::Server);
    let statement = the(&spans, "orders", "INSERT orders", SpanKind::Client);
    assert_eq!(request.parent_span_id, id(CALLER));
    assert_eq!(call.parent_span_id, request.span_id);
    assert_eq!(handled.parent_span_id, call.span_id);
    assert_eq!(statement.parent_span_id, handled.span_id);

    let of_request = attributes(&request.attributes);
    assert_eq!(of_request["http.request.method"], "GET");
    assert_eq!(of_request["http.route"], "/orders");
    assert_eq!(of_request["http.response.status_code"], "200");
    for span in [call, handled] {
        let of_call = attributes(&span.attributes);
        assert_eq!(of_call["rpc.system"], "grpc");
        assert_eq!(of_call["rpc.service"], "shop.v1.Orders");
        assert_eq!(of_call["rpc.method"], "Place");
        assert_eq!(of_call["rpc.grpc.status_code"], "0");
    }
    assert_eq!(attributes(&call.attributes)["server.address"], "127.0.0.1");

    let line = orders.lines().find(|line| line.contains("an order is placed")).expect("it was logged");
    assert!(line.contains(&format!("\"trace_id\":\"{TRACE}\"")), "{line}");
    assert!(!edge.contains("rpc.system"), "spans for traces are not on log lines: {edge}");
}

#[tokio::test]
async fn a_call_within_the_process_is_in_the_trace_too() {
    let (collector, endpoint) = Collector::start().await;
    let process = Process::start(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]);
    order(&process, None).await;
    stopped(process).await;
    let spans = collector.spans();
    let request = the(&spans, "shop", "GET /orders", SpanKind::Server);
    let call = the(&spans, "shop", "shop.v1.Orders/Place", SpanKind::Internal);
    let statement = the(&spans, "shop", "INSERT orders", SpanKind::Client);
    assert!(request.parent_span_id.is_empty());
    assert_eq!(call.parent_span_id, request.span_id);
    assert_eq!(statement.parent_span_id, call.span_id);
    assert!(spans.iter().all(|(_, span)| span.trace_id == request.trace_id));
}

#[tokio::test]
async fn grpc_requests_have_their_code_and_unknown_methods_one_name() {
    let (collector, endpoint) = Collector::start().await;
    let process = Process::start(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]);
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    for path in ["/shop.v1.Orders/Find", "/made.up/Name"] {
        let request = client.post(process.url(path)).header("content-type", "application/grpc");
        request.send().await.unwrap();
    }
    stopped(process).await;
    let spans = collector.spans();
    let find = the(&spans, "shop", "shop.v1.Orders/Find", SpanKind::Server);
    assert_eq!(attributes(&find.attributes)["rpc.grpc.status_code"], "5");
    assert!(
        find.status.as_ref().is_none_or(|status| status.code() == SpanStatus::Unset),
        "the caller's fault"
    );
    the(&spans, "shop", "other/other", SpanKind::Server);
}

#[tokio::test]
async fn new_traces_are_sampled_and_those_of_callers_follow_their_decision() {
    let (collector, endpoint) = Collector::start().await;
    let process =
        Process::start(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint), ("OTEL_TRACES_SAMPLER_ARG", "0")]);
    order(&process, None).await;
    order(&process, Some(&format!("00-{TRACE}-{CALLER}-00"))).await;
    order(&process, Some(&format!("00-{TRACE}-{CALLER}-01"))).await;
    stopped(process).await;
    let spans = collector.spans();
    assert_eq!(spans.len(), 3, "{spans:#?}");
    assert!(spans.iter().all(|(_, span)| span.trace_id == id(TRACE)));
}

#[tokio::test]
async fn a_collector_that_is_down_or_silent_costs_no_request_and_little_of_the_end() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // It takes connections (the system does) and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for address in [closed, silent.local_addr().unwrap()] {
        let process = Process::start(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{address}"))]);
        for _ in 0..20 {
            order(&process, None).await;
        }
        let begun = Instant::now();
        let log = stopped(process).await;
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
        let complaints = log.lines().filter(|line| line.contains("spans")).count();
        assert!((1..=2).contains(&complaints), "{log}");
    }
}

#[test]
fn settings_are_checked() {
    let refused = |args: &[&str]| match serve::try_parse_from::<Args, _>([&["shop"], args].concat()) {
        serve::ParseOutcome::Refused(error) => (error.code(), error.to_string()),
        other => panic!("not refused: {other:?}"),
    };
    for ratio in ["-0.1", "1.5", "NaN", "half"] {
        let (code, text) = refused(&[&format!("--trace-sample-ratio={ratio}")]);
        assert!(code == 64 && text.contains("OTEL_TRACES_SAMPLER_ARG"), "{text}");
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--ignored", "--nocapture"])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && text.contains("--otlp-endpoint") && text.contains("http://"),
        "{text}"
    );
}
