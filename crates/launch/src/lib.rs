//! Starts a private PostgreSQL, NATS and Docker and the platform's processes on this machine, for development and tests.
//!
//! Everything that is started here ends with whoever started it, however that ends: each program has a supervisor, a
//! shell that waits for the end of a pipe of which only the starter holds the other end.

mod claim;
pub mod command;
mod demo;
pub mod docker;
mod nats;
mod platform;
pub mod postgres;
mod process;

pub use claim::Claim;
pub use demo::Admin;
pub use nats::NatsServer;
pub use platform::{GATEWAY, ONE_PROCESS, Platform, SANDBOX_BANK, SERVICES, SandboxBank};
pub use postgres::{Durability, PrivatePostgres};
pub use process::Process;

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};

/// Between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(20);

/// Waits until `condition` holds.
///
/// # Errors
/// When it does not within `limit`, or cannot any more.
pub fn wait_until(
    limit: Duration,
    what: &str,
    mut condition: impl FnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let began = Instant::now();
    while !condition()? {
        if began.elapsed() > limit {
            bail!("{what}: not within {} s", limit.as_secs());
        }
        #[expect(clippy::disallowed_methods, reason = "a pause between two looks at a condition")]
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// Ports of the loopback address that were free a moment ago, each another one.
///
/// # Errors
/// When the system gives none.
pub fn free_ports<const COUNT: usize>() -> anyhow::Result<[u16; COUNT]> {
    let mut ports = [0; COUNT];
    let mut held = Vec::with_capacity(COUNT);
    for port in &mut ports {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("cannot bind to the loopback address")?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}
