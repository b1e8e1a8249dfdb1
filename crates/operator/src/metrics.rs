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

/// Whether this process is the one that works.
pub static LEADER: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    metrics::gauge("moviebooking_operator_leader", "1 while this process is the one that works.", &[])
});
