//! The one-process edition in the place of the separate processes, to compare the two.

use std::iter;

use super::{GATEWAY, Platform, SANDBOX_BANK, SERVICES, SandboxBank, set};

/// The process that has all services and the gateway, where it runs in their place: on their databases, at the gateway's
/// address.
pub const ONE_PROCESS: &str = "one process";

impl Platform {
    /// Ends the separate processes, all of which must run, and starts the one process in their place.
    ///
    /// # Errors
    /// When a process does not run or end, or the one does not become ready.
    pub fn use_one_process(&mut self) -> anyhow::Result<()> {
        let bank = (self.bank == SandboxBank::Process).then_some(SANDBOX_BANK);
        // Who calls is ended before who is called: nobody misses another.
        for name in iter::once(GATEWAY).chain(SERVICES.into_iter().rev()).chain(bank) {
            self.stop(name)?;
        }
        self.launch(ONE_PROCESS)
    }

    /// Ends the one process, and starts the separate ones again.
    ///
    /// # Errors
    /// When it does not run or end, or a process does not become ready.
    pub fn use_separate_processes(&mut self) -> anyhow::Result<()> {
        self.stop(ONE_PROCESS)?;
        self.launch_all()
    }

    /// What the one process needs to know.
    pub(super) fn of_one_process(&self) -> [(String, String); 4] {
        [
            set("DATABASE_URL", self.postgres.database_url("{service}")),
            set("DATA", self.folder.join("one-process").display().to_string()),
            set("DEMO", "off".to_owned()),
            // On one machine receivers are on loopback.
            set("WEBHOOKS_ALLOW_LOCAL", "true".to_owned()),
        ]
    }
}
