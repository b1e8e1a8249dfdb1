//! Running other programs: every command line is shown before it runs, and a failure names it.

use std::process::Command;

use anyhow::{Context as _, bail};

pub(crate) use moviebooking_launch::command::{is_root, on_path, output};

/// Shows the command, runs it on our own standard streams and fails unless it exits with 0.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    println!("$ {}", moviebooking_launch::command::line(command));
    run_unannounced(command)
}

/// The same without a word of ours on standard output, which may be read by a program.
pub(crate) fn run_unannounced(command: &mut Command) -> anyhow::Result<()> {
    let line = moviebooking_launch::command::line(command);
    let status = command.status().with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}
