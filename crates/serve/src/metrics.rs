//! Metrics for Prometheus, at `/metrics` on a port of its own.
//!
//! A process counts nothing until it is given an address for them. Then there are, each with the labels in braces:
//!
//! | metric | what it tells |
//! |---|---|
//! | `moviebooking_rpc_server_duration_seconds` {service, method, code} | calls answered by this process, until the last byte |
//! | `moviebooking_rpc_server_in_flight` {service, method} | calls being answered now |
//! | `moviebooking_rpc_client_duration_seconds`, `moviebooking_rpc_client_in_flight` | the same of calls made through a [`Link`](crate::Link) |
//! | `moviebooking_rpc_client_retries_total` {service, outcome} | calls that got no answer and could be made again |
//! | `moviebooking_http_server_duration_seconds` {method, route, status} | requests to a [`Server`](crate::Server) that are no gRPC calls, and at the [edge](crate::Server::at_the_edge) all of them |
//! | `moviebooking_http_server_in_flight` | such requests being answered now |
//! | `moviebooking_sql_duration_seconds` {service, operation, outcome} | statements, the wait for a connection included |
//! | `moviebooking_sql_pool_connections` {service, pool, state}, `moviebooking_sql_pool_connections_max` | connections to databases |
//! | `moviebooking_trace_spans_total` {outcome} | spans handed to the trace exporter, and what became of them |
//! | `moviebooking_build_info` {process, version} | 1 |
//! | `process_…` | processor time, memory, open files, threads and start of the process |
//!
//! Labels have few values whatever is sent: a method that no known service has, and a path that is no route, are
//! `other`.
//!
//! A service's own metrics are statics, made when they are first used:
//!
//! ```
//! use moviebooking_serve::metrics::{self, IntCounterVec};
//! use std::sync::LazyLock;
//!
//! static HOLDS: LazyLock<IntCounterVec> = LazyLock::new(|| {
//!     metrics::counter_of("moviebooking_holds_total", "Seat holds asked for.", "outcome", &["won", "lost"])
//! });
//!
//! HOLDS.with_label_values(&["won"]).inc();
//! ```

mod domain;
mod http;
mod listen;
mod process;
mod rpc;
mod sql;

pub use domain::{counter_of, keep_fresh};
pub use http::Route;
pub use listen::MetricsArgs;
pub use prometheus::{IntCounterVec, IntGaugeVec, Registry};
pub use rpc::know_methods;
pub use sql::{sql_pool, sql_statement};

pub(crate) use http::{Exchange, verb};
pub(crate) use rpc::{Method, code_name, find, find_known};

use prometheus::{HistogramOpts, HistogramVec, Opts, core::Collector};
use std::sync::{
    LazyLock,
    atomic::{AtomicBool, Ordering},
};

/// Upper bounds of the duration histograms, in seconds.
const BUCKETS: [f64; 15] =
    [0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Set once there is somewhere to read the metrics; until then requests are not timed.
static READ: AtomicBool = AtomicBool::new(false);

pub(crate) fn is_on() -> bool {
    READ.load(Ordering::Relaxed)
}

/// All metrics of this process. Register here what [`counter`] and [`gauge`] do not make, such as a collector that
/// looks at its subject when it is asked.
pub fn registry() -> &'static Registry {
    static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::new);
    &REGISTRY
}

/// A counter with `labels`, registered. Its name begins with `moviebooking_` and ends with `_total`; amounts of money
/// are in minor units with a label `currency`. A label's values are few and never come from a request. Keep it in a
/// static: a second one of the same name is not shown.
///
/// # Panics
/// If `name` or a label is not of the form that Prometheus asks for (letters, digits and `_`).
pub fn counter(name: &'static str, help: &'static str, labels: &[&'static str]) -> IntCounterVec {
    registered(name, IntCounterVec::new(Opts::new(name, help), labels))
}

/// A gauge with `labels`, registered; otherwise as [`counter`], but without `_total`.
///
/// # Panics
/// If `name` or a label is not of the form that Prometheus asks for (letters, digits and `_`).
pub fn gauge(name: &'static str, help: &'static str, labels: &[&'static str]) -> IntGaugeVec {
    registered(name, IntGaugeVec::new(Opts::new(name, help), labels))
}

fn durations(name: &'static str, help: &'static str, labels: &[&'static str]) -> HistogramVec {
    let options = HistogramOpts::new(name, help).buckets(BUCKETS.to_vec());
    registered(name, HistogramVec::new(options, labels))
}

#[expect(
    clippy::expect_used,
    reason = "a name that is none is a mistake in the program, seen when it first runs"
)]
fn registered<C: Collector + Clone + 'static>(name: &str, made: prometheus::Result<C>) -> C {
    let metric = made.expect("a metric's name and labels are letters, digits and _");
    if let Err(error) = registry().register(Box::new(metric.clone())) {
        tracing::error!(name, %error, "a metric is not shown");
    }
    metric
}
