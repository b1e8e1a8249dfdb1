//! The campaign: builds the programs, then runs it.

use std::process::Command;

use crate::command;
use crate::workspace::Workspace;

/// What the test run takes: about two minutes on two cores that have nothing else to do.
pub(crate) const SHORT: [&str; 4] = ["--bookings", "3000", "--kills", "100"];

/// Builds every program and runs the campaign with these words.
pub(crate) fn run<S: AsRef<str>>(workspace: &Workspace, words: &[S]) -> anyhow::Result<()> {
    command::run_unannounced(workspace.cargo().args(["build", "--workspace", "--bins"]))?;
    let program = workspace.target.join("debug/moviebooking-chaos");
    command::run_unannounced(Command::new(program).args(words.iter().map(AsRef::as_ref)))
}
