//! A private NATS server.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

use crate::{Process, free_ports};

/// Names the program for tests.
const PROGRAM: &str = "MOVIEBOOKING_TEST_NATS_SERVER";

/// A NATS server with JetStream on a port of its own, which it keeps when it is started again.
pub struct NatsServer {
    program: PathBuf,
    folder: PathBuf,
    port: u16,
    process: Option<Process>,
}

impl NatsServer {
    /// Starts the program that `MOVIEBOOKING_TEST_NATS_SERVER` names; its stream and its log are in `folder`.
    ///
    /// # Errors
    /// When there is no such program.
    pub fn start(folder: &Path) -> anyhow::Result<Self> {
        let program = std::env::var_os(PROGRAM).map(PathBuf::from).with_context(|| {
            format!("{PROGRAM} is not set: `cargo xtask test` sets it; or name a nats-server program")
        })?;
        let [port] = free_ports()?;
        let mut server = Self { program, folder: folder.to_owned(), port, process: None };
        server.restart()?;
        Ok(server)
    }

    /// Starts the server again that was killed; what it had acknowledged is still there.
    ///
    /// # Errors
    /// When it runs, or cannot be started.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        if self.process.is_some() {
            bail!("the NATS server runs");
        }
        let mut command = Command::new(&self.program);
        command.args(["--addr", "127.0.0.1", "--port", &self.port.to_string(), "--jetstream", "--store_dir"]);
        command.arg(self.folder.join("jetstream"));
        self.process = Some(Process::start(&command, &self.folder.join("nats.log"))?);
        Ok(())
    }

    /// Ends the server as a crash does.
    ///
    /// # Errors
    /// When it does not run, or cannot be ended.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.process.take().context("the NATS server does not run")?.kill()
    }

    /// Whether the server runs; one that has ended by itself is forgotten.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn is_running(&mut self) -> anyhow::Result<bool> {
        if let Some(process) = &mut self.process
            && process.ended()?.is_some()
        {
            self.process = None;
        }
        Ok(self.process.is_some())
    }

    /// Its process, to be paused for instance.
    ///
    /// # Errors
    /// When it does not run.
    pub fn process(&self) -> anyhow::Result<&Process> {
        self.process.as_ref().context("the NATS server does not run")
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Where it is: `nats://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("nats://{}", self.address())
    }
}
