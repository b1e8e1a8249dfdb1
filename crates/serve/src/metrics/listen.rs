//! The port where the metrics are read.

use super::{READ, gauge, process::Process, registry};
use crate::{Health, Limits, Server, StartError, bind, process};
use axum::{Router, http::header::CONTENT_TYPE, response::IntoResponse, routing::get};
use prometheus::TextEncoder;
use std::{net::SocketAddr, sync::atomic::Ordering};
use tokio_util::sync::CancellationToken;

/// The form in which Prometheus reads metrics.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Where metrics are read; flatten it into a process's arguments.
#[derive(Debug, Clone, clap::Args)]
pub struct MetricsArgs {
    /// Address and port for Prometheus to read /metrics at, without TLS, with /healthz and /readyz; none unless given
    #[arg(long, env = "MOVIEBOOKING_METRICS_LISTEN", value_name = "ADDRESS:PORT")]
    metrics_listen: Option<SocketAddr>,
}

impl MetricsArgs {
    /// The configured address.
    pub fn address(&self) -> Option<SocketAddr> {
        self.metrics_listen
    }

    /// Answers `/metrics` (and what `health` answers over HTTP) at the configured address until the process ends, and
    /// begins to count; returns the address. Without one, nothing happens. Call it before serving.
    ///
    /// Probes that cannot present a client's certificate ask for health here.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub async fn serve(&self, health: Option<&Health>) -> Result<Option<SocketAddr>, StartError> {
        let Some(address) = self.metrics_listen else { return Ok(None) };
        let listener = bind(address, "--metrics-listen").await?;
        let address = listener.local_addr().unwrap_or(address);
        if !READ.swap(true, Ordering::Relaxed) {
            describe_process();
        }
        let router = Router::new().route("/metrics", get(metrics));
        let router = health.map_or_else(Router::new, Health::http_routes).merge(router);
        // Few read it, and whoever does may wait.
        let limits = Limits { connections: 32, requests: 32, ..Limits::default() };
        let server = Server::new(router).with_limits(limits).unwatched();
        tokio::spawn(server.run(listener, CancellationToken::new()));
        tracing::info!(%address, "metrics are at /metrics");
        Ok(Some(address))
    }
}

fn describe_process() {
    gauge("moviebooking_build_info", "What runs here.", &["process", "version"])
        .with_label_values(&[process::name(), env!("CARGO_PKG_VERSION")])
        .set(1);
    if let Err(error) = Process::new().and_then(|process| registry().register(Box::new(process))) {
        tracing::error!(%error, "the metrics of the process are not shown");
    }
}

async fn metrics() -> impl IntoResponse {
    let mut text = String::new();
    // It fails on a family without metrics alone, and the registry gathers none.
    let _ = TextEncoder::new().encode_utf8(&registry().gather(), &mut text);
    ([(CONTENT_TYPE, TEXT_FORMAT)], text)
}
