//! Runs one service, or the gateway, as a process of its own: the settings that all of them take, and the frame from
//! `main` to the last request.
//!
//! A service's main flattens [`ServiceArgs`] and the [peers](Peer) that it calls into its command line. What is wrong
//! with the settings is one line and an exit code before anything is connected to:
//!
//! ```text
//! async fn run(cli: &Cli) -> Result<(), StartError> {
//!     let process = cli.service.start(NAME).await?;
//!     let (users, theaters) = (process.connect(&cli.users)?, process.link(&cli.theaters)?);
//!     let db = process.database(&MIGRATIONS).await?;
//!     let service = Service::new(db.clone(), process.clock(), theaters);
//!     process.serve(service.routes(), db, users, async |stop| service.run_background(stop).await).await
//! }
//! ```
//!
//! The gateway has neither database nor secret: it uses [`ProcessArgs`] and [peers](Peer) alone.

mod args;
mod credential;
#[cfg(feature = "service")]
mod database;
mod healthcheck;
mod password;
mod peers;
#[cfg(feature = "service")]
mod secret;
#[cfg(feature = "service")]
mod service;

pub use args::{Process, ProcessArgs};
pub use credential::Credential;
#[cfg(feature = "service")]
pub use database::{Database, secret_url};
pub use password::PasswordArgs;
pub use peers::{Movies, Payments, Peer, Reservations, Theaters, Tickets, Users};
#[cfg(feature = "service")]
pub use service::{ServiceArgs, ServiceProcess};
