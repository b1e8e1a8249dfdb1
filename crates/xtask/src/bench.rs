//! The benchmark: builds what is measured, then runs it.

use std::process::Command;

use anyhow::{Context as _, bail};
use moviebooking_launch::command;

use crate::workspace::Workspace;

/// Builds every program and runs the benchmark with these words. What is measured is built as the images are; the short
/// form and the help are what a developer has built anyway.
pub(crate) fn run(workspace: &Workspace, words: &[String]) -> anyhow::Result<()> {
    let quick = words.iter().any(|word| ["--short", "--help", "-h"].contains(&word.as_str()));
    let (profile, folder) = if quick { ("dev", "debug") } else { ("image", "image") };
    on_our_streams(workspace.cargo().args(["build", "--workspace", "--bins", "--profile", profile]))?;
    let program = workspace.target.join(folder).join("moviebooking-bench");
    on_our_streams(Command::new(program).args(words))
}

/// Runs the command without a word of ours on standard output, which may be read by a program.
fn on_our_streams(command: &mut Command) -> anyhow::Result<()> {
    let line = command::line(command);
    let status = command.status().with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}
