//! Where the programs of a cluster run: in which folder, and on which machine.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;
use moviebooking_launch::{Process, command};

/// A folder with everything that the programs write, with their logs in its folder `logs`; and the namespaces of a
/// machine, if they do not run on this one.
pub(crate) struct Place {
    pub(crate) folder: PathBuf,
    /// The process whose namespaces are entered.
    pub(crate) machine: Option<u32>,
}

/// Which namespaces of a machine a program is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inside {
    /// Its network: the program is seen and ended from outside.
    Network,
    /// Its network, mounts and processes: the program ends with the machine, and so does all that it starts.
    Machine,
}

impl Place {
    /// A file of the folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes a file of the folder, and gives its path.
    pub(crate) fn write(&self, name: &str, content: &str) -> anyhow::Result<PathBuf> {
        let path = self.file(name);
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// A program there: add its arguments.
    ///
    /// # Errors
    /// When there is a machine, and nsenter is missing.
    pub(crate) fn command(&self, program: &Path, inside: Inside) -> anyhow::Result<Command> {
        let Some(machine) = self.machine else { return Ok(Command::new(program)) };
        let nsenter = command::on_path("nsenter").context("nsenter is missing: install util-linux")?;
        let mut command = Command::new(nsenter);
        command.arg(format!("--net=/proc/{machine}/ns/net"));
        if inside == Inside::Machine {
            command.arg(format!("--mount=/proc/{machine}/ns/mnt"));
            command.arg(format!("--pid=/proc/{machine}/ns/pid_for_children"));
        }
        command.arg(program);
        Ok(command)
    }

    /// Starts a program with these arguments, which ends with whoever started it.
    pub(crate) fn start(
        &self,
        program: &Path,
        inside: Inside,
        arguments: &[String],
    ) -> anyhow::Result<Process> {
        let name = program.file_name().context("a program has a name")?.to_string_lossy();
        let mut command = self.command(program, inside)?;
        command.args(arguments).env("PATH", std::env::var_os("PATH").unwrap_or_default());
        Process::start(&command, &self.file("logs").join(format!("{name}.log")))
    }
}
