//! Traces for an OpenTelemetry collector, over OTLP.
//!
//! A process sends nothing until it is given the address of a collector. Then every request that a
//! [`Server`](crate::Server) answers (but questions for health), every call through a [`Link`](crate::Link) and
//! every SQL statement is a span, named and described after OpenTelemetry's semantic conventions. A request's trace
//! goes on where the header `traceparent` (W3C Trace Context) says, and calls carry the header along, so that one
//! trace spans all processes. Log lines of a request have its `trace_id`.
//!
//! Spans of the code's own belong to the trace if their target is [`TARGET`]; no other span is sent, and no log line:
//!
//! ```
//! use moviebooking_serve::telemetry::TARGET;
//!
//! let span = tracing::info_span!(target: TARGET, "price seats", seats = 3);
//! ```
//!
//! Parameters of statements, bodies, headers, names and addresses of people are in no span.

mod export;
mod propagation;

pub(crate) use propagation::{extract, inject};

use crate::{ConnectOptions, StartError, connect, request};
use export::{Counted, Reported};
use opentelemetry::{KeyValue, trace::TracerProvider as _};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithTonicConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider},
};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::{Layer, filter::filter_fn, registry::LookupSpan};

/// The target of spans that are sent; see the module's text. Log lines do not show them.
pub const TARGET: &str = "otel";

/// Spans that wait to be sent; more are dropped, and counted.
const QUEUE: usize = 8_192;
/// How long sending a batch may take, repetitions included.
const EXPORT_BOUND: Duration = Duration::from_secs(5);
/// How long the last spans get to be sent when the process ends.
const FLUSH_BOUND: Duration = Duration::from_secs(3);

/// Set once spans are sent somewhere; until then none are made.
static SENT: AtomicBool = AtomicBool::new(false);

pub(crate) fn is_on() -> bool {
    SENT.load(Ordering::Relaxed)
}

/// The settings of traces; flatten it into a process's arguments.
#[derive(Debug, Clone, clap::Args)]
pub struct TelemetryArgs {
    /// OpenTelemetry collector to send traces to over OTLP/gRPC, like http://collector:4317; no traces unless given
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    otlp_endpoint: Option<String>,

    /// Name of this process in traces [default: the program's]
    #[arg(long, env = "OTEL_SERVICE_NAME", value_name = "NAME")]
    otel_service_name: Option<String>,

    /// Share of new traces that are recorded, 0 to 1; a request that comes with a trace follows that one's decision
    #[arg(long, env = "OTEL_TRACES_SAMPLER_ARG", value_name = "RATIO",
          default_value_t = 1.0, value_parser = ratio)]
    trace_sample_ratio: f64,
}

fn ratio(text: &str) -> Result<f64, String> {
    let ratio = text.parse::<f64>().map_err(|error| error.to_string())?;
    if (0.0..=1.0).contains(&ratio) { Ok(ratio) } else { Err("it must be from 0 to 1".to_owned()) }
}

impl TelemetryArgs {
    /// Starts what sends spans, if there is a collector. `name` is the process's. Call it within the runtime.
    pub(crate) fn start(&self, name: &'static str) -> Result<Option<Traces>, StartError> {
        // OpenTelemetry's specification: a variable that is set to nothing is not set.
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let Some(endpoint) = given(&self.otlp_endpoint) else { return Ok(None) };
        let refuse = |why: String| {
            StartError::usage(format!("--otlp-endpoint (variable OTEL_EXPORTER_OTLP_ENDPOINT): {why}"))
        };
        let channel = connect::channel(&endpoint, &ConnectOptions::default(), Some(EXPORT_BOUND))
            .map_err(|error| refuse(error.to_string()))?;
        let exporter = SpanExporter::builder()
            .with_tonic()
            .with_channel(channel)
            .with_timeout(EXPORT_BOUND)
            .build()
            .map_err(|error| refuse(error.to_string()))?;
        let resource = Resource::builder()
            .with_service_name(given(&self.otel_service_name).unwrap_or_else(|| name.to_owned()))
            .with_attribute(KeyValue::new("service.namespace", "moviebooking"))
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let queue = BatchConfigBuilder::default().with_max_queue_size(QUEUE).build();
        let processor = BatchSpanProcessor::builder(Reported::new(exporter)).with_batch_config(queue).build();
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(self.trace_sample_ratio))))
            .with_span_processor(Counted::new(processor))
            .build();
        SENT.store(true, Ordering::Relaxed);
        Ok(Some(Traces(provider)))
    }
}

/// Whether a span is sent: one of those for traces, or a [`Server`](crate::Server)'s of a request, which is for log
/// lines too, so that a task spawned within it belongs to both.
fn is_sent(metadata: &Metadata<'_>) -> bool {
    let of_request =
        || metadata.target() == request::TARGET && metadata.fields().field("otel.kind").is_some();
    metadata.is_span() && (metadata.target() == TARGET || of_request())
}

/// What sends the spans of this process.
pub(crate) struct Traces(SdkTracerProvider);

impl Traces {
    /// What makes spans of OpenTelemetry from those of the program.
    pub(crate) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("moviebooking"))
            .with_context_activation(false)
            .with_location(false)
            .with_target(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(is_sent).with_max_level_hint(Level::INFO))
    }

    /// Sends the last spans, within a bound. The runtime must still run.
    pub(crate) fn flush(&self) {
        if let Err(error) = self.0.shutdown_with_timeout(FLUSH_BOUND) {
            tracing::warn!(%error, "the last spans could not be sent");
        }
    }
}
