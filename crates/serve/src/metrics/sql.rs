//! Statements and connection pools.
//!
//! The store and this crate do not know each other; a process that has both connects them with one line before it
//! opens a database:
//!
//! ```text
//! moviebooking_store::observe::install(Observer { statement: metrics::sql_statement, pool: metrics::sql_pool });
//! ```

use super::{durations, is_on, registry};
use prometheus::{
    HistogramVec, IntGaugeVec, Opts,
    core::{Collector, Desc},
    proto::MetricFamily,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::Duration,
};

static DURATION: LazyLock<HistogramVec> = LazyLock::new(|| {
    durations(
        "moviebooking_sql_duration_seconds",
        "SQL statements, the wait for a connection included.",
        &["service", "operation", "outcome"],
    )
});

/// Counts a statement of the database of `service`: its first word (`SELECT`, `COMMIT`), whether it failed (a
/// violated constraint is a failure too), and how long it took.
pub fn sql_statement(service: &'static str, operation: &'static str, failed: bool, elapsed: Duration) {
    if is_on() {
        let outcome = if failed { "error" } else { "ok" };
        DURATION.with_label_values(&[service, operation, outcome]).observe(elapsed.as_secs_f64());
    }
}

/// What a pool tells about itself: connections open, those of them that are idle, and the most there may be.
type Usage = Box<dyn Fn() -> [u32; 3] + Send + Sync>;

/// Shows the pool called `pool` of the database of `service` from now on. `usage` gives its connections that are
/// open, those of them that are idle, and the most there may be; it is asked whenever the metrics are read.
pub fn sql_pool(service: &'static str, pool: &'static str, usage: Usage) {
    static POOLS: LazyLock<Pools> = LazyLock::new(|| {
        let pools = Pools::new();
        if let Err(error) = registry().register(Box::new(pools.clone())) {
            tracing::error!(%error, "the metrics of the connection pools are not shown");
        }
        pools
    });
    POOLS.pools.lock().unwrap_or_else(PoisonError::into_inner).insert((service, pool), usage);
}

#[derive(Clone)]
struct Pools {
    pools: Arc<Mutex<BTreeMap<(&'static str, &'static str), Usage>>>,
    connections: IntGaugeVec,
    most: IntGaugeVec,
}

impl Pools {
    #[expect(clippy::expect_used, reason = "the names are right, as the tests see")]
    fn new() -> Self {
        let made = |name, help, labels: &[&str]| {
            IntGaugeVec::new(Opts::new(name, help), labels).expect("a name that Prometheus takes")
        };
        Self {
            pools: Arc::default(),
            connections: made(
                "moviebooking_sql_pool_connections",
                "Connections to the database.",
                &["service", "pool", "state"],
            ),
            most: made(
                "moviebooking_sql_pool_connections_max",
                "Most connections to the database there may be.",
                &["service", "pool"],
            ),
        }
    }
}

impl Collector for Pools {
    fn desc(&self) -> Vec<&Desc> {
        [self.connections.desc(), self.most.desc()].concat()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        for ((service, pool), usage) in self.pools.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let [open, idle, most] = usage();
            let set = |state: &str, count: u32| {
                self.connections.with_label_values(&[service, pool, state]).set(i64::from(count));
            };
            set("idle", idle);
            set("used", open.saturating_sub(idle));
            self.most.with_label_values(&[service, pool]).set(i64::from(most));
        }
        [self.connections.collect(), self.most.collect()].concat()
    }
}
