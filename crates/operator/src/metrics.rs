//! What the operator counts, and what it tells of each platform.

mod platforms;

use std::sync::LazyLock;

use moviebooking_serve::metrics::{self, IntCounterVec, IntGaugeVec};

pub use platforms::Platforms;

/// Reconciliations, by kind and outcome.
pub static RECONCILES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    metrics::counter(
        "moviebooking_operator_reconciles_total",
        "Looks at a resource and what belongs to it: done, or failed and to be tried again.",
        &["kind", "outcome"],
    )
});

/// Writes to the API server, by kind of object and verb.
pub static WRITES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    metrics::counter(
        "moviebooking_operator_writes_total",
        "Requests to the API server that change something.",
        &["kind", "verb"],
    )
});

/// All requests to the API server, by method.
pub static REQUESTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    metrics::counter(
        "moviebooking_operator_requests_total",
        "Requests to the API server, by HTTP method; watches by themselves.",
        &["method"],
    )
});

/// Counts a request to the API server.
pub fn count<B>(request: http::Request<B>) -> http::Request<B> {
    let is_watch = request.uri().query().is_some_and(|query| query.contains("watch="));
    let method = if is_watch { "watch" } else { request.method().as_str() };
    REQUESTS.with_label_values(&[method]).inc();
    request
}

/// Whether this process is the one that works.
pub static LEADER: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    metrics::gauge("moviebooking_operator_leader", "1 while this process is the one that works.", &[])
});
