//! What runs once and is stopped from elsewhere.

use std::{
    fs::{File, TryLockError},
    io::{Read as _, Seek as _, Write as _},
    path::Path,
    process::Command,
};

use anyhow::Context as _;

use crate::command;

/// A file that the process which runs something holds a lock on and has its id in. The system frees the lock when that
/// process ends, however it ends.
pub struct Claim(File);

impl Claim {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// When that cannot be done.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let mut options = File::options();
        let file = options.create(true).truncate(false).read(true).write(true).open(path);
        Ok(Self(file.with_context(|| format!("cannot write {}", path.display()))?))
    }

    /// Takes the lock unless another process has it.
    ///
    /// # Errors
    /// When the system does not say who has it.
    pub fn take(&mut self) -> anyhow::Result<bool> {
        match self.0.try_lock() {
            Ok(()) => {
                self.0.set_len(0)?;
                write!(self.0, "{}", std::process::id())?;
                Ok(true)
            }
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error).context("cannot lock the file that says what runs"),
        }
    }

    /// Asks the process that has the lock to end (SIGTERM) and waits until it has. Says whether there was one.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn stop_owner(mut self) -> anyhow::Result<bool> {
        if self.take()? {
            return Ok(false);
        }
        let owner = self.owner()?;
        // A child that this process starts has its files, and so its locks, until it runs its own program.
        let is_other = owner != std::process::id().to_string();
        if is_other {
            command::output(Command::new("kill").args(["-TERM", &owner]))?;
        }
        self.wait()?;
        Ok(is_other)
    }

    /// The id of the process that has the lock.
    fn owner(&mut self) -> anyhow::Result<String> {
        let mut id = String::new();
        self.0.rewind()?;
        self.0.read_to_string(&mut id)?;
        Ok(id)
    }

    /// Waits until the lock is free.
    fn wait(&self) -> anyhow::Result<()> {
        self.0.lock().context("cannot wait for what runs")
    }
}

#[cfg(test)]
mod tests {
    use super::Claim;

    #[test]
    fn one_process_at_a_time_runs_it_and_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("up");
        let mut first = Claim::open(&path).unwrap();
        assert!(first.take().unwrap());
        let mut second = Claim::open(&path).unwrap();
        assert!(!second.take().unwrap());
        assert_eq!(second.owner().unwrap(), std::process::id().to_string());
        drop(first);
        second.wait().unwrap();
        drop(second);
        assert!(!Claim::open(&path).unwrap().stop_owner().unwrap());
    }
}
