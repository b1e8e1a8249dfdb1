//! The platform as processes, from the shell: started in the foreground, stopped from there or from elsewhere.

use std::{fs, path::Path};

use anyhow::{Context as _, bail};
use moviebooking_launch::{Claim, GATEWAY, Platform, SANDBOX_BANK, SERVICES};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::workspace::Workspace;

/// Below the target folder: the processes' logs and what else they keep.
const FOLDER: &str = "processes";
/// There, says who runs the platform.
const CLAIM: &str = "up";

/// Runs the platform until a signal comes.
pub(crate) fn up(workspace: &Workspace, demo: bool) -> anyhow::Result<()> {
    let folder = workspace.target.join(FOLDER);
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let mut claim = Claim::open(&folder.join(CLAIM))?;
    if !claim.take()? {
        bail!("it is running already: `cargo xtask down` stops it");
    }
    workspace.build()?;
    for log in fs::read_dir(&folder)?.flatten().map(|entry| entry.path()) {
        if log.extension().is_some_and(|extension| extension == "log") {
            fs::remove_file(&log).with_context(|| format!("cannot remove {}", log.display()))?;
        }
    }
    let platform = Platform::start(&workspace.target.join("debug"), &folder)?;
    let accounts = demo.then(|| {
        println!("making the demo cinema");
        platform.make_demo(&workspace.root.join("crates/movies/data/movies.json"))
    });
    print(&platform, accounts.transpose()?.as_deref());
    // Not earlier: what ends this process while it starts the others ends those as well.
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot listen for signals")?;
    signals.forever().next();
    println!("stopping");
    drop(platform);
    Ok(())
}

/// Stops the platform that `up` runs, and waits until it has stopped.
pub(crate) fn down(workspace: &Workspace) -> anyhow::Result<()> {
    let folder = workspace.target.join(FOLDER);
    let stopped = folder.exists() && Claim::open(&folder.join(CLAIM))?.stop_owner()?;
    println!("{}", if stopped { "stopped" } else { "nothing is running" });
    Ok(())
}

fn print(platform: &Platform, accounts: Option<&Path>) {
    println!("\n{:<13} {:<24} {:<34} process", "", "address", "metrics");
    for name in SERVICES.into_iter().chain([GATEWAY, SANDBOX_BANK]) {
        let metrics = format!("http://{}/metrics", platform.metrics_address(name));
        let id = platform.id(name).map(|id| id.to_string()).unwrap_or_default();
        println!("{name:<13} http://{:<17} {metrics:<34} {id}", platform.address(name).to_string());
    }
    println!("{:<13} {}", "PostgreSQL", platform.postgres().url());
    println!("\nlogs: {}/*.log", platform.folder().display());
    if let Some(accounts) = accounts {
        println!("the demo's accounts: {}", accounts.display());
    }
    println!("Ctrl-C or `cargo xtask down` stops it all");
}
