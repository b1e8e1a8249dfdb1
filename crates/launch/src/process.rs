//! One program that ends with whoever started it.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context as _, bail};

use crate::{command, wait_until};

/// Runs a program and prints its id; asks it to end when standard input does, and ends as it does.
const SUPERVISOR: &str = r#"
exec 3<&0 </dev/null
"$@" 3<&- >&2 &
program=$!
echo "$program"
exec >/dev/null
{ read -r _ <&3; kill -TERM "$program"; } 2>/dev/null &
watcher=$!
wait "$program"
code=$?
kill "$watcher" 2>/dev/null
exit "$code"
"#;

/// Longer than a process may take to finish the requests under way.
const STOP_BOUND: Duration = Duration::from_secs(40);

/// A running program; dropping it asks it to end (SIGTERM) and waits.
pub struct Process {
    supervisor: Child,
    id: u32,
    log: PathBuf,
}

impl Process {
    /// Starts the program of the command with its arguments, in the environment that the command sets and nothing more.
    /// What it writes goes to the end of the file `log`, in whose folder it works.
    ///
    /// # Errors
    /// When there is no such program, with how to build it.
    pub fn start(command: &Command, log: &Path) -> anyhow::Result<Self> {
        let program = Path::new(command.get_program());
        if !program.is_file() {
            bail!("{} is not there: run `cargo build --workspace` first", program.display());
        }
        let folder = log.parent().context("a log is in a folder")?;
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let written = File::options().create(true).append(true).open(log);
        let written = written.with_context(|| format!("cannot write {}", log.display()))?;
        let environment = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
        let mut supervisor = Command::new("sh")
            .args(["-c", SUPERVISOR, "supervisor"])
            .arg(program)
            .args(command.get_args())
            .env_clear()
            .envs(environment)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(written)
            // Out of reach of a Ctrl-C, which the terminal sends to its whole foreground group.
            .process_group(0)
            .spawn()
            .context("cannot start sh")?;
        let mut id = String::new();
        let printed = supervisor.stdout.take().context("sh has no standard output")?;
        BufReader::new(printed).read_line(&mut id)?;
        let id = id.trim().parse().context("sh did not tell the id of the program")?;
        Ok(Self { supervisor, id, log: log.to_owned() })
    }

    /// The id of the program's process.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// How the program ended; `None` while it runs.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.supervisor.try_wait()?)
    }

    /// Asks the program to end, and gives its exit code when it has.
    ///
    /// # Errors
    /// When it does not end, which it then is made to.
    pub fn stop(mut self) -> anyhow::Result<Option<i32>> {
        drop(self.supervisor.stdin.take());
        self.wait()
    }

    /// Ends the program as a crash does.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub fn kill(mut self) -> anyhow::Result<()> {
        // One that has ended by itself a moment ago gets no signal, and is waited for as well.
        drop(self.signal("KILL"));
        self.wait().map(drop)
    }

    /// Stops the program where it is, until [`unpause`](Self::unpause). It must go on before it can be asked to end.
    ///
    /// # Errors
    /// When it does not run.
    pub fn pause(&self) -> anyhow::Result<()> {
        self.signal("STOP")
    }

    /// Lets the program go on after [`pause`](Self::pause).
    ///
    /// # Errors
    /// When it does not run.
    pub fn unpause(&self) -> anyhow::Result<()> {
        self.signal("CONT")
    }

    /// The last lines that the program wrote.
    pub fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }

    fn signal(&self, name: &str) -> anyhow::Result<()> {
        command::output(Command::new("kill").args([&format!("-{name}"), &self.id.to_string()])).map(drop)
    }

    fn wait(&mut self) -> anyhow::Result<Option<i32>> {
        let mut ended = None;
        let waited = wait_until(STOP_BOUND, "the program does not end", || {
            ended = self.supervisor.try_wait()?;
            Ok(ended.is_some())
        });
        if waited.is_err() {
            self.signal("KILL")?;
            self.supervisor.wait()?;
        }
        waited.map(|()| ended.and_then(|ended| ended.code()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.supervisor.stdin.take().is_some() {
            // Nobody is left to be told that it did not end in time.
            let _ = self.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> (tempfile::TempDir, Process) {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let process = Process::start(&Command::new(program), &folder.path().join("log")).unwrap();
        (folder, process)
    }

    #[test]
    fn its_exit_code_and_words_are_known() {
        let (_folder, mut process) = shell("echo said; echo complained >&2; exit 7");
        let mut code = None;
        wait_until(Duration::from_secs(10), "the end", || {
            code = process.ended()?.and_then(|status| status.code());
            Ok(code.is_some())
        })
        .unwrap();
        assert_eq!(code, Some(7));
        assert_eq!(process.last_words(), "said\ncomplained");
    }

    #[test]
    fn it_is_asked_to_end() {
        let (folder, process) = shell("trap 'exit 3' TERM; mkfifo fifo; echo > ready; read -r _ < fifo");
        wait_until(Duration::from_secs(10), "the trap", || Ok(folder.path().join("ready").exists())).unwrap();
        assert_eq!(process.stop().unwrap(), Some(3));
    }

    #[test]
    fn a_program_that_is_not_built_is_named_with_the_fix() {
        let error = Process::start(&Command::new("nowhere/service"), Path::new("log")).err().unwrap();
        assert!(error.to_string().contains("cargo build --workspace"), "{error}");
    }
}
