//! Requests over HTTP by method, route and status.

use super::durations;
use http::Method;
use prometheus::{HistogramVec, IntGauge};
use std::{
    sync::{Arc, LazyLock},
    time::Instant,
};

/// The pattern that a request's path fitted, such as `/users/{id}`. Put it in the extensions of the response: the
/// server has metrics and traces under this name instead of under the path, of which there are any number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route(pub Arc<str>);

static DURATION: LazyLock<HistogramVec> = LazyLock::new(|| {
    durations(
        "moviebooking_http_server_duration_seconds",
        "HTTP requests answered, by route; the status of a gRPC call is its code.",
        &["method", "route", "status"],
    )
});

static IN_FLIGHT: LazyLock<IntGauge> = LazyLock::new(|| {
    super::gauge("moviebooking_http_server_in_flight", "HTTP requests being answered.", &[])
        .with_label_values::<&str>(&[])
});

/// A request that is being answered, for the metrics.
pub(crate) struct Exchange {
    begun: Instant,
}

impl Exchange {
    pub(crate) fn begin() -> Self {
        IN_FLIGHT.inc();
        Self { begun: Instant::now() }
    }

    pub(crate) fn end(self, verb: &str, route: &str, status: &str) {
        IN_FLIGHT.dec();
        DURATION.with_label_values(&[verb, route, status]).observe(self.begun.elapsed().as_secs_f64());
    }
}

/// The name of a method, of which a caller may make up any number.
pub(crate) fn verb(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "_OTHER",
    }
}
