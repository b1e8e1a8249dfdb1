//! schemathesis in a virtual environment of the cache.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;

use super::Cache;
use crate::command;

/// schemathesis and all it depends on, each with its version.
const REQUIREMENTS: &str = include_str!("schemathesis.txt");

/// Where this version lives.
pub(super) fn folder(cache: &Cache) -> PathBuf {
    let version = REQUIREMENTS.lines().find_map(|line| line.strip_prefix("schemathesis=="));
    cache.0.join(format!("schemathesis-{}", version.unwrap_or_default()))
}

/// A copy of the requirements, written when the installation is complete.
fn receipt(cache: &Cache) -> PathBuf {
    folder(cache).join("requirements.txt")
}

/// Fails when there is no Python that can make virtual environments.
pub(super) fn find_python() -> Result<(), String> {
    match command::output(Command::new("python3").args(["-c", "import venv, ensurepip"])) {
        Ok(_) => Ok(()),
        Err(_) => Err("no python3 with the module venv".to_owned()),
    }
}

/// Fails when the cache does not hold exactly the required versions.
pub(super) fn find_schemathesis(cache: &Cache) -> Result<(), String> {
    match std::fs::read_to_string(receipt(cache)) {
        Ok(installed) if installed == REQUIREMENTS => Ok(()),
        _ => Err("schemathesis is not in the cache".to_owned()),
    }
}

/// Makes the virtual environment anew.
pub(super) fn install_schemathesis(cache: &Cache) -> anyhow::Result<()> {
    let folder = folder(cache);
    command::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    let list = folder.join("wanted.txt");
    std::fs::write(&list, REQUIREMENTS).with_context(|| format!("cannot write {}", list.display()))?;
    command::run(
        Command::new(folder.join("bin").join("pip"))
            .args(["--quiet", "--disable-pip-version-check", "--no-input", "install", "--requirement"])
            .arg(&list),
    )?;
    std::fs::rename(&list, receipt(cache)).context("cannot mark schemathesis as installed")
}
