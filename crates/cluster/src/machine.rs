//! The machine that a node is: namespaces of this one.

use std::{fs, path::Path, process::Command, time::Duration};

use anyhow::{Context as _, bail};
use moviebooking_launch::{Process, command, wait_until};

/// Makes the namespaces and waits.
const SCRIPT: &str = include_str!("machine.sh");

/// How long that takes at most.
const READY_BOUND: Duration = Duration::from_secs(20);

/// Namespaces with processes of their own; dropping it ends all of them and removes the folder.
pub(crate) struct Machine {
    process: Process,
    /// The process whose namespaces they are.
    pub(crate) id: u32,
}

impl Machine {
    /// Makes the namespaces, with this address on the loopback interface. `folder` has a folder `volumes`, which is at
    /// `/mnt` there.
    ///
    /// # Errors
    /// When this is not root, or what the system said.
    pub(crate) fn start(folder: &Path, address: &str) -> anyhow::Result<Self> {
        if !command::is_root()? {
            bail!("only root can start a node: a cluster of your own can be named by KUBECONFIG instead");
        }
        let shell = command::on_path("sh").context("sh is not in PATH")?;
        let mut script = Command::new(shell);
        script.args(["-c", SCRIPT, "machine"]).arg(folder).arg(address);
        script.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        let mut process = Process::start(&script, &folder.join("logs/machine.log"))?;
        wait_until(READY_BOUND, "the machine's namespaces", || {
            if let Some(status) = process.ended()? {
                bail!("they could not be made ({status})");
            }
            Ok(folder.join("machine-is-up").exists())
        })
        .with_context(|| process.last_words())?;
        let id = fs::read_to_string(folder.join("machine"))?.trim().parse()?;
        Ok(Self { process, id })
    }

    /// Ends everything in it.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        self.process.stop().map(drop)
    }
}
