//! The platform as processes, from the shell: started in the foreground, stopped from there or from elsewhere.

use std::{
    fs::{self, File, TryLockError},
    io::{Read as _, Seek as _, Write as _},
    path::Path,
    process::Command,
};

use anyhow::{Context as _, bail};
use moviebooking_launch::{GATEWAY, Platform, SANDBOX_BANK, SERVICES};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::command;
use crate::workspace::Workspace;

/// Below the target folder: the processes' logs and what else they keep.
const FOLDER: &str = "processes";

/// Runs the platform until a signal comes.
pub(crate) fn up(workspace: &Workspace, demo: bool) -> anyhow::Result<()> {
    let folder = workspace.target.join(FOLDER);
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let mut claim = Claim::open(&folder)?;
    if !claim.take()? {
        bail!("it is running already: `cargo xtask down` stops it");
    }
    workspace.build()?;
    for log in fs::read_dir(&folder)?.flatten().map(|entry| entry.path()) {
        if log.extension().is_some_and(|extension| extension == "log") {
            fs::remove_file(&log).with_context(|| format!("cannot remove {}", log.display()))?;
        }
    }
    let platform = Platform::start(&workspace.target.join("debug"), &folder)?;
    let accounts = demo.then(|| {
        println!("making the demo cinema");
        platform.make_demo(&workspace.root.join("crates/movies/data/movies.json"))
    });
    print(&platform, accounts.transpose()?.as_deref());
    // Not earlier: what ends this process while it starts the others ends those as well.
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot listen for signals")?;
    signals.forever().next();
    println!("stopping");
    drop(platform);
    Ok(())
}

/// Stops the platform that `up` runs, and waits until it has stopped.
pub(crate) fn down(workspace: &Workspace) -> anyhow::Result<()> {
    let folder = workspace.target.join(FOLDER);
    if !folder.exists() {
        println!("nothing is running");
        return Ok(());
    }
    let mut claim = Claim::open(&folder)?;
    if claim.take()? {
        println!("nothing is running");
        return Ok(());
    }
    command::output(Command::new("kill").args(["-TERM", &claim.owner()?]))?;
    claim.wait()?;
    println!("stopped");
    Ok(())
}

fn print(platform: &Platform, accounts: Option<&Path>) {
    println!("\n{:<13} {:<24} {:<34} process", "", "address", "metrics");
    for name in SERVICES.into_iter().chain([GATEWAY, SANDBOX_BANK]) {
        let metrics = format!("http://{}/metrics", platform.metrics_address(name));
        let id = platform.id(name).map(|id| id.to_string()).unwrap_or_default();
        println!("{name:<13} http://{:<17} {metrics:<34} {id}", platform.address(name).to_string());
    }
    println!("{:<13} {}", "PostgreSQL", platform.postgres().url());
    println!("\nlogs: {}/*.log", platform.folder().display());
    if let Some(accounts) = accounts {
        println!("the demo's accounts: {}", accounts.display());
    }
    println!("Ctrl-C or `cargo xtask down` stops it all");
}

/// The file that the running `up` holds a lock on and has its process id in. The system frees the lock when that process
/// ends, however it ends.
struct Claim(File);

impl Claim {
    fn open(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join("up");
        let mut options = File::options();
        let file = options.create(true).truncate(false).read(true).write(true).open(&path);
        Ok(Self(file.with_context(|| format!("cannot write {}", path.display()))?))
    }

    /// Takes the lock unless another process has it.
    fn take(&mut self) -> anyhow::Result<bool> {
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
        let mut first = Claim::open(folder.path()).unwrap();
        assert!(first.take().unwrap());
        let mut second = Claim::open(folder.path()).unwrap();
        assert!(!second.take().unwrap());
        assert_eq!(second.owner().unwrap(), std::process::id().to_string());
        drop(first);
        second.wait().unwrap();
    }
}
