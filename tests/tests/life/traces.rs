//! One booking as a collector and the logs see it: one trace through all processes, and nothing personal.

use std::{
    collections::{HashMap, HashSet},
    fs,
    sync::{Arc, Mutex},
};

use moviebooking_launch::{GATEWAY, SERVICES};
use moviebooking_tests::key;
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::any_value::Value,
    trace::v1::Span,
};
use reqwest::Method;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

use crate::{turn, wait_until};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// What was received: each span and the process it is from.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<(String, Span)>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for from in request.into_inner().resource_spans {
            let resource = from.resource.unwrap_or_default();
            let name = resource.attributes.iter().find(|attribute| attribute.key == "service.name");
            let name = match name.and_then(|name| name.value.clone()?.value) {
                Some(Value::StringValue(name)) => name,
                other => format!("{other:?}"),
            };
            let spans = from.scope_spans.into_iter().flat_map(|scope| scope.spans);
            self.0.lock().unwrap().extend(spans.map(|span| (name.clone(), span)));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    async fn start() -> (Self, String) {
        let collector = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let service = TraceServiceServer::new(collector.clone());
        tokio::spawn(
            Server::builder().add_service(service).serve_with_incoming(TcpListenerStream::new(listener)),
        );
        (collector, endpoint)
    }

    /// The spans of the trace so far.
    fn spans(&self) -> Vec<(String, Span)> {
        let trace: Vec<u8> = (0..TRACE.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&TRACE[at..at + 2], 16).unwrap())
            .collect();
        let all = self.0.lock().unwrap();
        all.iter().filter(|(_, span)| span.trace_id == trace).cloned().collect()
    }
}

fn has(spans: &[(String, Span)], process: &str, name: &str) -> bool {
    spans.iter().any(|(from, span)| from == process && span.name.starts_with(name))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_booking_is_one_trace_from_the_gateway_to_every_statement_and_nothing_personal_is_told() {
    let mut processes = turn().await;
    let (collector, endpoint) = Collector::start().await;
    let folder = processes.platform.folder().to_owned();
    let names = SERVICES.into_iter().chain([GATEWAY]);
    let log = |name: &str| folder.join(format!("{name}.log"));
    let before: HashMap<&str, usize> =
        names.clone().map(|name| (name, fs::read(log(name)).map_or(0, |log| log.len()))).collect();
    let settings = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("MOVIEBOOKING_LOG", "debug"),
        ("MOVIEBOOKING_LOG_FORMAT", "json"),
    ];
    tokio::task::block_in_place(|| {
        let platform = &mut processes.platform;
        platform.set(&settings);
        names.clone().for_each(|name| platform.restart(name).unwrap());
    });

    let (email, password, person) =
        (format!("{}@private.example", key()), "a very private word", "Ada Personal");
    let visitor = processes.system.rest();
    let account = json!({"email": email, "password": password, "displayName": person});
    visitor.post("/users/register", account).await.ok();
    let customer = visitor.sign_in(&email, password).await;
    let showtime = processes.system.showtime().await;
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let send = async |path: &str, body: serde_json::Value| {
        let request = customer.request(Method::POST, path).header("idempotency-key", key());
        customer.send(request.header("traceparent", &parent).json(&body)).await.ok()
    };
    let seats = json!({"showtimeId": showtime, "bestAvailable": {"count": 2, "together": true}});
    let hold = send("/reservations", seats).await;
    let charge = json!({"reservationId": hold["id"], "amount": hold["total"], "paymentToken": "tok_approve"});
    assert_eq!(send("/payments/charge", charge).await["state"], "COMPLETED");

    wait_until("every process has sent its part of the trace", async || {
        let spans = collector.spans();
        has(&spans, GATEWAY, "POST /payments/charge")
            && has(&spans, GATEWAY, "POST /reservations")
            && has(&spans, "reservations", "WITH showtimes")
            && has(&spans, "payments", "WITH payments")
            && has(&spans, "tickets", "WITH tickets")
    })
    .await;
    // The rest is sent when the processes end, and the next tests see them as they were.
    tokio::task::block_in_place(|| {
        let platform = &mut processes.platform;
        platform.set(&[]);
        names.clone().for_each(|name| platform.restart(name).unwrap());
    });
    let spans = collector.spans();
    let ids: HashSet<&[u8]> = spans.iter().map(|(_, span)| span.span_id.as_slice()).collect();
    let ours = [0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7];
    for (process, span) in &spans {
        let parent = span.parent_span_id.as_slice();
        assert!(parent == ours || ids.contains(parent), "{process}: {} stands alone", span.name);
    }
    for (process, call) in [
        ("payments", "moviebooking.payments.v1.PaymentsService/Charge"),
        ("reservations", "moviebooking.reservations.v1.ReservationsInternal/ConfirmReservation"),
        ("reservations", "moviebooking.reservations.v1.ReservationsService/CreateReservation"),
        ("tickets", "moviebooking.tickets.v1.TicketsInternal/IssueTickets"),
    ] {
        assert!(has(&spans, process, call), "{process} has no span of {call}");
    }

    let token = customer.token().unwrap();
    let told = format!("{:?}", collector.0.lock().unwrap());
    let mut logged = String::new();
    for name in names {
        let whole = fs::read(log(name)).unwrap();
        logged.push_str(&String::from_utf8_lossy(&whole[before[name]..]));
    }
    assert!(logged.contains(TRACE), "log lines carry the trace");
    for private in [&*email, password, person, token, "tok_approve"] {
        assert!(!told.contains(private), "a span tells {private}");
        let line = logged.lines().find(|line| line.contains(private));
        assert_eq!(line, None, "a log tells {private}");
    }
}
