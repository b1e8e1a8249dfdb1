//! What every process of the platform does, whatever it serves: read its configuration, log, send traces, count for
//! Prometheus, answer health and reflection, serve HTTP/1.1 and HTTP/2 on one port within limits and with TLS, call
//! the other services, and stop without cutting anybody off.
//!
//! A service's main:
//!
//! ```no_run
//! use moviebooking_serve as serve;
//! use std::{net::SocketAddr, process::ExitCode};
//!
//! /// Serves the users of the platform over gRPC.
//! #[derive(clap::Parser)]
//! #[command(version)]
//! struct Args {
//!     /// Address and port to listen on.
//!     #[arg(long, env = "MOVIEBOOKING_LISTEN", default_value = "127.0.0.1:4001")]
//!     listen: SocketAddr,
//!     #[command(flatten)]
//!     tls: serve::tls::TlsArgs,
//!     #[command(flatten)]
//!     upstream: serve::tls::UpstreamTlsArgs,
//!     #[command(flatten)]
//!     metrics: serve::metrics::MetricsArgs,
//!     #[command(flatten)]
//!     telemetry: serve::telemetry::TelemetryArgs,
//!     #[command(flatten)]
//!     log: serve::LogArgs,
//! }
//!
//! fn main() -> ExitCode {
//!     let args: Args = serve::parse();
//!     serve::main_watched("users", &args.log, &args.telemetry, serve::Workers::Quarter, run(&args))
//! }
//!
//! async fn run(args: &Args) -> Result<(), serve::StartError> {
//!     let tls = args.tls.server(args.listen).await?;
//!     let options = serve::ConnectOptions { tls: args.upstream.client().await?, ..Default::default() };
//!     let movies = serve::Link::connect("https://movies:4002", &options)?;
//!     let listener = serve::bind(args.listen, "--listen").await?;
//!     let shutdown = serve::shutdown_signal()?;
//!     let names = ["moviebooking.users.v1.UsersService"];
//!     let health = serve::Health::new(&names).await;
//!     args.metrics.serve(Some(&health)).await?;
//!     let ping = || async { Ok::<(), std::io::Error>(()) };
//!     tokio::spawn(health.clone().watch(ping, shutdown.clone()));
//!     let routes = tonic::service::Routes::default();
//!     let router = serve::grpc_router(routes, &health, &[], &names)?;
//!     serve::Server::new(router).with_tls(tls).run(listener, shutdown).await;
//!     Ok(())
//! }
//! ```
//! Services in one process call each other through [`Link::local`], and where two need one another, through
//! [`Link::slot`], which is filled once both exist.

mod body;
mod config;
mod connect;
mod crypto;
mod exit;
pub mod files;
mod health;
mod io;
mod link;
mod log;
pub mod metrics;
mod process;
mod reflection;
mod request;
mod server;
mod signal;
pub mod telemetry;
pub mod tls;
mod watch;

pub use config::{ParseOutcome, load_env_file, parse, try_parse_from};
pub use connect::ConnectOptions;
pub use crypto::install_crypto_provider;
pub use exit::StartError;
pub use health::Health;
pub use link::{Link, LinkFuture, LinkSlot};
pub use log::{LogArgs, LogFormat};
pub use process::{Workers, grpc_router, main, main_watched};
pub use reflection::add_reflection;
pub use request::{REQUEST_ID_HEADER, current_request_id};
pub use server::{Limits, REQUESTS, Server, bind};
pub use signal::shutdown_signal;
