//! Runs a small campaign over services that are broken on purpose, once for each fault, and says whether it was found.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool talks on its standard streams"
)]

use std::{
    path::Path,
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::Parser;
use moviebooking_audit::Invariant;
use moviebooking_chaos::{Options, run};
use moviebooking_launch::Durability;
use moviebooking_sabotage::{Fault, VARIABLE};
use tempfile::TempDir;

/// Checks that the campaign finds each fault, and nothing where there is none.
#[derive(Parser)]
struct Cli {
    /// Only this fault [default: a platform without any, and then all of them]
    #[arg(value_parser = fault)]
    fault: Option<Fault>,
    /// Run one campaign over a platform with the fault that the environment names
    #[arg(long, hide = true)]
    here: bool,
}

/// How a fault is brought about.
#[derive(Clone, Copy)]
struct Course {
    bookings: u64,
    kills: u64,
    only: Option<&'static str>,
    /// How long everything may take to settle.
    bound: Duration,
}

/// More than it takes a worker to take over what another one has left.
const SOON: Duration = Duration::from_secs(15);
/// Enough for what happens in every booking or in every tenth.
const CALM: Course = Course { bookings: 150, kills: 0, only: None, bound: SOON };
/// For what shows only when payments dies at the wrong moment.
const DEADLY: Course = Course { bookings: 500, kills: 12, only: Some("payments"), bound: SOON };
/// Of a platform without a fault anything may be killed.
const SOUND: Course = Course { bookings: 150, kills: 10, only: None, bound: Duration::from_secs(60) };

/// The rules that a fault breaks, each of which must be found broken, and how the campaign brings that about.
fn expected(fault: Fault) -> (&'static [Invariant], Course) {
    match fault {
        Fault::ConfirmIgnoresExpiry => (&[Invariant::SeatsSoldOnce], CALM),
        Fault::KeyIgnored => (&[Invariant::SameAnswer], CALM),
        Fault::CaptureBeforeConfirm => (&[Invariant::SeatsBeforeMoney], CALM),
        Fault::LostVoid => (&[Invariant::NothingLeftAuthorised], CALM),
        Fault::RefundTwice | Fault::RefundNotBooked => (&[Invariant::MoneyAgrees], CALM),
        Fault::NothingTakenOver => (&[Invariant::Settled, Invariant::Answered], DEADLY),
        Fault::DeclineToldAsPaid => (&[Invariant::AnswersTrue], CALM),
        Fault::EventOutsideTransaction => (&[Invariant::ChangesAreTold], DEADLY),
        Fault::EventsLost => (&[Invariant::ChangesAreTold], CALM),
        Fault::ExchangedStayValid | Fault::TicketsNotKept => (&[Invariant::PaidIsTicketed], CALM),
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match if cli.here { here(cli.fault) } else { all(cli.fault) } {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn fault(name: &str) -> Result<Fault, String> {
    let names = Fault::ALL.map(Fault::name);
    let index = names.iter().position(|known| known == name);
    index.map(|index| Fault::ALL[index]).ok_or_else(|| format!("use one of {}", names.join(", ")))
}

/// Each fault, and none, in a process of its own, whose environment the services get.
fn all(only: Option<Fault>) -> anyhow::Result<bool> {
    let own = std::env::current_exe().context("this program does not know where it is")?;
    let everything = [None].into_iter().chain(Fault::ALL.map(Some));
    let mut found_all = true;
    for fault in everything.filter(|fault| only.is_none() || only == *fault) {
        let began = Instant::now();
        let mut campaign = Command::new(&own);
        campaign.arg("--here").stdin(Stdio::null()).env_remove(VARIABLE);
        campaign.args(fault.map(Fault::name)).envs(fault.map(|fault| (VARIABLE, fault.name())));
        let output = campaign.output().context("cannot start the campaign")?;
        let found = output.status.success();
        let (name, expected) =
            fault.map_or(("no fault".to_owned(), "nothing found"), |fault| (fault.name(), "found"));
        let result = if found { expected } else { "NOT AS EXPECTED" };
        println!("{name:<26} {result:<16} {:>5.1} s", began.elapsed().as_secs_f64());
        if !found {
            println!(
                "{}\n{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        found_all &= found;
    }
    Ok(found_all)
}

/// Whether the campaign finds what the fault breaks, or nothing where there is none.
fn here(fault: Option<Fault>) -> anyhow::Result<bool> {
    let (broken, course) = fault.map_or((&[][..], SOUND), expected);
    let temporary = TempDir::new().context("cannot make a temporary folder")?;
    let own = std::env::current_exe().context("this program does not know where it is")?;
    let options = Options {
        bookings: course.bookings,
        kills: course.kills,
        seed: 1,
        at_once: 32,
        late: false,
        bound: course.bound,
        durability: Durability::Process,
        only: course.only.map(str::to_owned).into_iter().collect(),
        programs: own.parent().map(Path::to_owned).context("this program is in no folder")?,
        folder: temporary.path().to_owned(),
    };
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let report = runtime.block_on(run(&options, |line| eprintln!("{line}")))?;
    println!("{report}");
    let none = fault.is_none();
    Ok(if none { report.passes() } else { broken.iter().all(|rule| report.breaks(*rule)) })
}
