//! A cluster for as long as it is needed: `cargo xtask cluster --help`.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool talks on its standard streams"
)]

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Duration,
};

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};
use moviebooking_cluster::{Node, load};
use moviebooking_launch::{Claim, command};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

/// How often it is looked whether a command has ended.
const LOOK: Duration = Duration::from_millis(100);

/// Tells a command which cluster it runs beside: its folder.
const CLUSTER: &str = "MOVIEBOOKING_TEST_CLUSTER";

/// Names the folder of the cluster's programs.
const PROGRAMS: &str = "MOVIEBOOKING_TEST_KUBE_BIN";

/// A Kubernetes of one node on this machine, in a network of its own, for tests and development
#[derive(Parser)]
#[command(name = "cargo xtask cluster", bin_name = "cargo xtask cluster")]
struct Args {
    /// Folder that says which cluster runs
    #[arg(long, value_name = "FOLDER", default_value = "target/cluster")]
    state: PathBuf,
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run a cluster until Ctrl-C or `down`
    Up {
        /// Archives of images to load, as `docker save` makes them
        #[arg(value_name = "ARCHIVE")]
        archives: Vec<PathBuf>,
    },
    /// Stop what `up` runs
    Down,
    /// Load images into the cluster that runs
    Load {
        /// Archives as `docker save` makes them
        #[arg(value_name = "ARCHIVE", required = true)]
        archives: Vec<PathBuf>,
    },
    /// Run a command in the network of a new cluster, with KUBECONFIG set, and stop the cluster when it ends
    Run {
        /// Archive of images to load; may be given several times
        #[arg(long = "load", value_name = "ARCHIVE")]
        archives: Vec<PathBuf>,
        /// The command
        #[arg(last = true, required = true, value_name = "COMMAND")]
        command: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> anyhow::Result<ExitCode> {
    let state = args.state;
    match args.task {
        Task::Up { archives } => up(&state, &archives)?,
        Task::Down => {
            let stopped = state.exists() && Claim::open(&state.join("up"))?.stop_owner()?;
            println!("{}", if stopped { "stopped" } else { "nothing is running" });
        }
        Task::Load { archives } => {
            let folder = running(&state)?;
            archives.iter().try_for_each(|archive| load(&folder, archive))?;
        }
        Task::Run { archives, command } => return beside(&archives, &command),
    }
    Ok(ExitCode::SUCCESS)
}

fn up(state: &Path, archives: &[PathBuf]) -> anyhow::Result<()> {
    fs::create_dir_all(state).with_context(|| format!("cannot create {}", state.display()))?;
    let mut claim = Claim::open(&state.join("up"))?;
    if !claim.take()? {
        bail!("a cluster runs already: `cargo xtask cluster down` stops it");
    }
    let node = start(archives)?;
    fs::write(state.join("folder"), node.folder().display().to_string())?;
    let mut kubectl = node.kubectl()?;
    println!("    export KUBECONFIG={}", node.kubeconfig().display());
    println!("    {}", command::line(kubectl.args(["get", "pods", "--all-namespaces"])));
    println!("logs: {}", node.folder().join("logs").display());
    println!("Ctrl-C or `cargo xtask cluster down` stops it");
    // Not earlier: what ends this process while it starts the others ends those as well.
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot listen for signals")?;
    signals.forever().next();
    println!("stopping");
    drop(node);
    Ok(())
}

/// The folder of the cluster that runs.
fn running(state: &Path) -> anyhow::Result<PathBuf> {
    if let Some(folder) = std::env::var_os(CLUSTER) {
        return Ok(PathBuf::from(folder));
    }
    let folder = fs::read_to_string(state.join("folder"));
    folder.map(PathBuf::from).context("no cluster runs: `cargo xtask cluster up` starts one")
}

fn beside(archives: &[PathBuf], words: &[OsString]) -> anyhow::Result<ExitCode> {
    let (name, arguments) = words.split_first().context("a command is needed")?;
    let program = match Path::new(name).components().count() {
        1 => command::on_path(&name.to_string_lossy()),
        _ => Some(PathBuf::from(name)),
    };
    let program = program.with_context(|| format!("{} is not in PATH", name.display()))?;
    let mut node = start(archives)?;
    let mut command: Command = node.beside(&program)?;
    command.args(arguments).env("KUBECONFIG", node.kubeconfig()).env(CLUSTER, node.folder());
    command.env("PATH", with_kubectl()?);
    let mut command = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
    let status = loop {
        if let Some(status) = command.try_wait()? {
            break status;
        }
        node.mend()?;
        #[expect(clippy::disallowed_methods, reason = "a pause between two looks at the processes")]
        std::thread::sleep(LOOK);
    };
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Where programs are found, `kubectl` of the cluster's version among them.
fn with_kubectl() -> anyhow::Result<OsString> {
    let folders = [PROGRAMS, "PATH"].map(|name| std::env::var_os(name).unwrap_or_default());
    let folders = folders.iter().flat_map(std::env::split_paths);
    std::env::join_paths(folders).context("a folder of PATH has a name that cannot be in it")
}

fn start(archives: &[PathBuf]) -> anyhow::Result<Node> {
    let node = Node::start()?;
    archives.iter().try_for_each(|archive| load(node.folder(), archive))?;
    Ok(node)
}
