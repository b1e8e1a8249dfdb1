//! What happens to processes outside of tests, done on purpose: they crash, hang, and are started again by whoever
//! looks after them. None of it waits for a process to be ready.

use super::{Platform, all};

impl Platform {
    /// The processes, in the order in which they are started.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        all(self.bank)
    }

    /// Whether a process runs; one that has ended by itself is forgotten.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn is_running(&mut self, name: &str) -> anyhow::Result<bool> {
        let Some(process) = self.processes.get_mut(name) else { return Ok(false) };
        let ended = process.ended()?.is_some();
        if ended {
            self.processes.remove(name);
        }
        Ok(!ended)
    }

    /// Stops a process where it is (SIGSTOP), as a machine without time for it does.
    ///
    /// # Errors
    /// When it does not run.
    pub fn pause(&self, name: &str) -> anyhow::Result<()> {
        self.process(name)?.pause()
    }

    /// Lets a paused process go on.
    ///
    /// # Errors
    /// When it does not run.
    pub fn unpause(&self, name: &str) -> anyhow::Result<()> {
        self.process(name)?.unpause()
    }
}
