//! Runs steps one after the other and says how each went.

use std::time::{Duration, Instant};

use anyhow::anyhow;

use crate::steps::Step;
use crate::tools::{self, Cache};
use crate::workspace::Workspace;

/// Checks that every tool is there (or installs it), then runs the steps in order until one fails.
///
/// # Errors
/// The tools that are missing, or the first step that failed. The summary is printed in both cases.
pub(crate) fn run(workspace: &Workspace, steps: &[Step], install: bool) -> anyhow::Result<()> {
    let cache = Cache::locate()?;
    let mut needed = Vec::new();
    for tool in steps.iter().flat_map(|step| step.tools()) {
        if !needed.contains(&tool) {
            needed.push(tool);
        }
    }

    let mut lines = Vec::new();
    let began = Instant::now();
    let mut outcome = timed("tools", &mut lines, || tools::ensure(workspace, &cache, &needed, install));
    for step in steps {
        match outcome {
            Ok(()) => outcome = timed(&step.name(), &mut lines, || step.run(workspace, &cache)),
            Err(_) => lines.push(format!("  {:<13} not run", step.name())),
        }
    }

    println!("\n== summary ==");
    for line in lines {
        println!("{line}");
    }
    println!(
        "  {:<13} {:<7} {:>9}",
        "total",
        if outcome.is_ok() { "passed" } else { "FAILED" },
        show(began.elapsed())
    );
    outcome
}

fn timed(
    name: &str,
    lines: &mut Vec<String>,
    work: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    println!("\n== {name} ==");
    let began = Instant::now();
    let outcome = work();
    let time = show(began.elapsed());
    let word = if outcome.is_ok() { "passed" } else { "FAILED" };
    println!("-- {name} {word} in {time}");
    lines.push(format!("  {name:<13} {word:<7} {time:>9}"));
    outcome.map_err(|error| anyhow!("{name}: {error:#}"))
}

fn show(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 60.. => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{:.1}s", time.as_secs_f64()),
    }
}
