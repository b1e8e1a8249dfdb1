//! The campaign: builds the programs, then runs it.

use std::process::Command;

use crate::command;
use crate::tools::{Cache, GoProgram, Tool, ensure};
use crate::workspace::Workspace;

/// What it needs beyond Rust.
pub(crate) const TOOLS: [Tool; 3] = [Tool::Postgres, Tool::Go, Tool::GoProgram(GoProgram::NatsServer)];

/// What the test run takes: about two minutes on two cores that have nothing else to do.
pub(crate) const SHORT: [&str; 4] = ["--bookings", "3000", "--kills", "100"];

/// What is built: the programs, and one small test so that cargo chooses the features of dependencies as it does where tests are
/// built as well. Else it would build the dependencies a second time.
const PROGRAMS: [&str; 5] = ["build", "--workspace", "--bins", "--test", "config"];

/// Builds every program and runs the campaign with these words.
pub(crate) fn run<S: AsRef<str>>(workspace: &Workspace, cache: &Cache, words: &[S]) -> anyhow::Result<()> {
    let words = words.iter().map(AsRef::as_ref);
    command::run_unannounced(workspace.cargo().args(PROGRAMS))?;
    let program = workspace.target.join("debug/moviebooking-chaos");
    command::run_unannounced(nats(Command::new(program).args(words), cache))
}

/// The same for the shell: what is missing is named first.
pub(crate) fn run_alone(workspace: &Workspace, words: &[String]) -> anyhow::Result<()> {
    let cache = Cache::locate()?;
    ensure(workspace, &cache, &TOOLS, false)?;
    run(workspace, &cache, words)
}

/// Tells a program where the NATS server is.
fn nats<'a>(command: &'a mut Command, cache: &Cache) -> &'a mut Command {
    command.env(GoProgram::NatsServer.variable(), GoProgram::NatsServer.path(cache))
}

/// The features that put faults into services, and the program that looks whether they are found.
const FAULTS: &str = "moviebooking-chaos/sabotage,moviebooking-events/sabotage,moviebooking-payments/sabotage,\
                      moviebooking-reservations/sabotage,moviebooking-tickets/sabotage";

/// Builds every program with faults to choose from, and checks that the campaign finds each. The programs are kept apart
/// from those of every other build; what they share with them is not built twice.
pub(crate) fn find_faults(workspace: &Workspace, cache: &Cache) -> anyhow::Result<()> {
    let folder = workspace.target.join("sabotage");
    let mut build = workspace.cargo();
    build.args(PROGRAMS).args(["--features", FAULTS]);
    build.env("CARGO_BUILD_BUILD_DIR", &workspace.target).env("CARGO_TARGET_DIR", &folder);
    command::run(&mut build)?;
    command::run(nats(&mut Command::new(folder.join("debug/moviebooking-sabotaged")), cache))
}
