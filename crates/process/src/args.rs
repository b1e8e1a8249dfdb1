//! What every process takes, and what it does with it.

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use moviebooking_serve::{
    ConnectOptions, Health, Link, LogArgs, Server, StartError, Workers, bind,
    metrics::MetricsArgs,
    shutdown_signal,
    telemetry::TelemetryArgs,
    tls::{ServerTls, TlsArgs, UpstreamTlsArgs},
};
use tokio_util::sync::CancellationToken;

use crate::{Peer, healthcheck};

/// What every process takes. The port differs: give `--listen` its default by
/// `#[command(mut_arg("listen", |listen| listen.default_value("127.0.0.1:50051")))]`.
#[derive(Clone, Debug, clap::Args)]
pub struct ProcessArgs {
    /// Address and port to listen on.
    #[arg(long, env = "MOVIEBOOKING_LISTEN", value_name = "ADDRESS:PORT", required = false)]
    listen: SocketAddr,
    #[command(flatten)]
    tls: TlsArgs,
    #[command(flatten)]
    upstream: UpstreamTlsArgs,
    #[command(flatten)]
    metrics: MetricsArgs,
    #[command(flatten)]
    telemetry: TelemetryArgs,
    #[command(flatten)]
    log: LogArgs,
    /// Seconds for which the process goes on after SIGTERM, not ready and ending each connection with its next answer,
    /// before it stops: for whoever sends it requests to notice. For rolling updates behind a load balancer.
    #[arg(long, env = "MOVIEBOOKING_LINGER_SECONDS", value_name = "SECONDS", default_value_t = 0,
          value_parser = clap::value_parser!(u32).range(0..=300))]
    linger_seconds: u32,
    /// Ask the process that runs with these settings whether it is ready, instead of serving: exit code 0 if so. It is
    /// asked at the port of the metrics, or at its own where that is served without TLS. For a container's health check.
    #[arg(long)]
    healthcheck: bool,
}

impl ProcessArgs {
    /// Runs the process `name` ("gateway"): what `main` returns.
    pub fn main(&self, name: &'static str, run: impl Future<Output = Result<(), StartError>>) -> ExitCode {
        if self.healthcheck {
            return moviebooking_serve::main(&self.log, async { healthcheck::ask(self.health_address()?) });
        }
        moviebooking_serve::main_watched(name, &self.log, &self.telemetry, Workers::Quarter, run)
    }

    /// Where the process answers without TLS whether it is ready.
    fn health_address(&self) -> Result<SocketAddr, StartError> {
        match self.metrics.address() {
            Some(address) => Ok(address),
            None if self.tls.is_on() => Err(StartError::usage(
                "--healthcheck asks without TLS: set --metrics-listen (variable MOVIEBOOKING_METRICS_LISTEN)",
            )),
            None => Ok(self.listen),
        }
    }

    /// The process, once the files that its settings name are known to be good.
    ///
    /// # Errors
    /// When one cannot be used, or other machines could reach the process without TLS although nobody said so.
    pub async fn start(&self) -> Result<Process<'_>, StartError> {
        let tls = self.tls.server(self.listen).await?;
        let options = ConnectOptions { tls: self.upstream.client().await?, ..ConnectOptions::default() };
        Ok(Process { args: self, tls, options })
    }
}

/// A process that is about to serve.
#[derive(Debug)]
pub struct Process<'a> {
    args: &'a ProcessArgs,
    tls: Option<ServerTls>,
    options: ConnectOptions,
}

impl Process<'_> {
    /// A link to another process of the platform, which need not run yet.
    ///
    /// # Errors
    /// When its URL is none.
    pub fn connect<P: Peer>(&self, peer: &P) -> Result<Link, StartError> {
        Link::connect(peer.url(), &self.options).map_err(|error| {
            let text = format!("--{}-url (variable {}): {error}", P::NAME, P::VARIABLE);
            // Without certificate authorities no URL would do.
            if error.code() == 64 { StartError::usage(text) } else { StartError::config(text) }
        })
    }

    /// Serves, and does what `background` does, until the process was told to stop, has lingered and the requests under way
    /// are answered. The port of the metrics answers what `health` answers as well.
    ///
    /// # Errors
    /// When a port cannot be had.
    pub async fn serve(
        self,
        server: Server,
        health: &Health,
        background: impl AsyncFnOnce(CancellationToken),
    ) -> Result<(), StartError> {
        let listener = bind(self.args.listen, "--listen").await?;
        self.args.metrics.serve(Some(health)).await?;
        let (told, shutdown) = (shutdown_signal()?, CancellationToken::new());
        let linger = Duration::from_secs(self.args.linger_seconds.into());
        let leave = async {
            told.cancelled().await;
            health.leave().await;
            tokio::time::sleep(linger).await;
            shutdown.cancel();
        };
        let address = listener.local_addr().unwrap_or(self.args.listen);
        tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "listening");
        let server = server.with_tls(self.tls).with_leave(told.clone());
        tokio::join!(leave, server.run(listener, shutdown.clone()), background(shutdown.clone()));
        tracing::info!("stopped");
        Ok(())
    }
}
