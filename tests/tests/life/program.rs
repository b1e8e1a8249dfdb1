//! A program by itself, in an environment that is a test's own.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use moviebooking_tests::programs;

/// A secret as long as it must be.
pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// The program of a service with nothing set.
pub(crate) fn program(name: &str) -> Command {
    let path = programs().join(format!("moviebooking-{name}"));
    assert!(path.is_file(), "{} is not there: run `cargo build --workspace` first", path.display());
    let mut command = Command::new(path);
    // A folder without a file `.env`.
    command.env_clear().current_dir(std::env::temp_dir()).stdin(Stdio::null());
    command
}

/// The program of a service with all that it must be given, on an SQLite database in the folder.
pub(crate) fn service(name: &str, folder: &Path) -> Command {
    let mut command = program(name);
    command
        .env("MOVIEBOOKING_LISTEN", "127.0.0.1:0")
        .env("MOVIEBOOKING_SERVICE_SECRET", SECRET)
        .env("MOVIEBOOKING_DATABASE_URL", format!("sqlite:{}", folder.join("test.db").display()));
    command
}

/// The one line that the program printed before it ended with this code.
#[track_caller]
pub(crate) fn refusal(command: &mut Command, code: i32) -> String {
    let output = command.env("MOVIEBOOKING_LOG", "error").output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{error}");
    assert_eq!(error.lines().count(), 1, "one clear line: {error}");
    error
}

/// Runs the command with this on its standard input.
pub(crate) fn told(command: &mut Command, input: &str) -> Output {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// An address that nobody listens on.
pub(crate) fn nobodys_address() -> String {
    let [port] = moviebooking_launch::free_ports().unwrap();
    format!("127.0.0.1:{port}")
}
