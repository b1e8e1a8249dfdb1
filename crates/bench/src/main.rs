//! The benchmark: what the platform's processes do under load, beside what PostgreSQL does of the same writes with
//! nothing in front of it, and beside the same calls in NestJS. `cargo xtask bench` builds everything and runs it.
//!
//! All of it runs on one machine, load included, and the machine's disk and neighbours change from hour to hour: only
//! the ratios within one run say something.

mod connection;
mod gauge;
mod load;
mod nest;
mod pgbench;
mod places;
mod report;
mod scenario;
mod world;
mod wrk;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context as _;
use clap::Parser;

use crate::{report::Report, scenario::Scenario, world::World};

/// Measures the platform on this machine, on a private PostgreSQL with durable settings.
#[derive(Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench")]
struct Args {
    /// Only prove that every scenario runs: the numbers mean nothing
    #[arg(long)]
    short: bool,
    /// Print one JSON document instead of tables
    #[arg(long)]
    json: bool,
    /// Length of each run
    #[arg(long, value_name = "SECONDS", default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// What to measure [default: all, in this order]
    #[arg(value_name = "SCENARIO")]
    scenarios: Vec<Scenario>,
}

/// How long and how much.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Whether it is only to be shown that it runs.
    short: bool,
    /// Of each run that is counted.
    each: Duration,
}

impl Plan {
    /// One of two sizes.
    fn pick<T>(&self, full: T, short: T) -> T {
        if self.short { short } else { full }
    }
}

#[expect(clippy::print_stderr, reason = "what goes wrong is for whoever runs it")]
fn main() -> ExitCode {
    let args = Args::parse();
    // One thread: the load must leave the processors to what is measured.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime.context("cannot start a runtime").and_then(|runtime| runtime.block_on(run(&args)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> anyhow::Result<()> {
    let each = if args.short { Duration::from_millis(300) } else { Duration::from_secs(args.seconds) };
    let plan = Plan { short: args.short, each };
    let scenarios = if args.scenarios.is_empty() { Scenario::ALL.to_vec() } else { args.scenarios.clone() };
    let program = std::env::current_exe().context("this program does not know where it is")?;
    let programs = program.parent().context("a program lies in a folder")?;
    let folder: PathBuf = programs.join("bench");
    let mut report = Report::new(!args.json);
    let mut world = World::start(programs, &folder).await?;
    for scenario in scenarios {
        report.begin(scenario.title());
        scenario.run(&mut world, plan, &mut report).await.with_context(|| scenario.title())?;
    }
    drop(world);
    report.finish()
}
