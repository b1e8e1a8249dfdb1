//! The demo cinema in a platform that runs elsewhere.

use std::{
    io::Write as _,
    net::SocketAddr,
    process::{Command, Output, Stdio},
};

use moviebooking_standalone::Accounts;

use crate::{System, programs};

const ADMIN: &str = "admin@demo.example";
const PASSWORD: &str = "the password of the test's admin";

/// Makes the first admin and the demo cinema, as an operator would, and gives what clients need. `command` runs a command of
/// a service's program where that runs: the service, the words, and what the program reads.
///
/// # Panics
/// With what a command said that has failed.
pub fn furnish(address: SocketAddr, command: impl Fn(&str, &[&str], &[u8])) -> System {
    command("users", &["create-admin", "--email", ADMIN, "--name", "Demo Admin"], PASSWORD.as_bytes());
    let catalogue = include_bytes!("../../crates/movies/data/movies.json");
    command("movies", &["import", "movies", "--format=json", "--json", "/dev/stdin"], catalogue);
    let data = tempfile::tempdir().expect("a folder");
    let mut demo = Command::new(programs().join("moviebooking"));
    demo.arg("demo").arg("--data").arg(data.path());
    demo.args([&format!("--gateway-url=http://{address}"), "--admin-email", ADMIN]);
    said(&run(&mut demo, PASSWORD.as_bytes()), "moviebooking demo");
    System::at(address, Accounts::read(data.path()).expect("accounts").expect("accounts"))
}

/// Runs a program with something to read.
///
/// # Panics
/// When it cannot be started.
pub fn run(command: &mut Command, input: &[u8]) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    // Who does not read it has ended, or has no use for it.
    let _ = child.stdin.take().expect("a pipe").write_all(input);
    child.wait_with_output().expect("it ends")
}

/// What a program printed that must have succeeded.
///
/// # Panics
/// With what it said, when it has not.
pub fn said(output: &Output, line: &str) -> String {
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{line}: {printed}\n{}", String::from_utf8_lossy(&output.stderr));
    printed
}
