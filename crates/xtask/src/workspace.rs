//! What cargo knows about this workspace.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use serde::Deserialize;

use crate::command;

/// The part of `cargo metadata` that the tasks need.
#[derive(Deserialize)]
pub(crate) struct Workspace {
    /// The folder of the workspace's `Cargo.toml`.
    #[serde(rename = "workspace_root")]
    pub(crate) root: PathBuf,
    /// Where cargo builds.
    #[serde(rename = "target_directory")]
    pub(crate) target: PathBuf,
    pub(crate) packages: Vec<Package>,
}

/// One crate of the workspace.
#[derive(Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifest_path: PathBuf,
    /// Dependencies of every kind: normal, build and development.
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line of a crate's dependency tables.
#[derive(Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `dev`, `build`, or nothing for a normal one.
    pub(crate) kind: Option<String>,
}

impl Workspace {
    /// Asks cargo about the workspace of the current folder.
    pub(crate) fn load() -> anyhow::Result<Self> {
        let json =
            command::output(Command::new("cargo").args(["metadata", "--no-deps", "--format-version", "1"]))?;
        serde_json::from_str(&json).context("cargo metadata answered something unexpected")
    }

    /// A cargo command in the workspace's root. Give it `--workspace` wherever it compiles: selecting single crates would
    /// unify features differently and build the dependencies a second time.
    pub(crate) fn cargo(&self) -> Command {
        let mut cargo = Command::new("cargo");
        cargo.current_dir(&self.root);
        cargo
    }

    /// Builds every target of every crate, so that programs lie in the target folder and tests need only run.
    pub(crate) fn build(&self) -> anyhow::Result<()> {
        command::run(self.cargo().args(["build", "--workspace", "--all-targets"]))
    }
}
