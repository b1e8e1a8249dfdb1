//! The campaign from the shell: `cargo xtask chaos` builds everything and runs this.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool talks on its standard streams"
)]

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context as _;
use clap::Parser;
use moviebooking_chaos::{Options, run};
use moviebooking_launch::Durability;
use tempfile::TempDir;

/// How long everything may take to settle after the last kill or pause.
const BOUND: Duration = Duration::from_secs(60);

/// Books while processes are killed and paused, then checks everything that was answered and written.
///
/// It starts a private PostgreSQL and the platform's processes, with the programs that lie beside this one. The seed
/// decides what buyers do and what is killed. Exit code 0 says that every rule holds, 1 that one is broken or that too
/// little came about to tell.
#[derive(Parser)]
#[command(name = "moviebooking-chaos", version)]
struct Cli {
    /// How many bookings begin
    #[arg(long, default_value_t = 3_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    bookings: u64,
    /// How many processes are killed meanwhile
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(0..=100_000))]
    kills: u64,
    /// Any number [default: another one each time]
    #[arg(long)]
    seed: Option<u64>,
    /// How many book at the same time
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    at_once: u64,
    /// Kill and pause this process alone, or PostgreSQL; may be given several times [default: all]
    #[arg(long, value_name = "PROCESS")]
    only: Vec<String>,
    /// Keep the processes' logs in this folder [default: they are removed]
    #[arg(long, value_name = "FOLDER")]
    logs: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    match campaign(&Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every rule holds, and was put to the test.
fn campaign(cli: &Cli) -> anyhow::Result<bool> {
    let temporary = TempDir::new().context("cannot make a temporary folder")?;
    let own = std::env::current_exe().context("this program does not know where it is")?;
    let options = Options {
        bookings: cli.bookings,
        kills: cli.kills,
        seed: cli.seed.unwrap_or_else(rand::random),
        at_once: usize::try_from(cli.at_once)?,
        only: cli.only.clone(),
        late: true,
        bound: BOUND,
        durability: Durability::Machine,
        programs: own.parent().context("this program is in no folder")?.to_owned(),
        folder: cli.logs.clone().unwrap_or_else(|| temporary.path().to_owned()),
    };
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let report = runtime.block_on(run(&options, |line| eprintln!("{line}")))?;
    if cli.json {
        println!("{:#}", report.json());
    } else {
        println!("\n{report}");
    }
    Ok(report.passes())
}
