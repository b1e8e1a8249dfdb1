//! What cargo alone cannot do: the whole test run with everything it needs, and the generated files.
//!
//! `cargo xtask test --install` is the one command of the README and of `.ci/run`: it sets up the tools that are missing,
//! starts a private PostgreSQL and runs every check of the project.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool talks on its standard streams"
)]

mod bench;
mod chaos;
mod cluster;
mod command;
mod compose;
mod edges;
mod generated;
mod images;
mod monitoring;
mod own_cluster;
mod processes;
mod runner;
mod steps;
mod test_images;
mod tilt;
mod tools;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

use crate::images::ImagesArgs;
use crate::steps::Step;
use crate::tools::Cache;
use crate::workspace::Workspace;

/// The project's own tasks, run as `cargo xtask TASK`.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Run the checks and tests of the whole project; stop at the first that fails
    Test {
        /// Install the tools that are missing: Debian packages (as root), the rest into the cache folder
        /// ($MOVIEBOOKING_CACHE, or moviebooking in $XDG_CACHE_HOME or ~/.cache)
        #[arg(long)]
        install: bool,
        /// Which steps to run, in this order
        #[arg(value_enum, value_name = "STEP", default_values_t = Step::ALL)]
        steps: Vec<Step>,
    },
    /// Write the generated files anew: openapi.json, docs/events.md and the custom resources' definitions
    #[command(alias = "openapi")]
    Generate,
    /// Run every service and the gateway as a process of its own, on a private PostgreSQL, until Ctrl-C or `down`
    Up {
        /// Fill it with the demo cinema
        #[arg(long)]
        demo: bool,
    },
    /// Stop what `up` runs
    Down,
    /// Book while processes are killed, and check everything afterwards: `cargo xtask chaos --help`
    #[command(disable_help_flag = true)]
    Chaos {
        /// What the campaign takes
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "WORD")]
        words: Vec<String>,
    },
    /// Measure the platform beside PostgreSQL alone and beside NestJS: `cargo xtask bench --help`
    #[command(disable_help_flag = true)]
    Bench {
        /// What the benchmark takes
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "WORD")]
        words: Vec<String>,
    },
    /// Run a Kubernetes of one node on this machine: `cargo xtask cluster --help`
    #[command(disable_help_flag = true)]
    Cluster {
        /// What the cluster's program takes
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "WORD")]
        words: Vec<String>,
    },
    /// Build the container images: services, gateway, operator, one-process edition
    Images(ImagesArgs),
}

fn main() -> ExitCode {
    match run(Task::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> anyhow::Result<()> {
    let workspace = Workspace::load()?;
    match task {
        Task::Test { install, steps } => runner::run(&workspace, &steps, install),
        Task::Generate => generated::rewrite(&workspace, &Cache::locate()?),
        Task::Up { demo } => processes::up(&workspace, demo),
        Task::Down => processes::down(&workspace),
        Task::Chaos { words } => chaos::run_alone(&workspace, &words),
        Task::Bench { words } => bench::run(&workspace, &words),
        Task::Cluster { words } => cluster::run(&workspace, &Cache::locate()?, &words),
        Task::Images(args) => images::build(&workspace, &Cache::locate()?, &args),
    }
}
