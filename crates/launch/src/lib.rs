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
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};

/// Between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(20);
/// The ports that servers are given, and how many there are. They lie below those that the system gives to whoever asks for
/// any, as each client does that connects (`ip_local_port_range`, 32768 to 60999): nobody takes one before its server has
/// started.
const FIRST_PORT: u16 = 20_000;
const PORTS: u16 = 10_000;

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
/// When none is free.
pub fn free_ports<const COUNT: usize>() -> anyhow::Result<[u16; COUNT]> {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    // Programs that run at the same time begin somewhere else.
    let first = std::process::id().wrapping_mul(101);
    let mut ports = [0; COUNT];
    for port in &mut ports {
        let mut next = (0..PORTS).map(|_| {
            let number = first.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed)) % u32::from(PORTS);
            FIRST_PORT + number as u16
        });
        let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
        *port = next.find(is_free).context("no port of the loopback address is free")?;
    }
    Ok(ports)
}
