//! Node and the packages of the gRPC-Web clients.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use serde_json::Value;

use crate::command;
use crate::workspace::Workspace;

/// The oldest major version of Node that the clients were tried with.
const OLDEST_NODE: u32 = 20;

/// Fails when Node is missing or too old, or npm is missing.
pub(super) fn find_node() -> Result<(), String> {
    let version = command::output(Command::new("node").arg("--version")).unwrap_or_default();
    let major = version
        .trim()
        .trim_start_matches('v')
        .split('.')
        .next()
        .and_then(|digits| digits.parse::<u32>().ok());
    match major {
        Some(major) if major >= OLDEST_NODE && command::on_path("npm").is_some() => Ok(()),
        Some(major) if major >= OLDEST_NODE => Err("npm is not in PATH".to_owned()),
        Some(major) => Err(format!("Node {major} is too old: {OLDEST_NODE} or newer is needed")),
        None => Err("node is not in PATH".to_owned()),
    }
}

/// Fails unless exactly the locked packages are installed.
pub(super) fn find_packages(workspace: &Workspace) -> Result<(), String> {
    let wanted = packages(folder(workspace).join("package-lock.json"));
    // npm records there what it has installed.
    let installed = packages(folder(workspace).join("node_modules").join(".package-lock.json"));
    if wanted.is_some() && wanted == installed {
        Ok(())
    } else {
        Err("the npm packages of tests/grpc-web are not installed as locked".to_owned())
    }
}

/// Installs the locked packages; none of them may run a script.
pub(super) fn install_packages(workspace: &Workspace) -> anyhow::Result<()> {
    command::run(Command::new("npm").current_dir(folder(workspace)).args([
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
    ]))
    .context("cannot install the gRPC-Web clients")
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.root.join("tests").join("grpc-web")
}

/// The packages of a lock file, without the entry for the project itself.
fn packages(lock: PathBuf) -> Option<Vec<(String, Value)>> {
    let lock: Value = serde_json::from_str(&std::fs::read_to_string(lock).ok()?).ok()?;
    let packages = lock.get("packages")?.as_object()?.iter().filter(|(name, _)| !name.is_empty());
    Some(packages.map(|(name, package)| (name.clone(), package["version"].clone())).collect())
}
