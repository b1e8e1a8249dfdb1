//! The commands that people use.

use std::process::{Command, Output};

use serde_json::Value;

/// The images under test.
pub(crate) const IMAGES: [&str; 8] =
    ["users", "movies", "theaters", "reservations", "payments", "tickets", "gateway", "standalone"];

/// The full name of an image.
pub(crate) fn image(name: &str) -> String {
    format!("{}/{name}:{}", variable("MOVIEBOOKING_IMAGES"), env!("CARGO_PKG_VERSION"))
}

/// What the step tells its tests.
pub(crate) fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run `cargo xtask test --install compose`"))
}

/// Runs `docker` to its end, whatever that is.
pub(crate) fn try_docker(arguments: &[&str]) -> Output {
    Command::new("docker").args(arguments).output().unwrap()
}

/// Runs `docker` and gives what it printed.
pub(crate) fn docker(arguments: &[&str]) -> String {
    said(&try_docker(arguments), &format!("docker {arguments:?}"))
}

/// What `docker inspect` knows.
pub(crate) fn inspect(name: &str) -> Value {
    let all: Value = serde_json::from_str(&docker(&["inspect", name])).unwrap();
    all[0].clone()
}

/// What a program printed that must have succeeded.
pub(crate) fn said(output: &Output, line: &str) -> String {
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{line}: {printed}\n{}", String::from_utf8_lossy(&output.stderr));
    printed
}
