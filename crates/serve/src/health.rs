//! Whether this process is alive, and whether it is ready to be sent requests.

use axum::{Router, http::StatusCode, routing::get};
use std::{
    fmt::Display,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_health::{
    ServingStatus,
    pb::health_server::HealthServer,
    server::{HealthReporter, HealthService},
};

/// How often readiness is checked while there is.
const EVERY: Duration = Duration::from_secs(3);
/// How soon it is checked again after it was found missing, at first and at most: a process that starts or whose database
/// is back is sent requests at once.
const AGAIN: [Duration; 2] = [Duration::from_millis(20), Duration::from_secs(1)];
/// A check that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(2);

/// The readiness of a process and the three ways to ask for it: `grpc.health.v1.Health`, `/healthz` and `/readyz`.
/// It is not ready until a check has succeeded, and no longer once the process is stopping.
#[derive(Debug, Clone)]
pub struct Health {
    ready: Arc<AtomicBool>,
    leaving: Arc<AtomicBool>,
    reporter: HealthReporter,
    names: Arc<[String]>,
}

impl Health {
    /// Not ready yet. `names` are the full names of the gRPC services that share this readiness.
    pub async fn new(names: &[&str]) -> Self {
        let names = std::iter::once("").chain(names.iter().copied()).map(str::to_owned).collect();
        let health =
            Self { ready: Arc::default(), leaving: Arc::default(), reporter: HealthReporter::new(), names };
        health.report(ServingStatus::NotServing).await;
        health
    }

    /// Checks readiness until `shutdown`, then reports not ready and returns; spawn it. While the process is ready that
    /// is every three seconds, and else at least every second. A check fails by an error or by taking more than two
    /// seconds. Only changes are logged.
    pub async fn watch<E: Display>(
        self,
        check: impl AsyncFn() -> Result<(), E>,
        shutdown: CancellationToken,
    ) {
        let mut failing = false;
        let [mut again, longest] = AGAIN;
        while !self.leaving.load(Ordering::Relaxed) {
            let checked = tokio::select! {
                () = shutdown.cancelled() => break,
                checked = tokio::time::timeout(PATIENCE, check()) => checked,
            };
            let failure = match checked {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some("no answer in time".to_owned()),
            };
            match &failure {
                Some(error) if !failing => tracing::warn!(%error, "not ready"),
                None if !self.is_ready() => tracing::info!("ready"),
                _ => {}
            }
            failing = failure.is_some();
            self.set_ready(!failing).await;
            let pause = if failing { again } else { EVERY };
            again = if failing { longest.min(again * 2) } else { AGAIN[0] };
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.set_ready(false).await;
    }

    /// Whether the process is ready to be sent requests.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    /// `/healthz` (200 while the process answers at all) and `/readyz` (200 when ready, else 503).
    pub fn http_routes(&self) -> Router {
        let ready = Arc::clone(&self.ready);
        let readyz = async move || {
            if ready.load(Ordering::Relaxed) {
                (StatusCode::OK, "ready\n")
            } else {
                (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
            }
        };
        Router::new().route("/healthz", get(async || "ok\n")).route("/readyz", get(readyz))
    }

    /// `routes` with `grpc.health.v1.Health`.
    pub fn add_grpc(&self, routes: Routes) -> Routes {
        routes.add_service(HealthServer::new(HealthService::from_health_reporter(self.reporter.clone())))
    }

    /// Not ready from now on: the process stops soon.
    pub async fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
        self.set_ready(false).await;
    }

    async fn set_ready(&self, ready: bool) {
        let ready = ready && !self.leaving.load(Ordering::Relaxed);
        if self.ready.swap(ready, Ordering::Relaxed) != ready {
            self.report(if ready { ServingStatus::Serving } else { ServingStatus::NotServing }).await;
        }
    }

    async fn report(&self, status: ServingStatus) {
        for name in self.names.iter() {
            self.reporter.set_service_status(name, status).await;
        }
    }
}
