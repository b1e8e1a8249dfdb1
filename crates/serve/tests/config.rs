//! Configuration as a person meets it. What depends on the environment runs in a process of its own.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use clap::Parser;
use moviebooking_serve::{LogArgs, ParseOutcome, parse, try_parse_from};
use std::{ffi::OsString, path::Path, process::Command};

#[derive(Debug, Parser)]
#[command(name = "cinema", version = "1.2.3")]
struct Args {
    /// Port to listen on.
    #[arg(long, env = "SERVE_TEST_PORT", default_value_t = 3000)]
    port: u16,
    /// A number that is a secret.
    #[arg(long, env = "SERVE_TEST_SECRET", hide_env_values = true)]
    secret: Option<u64>,
    #[command(flatten)]
    log: LogArgs,
}

#[derive(Debug, Parser)]
struct ChildArgs {
    #[command(flatten)]
    args: Args,
    /// What the test harness was called with.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    harness: Vec<OsString>,
}

fn refused(args: &[&str]) -> (u8, String) {
    match try_parse_from::<Args, _>(["cinema"].iter().chain(args)) {
        ParseOutcome::Refused(error) => (error.code(), error.to_string()),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_bad_value_is_one_line_with_flag_variable_and_reason() {
    let (code, text) = refused(&["--port", "abc\n1"]);
    assert_eq!(code, 64);
    assert_eq!(text.lines().count(), 1, "{text}");
    for part in ["--port", "SERVE_TEST_PORT", "abc", "invalid digit", "--help"] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    let (_, text) = refused(&["--log-format", "xml"]);
    assert!(text.contains("text, json") && text.contains("MOVIEBOOKING_LOG_FORMAT"), "{text}");
    let (_, text) = refused(&["--log", "info,x=loud"]);
    assert!(
        text.contains("give a level such as info") && text.contains("variable MOVIEBOOKING_LOG"),
        "{text}"
    );
}

#[test]
fn an_unknown_flag_gets_the_nearest_one() {
    let (code, text) = refused(&["--prt", "1"]);
    assert_eq!(code, 64);
    assert!(text.contains("--prt") && text.contains("--port"), "{text}");
    assert_eq!(text.lines().count(), 1);
}

#[test]
fn a_secret_is_not_repeated() {
    let (code, text) = refused(&["--secret", "hunter2"]);
    assert_eq!(code, 64);
    assert!(text.contains("--secret") && !text.contains("hunter2"), "{text}");
}

#[test]
fn help_and_version_are_shown() {
    for (flag, shown) in [("--help", "SERVE_TEST_PORT"), ("--version", "cinema 1.2.3")] {
        match try_parse_from::<Args, _>(["cinema", flag]) {
            ParseOutcome::Show(text) => assert!(text.contains(shown), "{text}"),
            other => panic!("not shown: {other:?}"),
        }
    }
}

/// Not a test of its own: what the tests below start as a process, in a folder and with variables of their choice.
#[test]
#[ignore = "started by the other tests as a process of its own"]
fn child() {
    let ChildArgs { args, harness } = parse();
    println!("port={} secret={:?} harness={}", args.port, args.secret, harness.len());
}

/// Exit code, standard output and standard error of [`child`].
fn run_child(folder: &Path, variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--ignored", "--nocapture"])
        .current_dir(folder)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn env_file_is_used_and_the_environment_wins() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, _) = run_child(folder.path(), &[]);
    assert!(code == Some(0) && out.contains("port=3000 secret=None"), "{out}");
    std::fs::write(folder.path().join(".env"), "# a comment\nSERVE_TEST_PORT=4000\nSERVE_TEST_SECRET='7'\n")
        .unwrap();
    let (code, out, _) = run_child(folder.path(), &[]);
    assert!(code == Some(0) && out.contains("port=4000 secret=Some(7)"), "{out}");
    let (code, out, _) = run_child(folder.path(), &[("SERVE_TEST_PORT", "5000")]);
    assert!(code == Some(0) && out.contains("port=5000 secret=Some(7)"), "{out}");
}

#[test]
fn a_bad_variable_ends_the_process_with_64_and_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, err) = run_child(folder.path(), &[("SERVE_TEST_PORT", "99999")]);
    assert_eq!(code, Some(64));
    assert_eq!(err.lines().count(), 1, "{err}");
    assert!(err.contains("SERVE_TEST_PORT") && err.contains("99999"), "{err}");
}

#[test]
fn a_broken_env_file_is_named_without_its_content() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(".env"), "SERVE_TEST_PORT=1\nSERVE_TEST_SECRET=hunter2 and more\n")
        .unwrap();
    let (code, _, err) = run_child(folder.path(), &[]);
    assert_eq!(code, Some(78));
    assert_eq!(err.lines().count(), 1, "{err}");
    assert!(err.contains(".env") && err.contains("line 2") && !err.contains("hunter2"), "{err}");
}
