//! A running `moviebooking`, ended with the test.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, ChildStdout, Command, Output, Stdio},
};

/// The program in an empty environment, so that nothing of the machine's gets in.
pub(crate) fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_moviebooking"));
    command.env_clear().current_dir(folder).stdin(Stdio::null());
    command
}

/// Runs the program to its end.
pub(crate) fn run(folder: &Path, args: &[&str]) -> Output {
    command(folder).args(args).output().unwrap()
}

/// The one line that the program printed before it ended with this code.
pub(crate) fn refusal(output: &Output, code: i32) -> String {
    let error = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{error}");
    assert_eq!(error.lines().count(), 1, "one clear line: {error}");
    error
}

/// The program while it serves.
pub(crate) struct Serving {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// What it printed until it listened.
    pub(crate) greeting: String,
    /// `http://address:port`.
    pub(crate) url: String,
}

impl Serving {
    /// Starts it and waits until it says where it listens.
    pub(crate) fn start(command: Command) -> Self {
        Self::logging_to(command, Stdio::inherit())
    }

    /// Like `start`, with its log somewhere else.
    pub(crate) fn logging_to(mut command: Command, log: impl Into<Stdio>) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut greeting = String::new();
        stdout.read_line(&mut greeting).unwrap();
        let url = greeting.split_whitespace().find(|word| word.starts_with("http://")).unwrap_or_else(|| {
            panic!("the first line says where it listens: {greeting}");
        });
        let url = url.trim_end_matches('/').to_owned();
        Self { child, stdout, greeting, url }
    }

    /// Reads on until a line has this text.
    pub(crate) fn read_until(&mut self, text: &str) {
        while !self.greeting.lines().last().is_some_and(|line| line.contains(text)) {
            assert_ne!(self.stdout.read_line(&mut self.greeting).unwrap(), 0, "ended: {}", self.greeting);
        }
    }

    /// Asks it to end as Kubernetes does, and gives its exit code.
    pub(crate) fn terminate(mut self) -> Option<i32> {
        let killed = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
