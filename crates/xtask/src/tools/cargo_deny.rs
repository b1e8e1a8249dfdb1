//! cargo-deny: built from source once and kept in the cache.

use std::path::PathBuf;
use std::process::Command;

use super::Cache;
use crate::command;

const VERSION: &str = "0.20.2";

/// Where this version lives.
pub(super) fn folder(cache: &Cache) -> PathBuf {
    cache.0.join(format!("cargo-deny-{VERSION}"))
}

/// Fails when the cache does not hold it.
pub(super) fn find(cache: &Cache) -> Result<(), String> {
    if cache.cargo_deny().is_file() {
        Ok(())
    } else {
        Err(format!("cargo-deny {VERSION} is not in the cache"))
    }
}

/// Builds it without optimisation, which takes under a minute on two cores, half of what a release build takes; a check
/// takes two seconds.
pub(super) fn install(cache: &Cache) -> anyhow::Result<()> {
    command::run(
        Command::new("cargo")
            // Away from the checkout, whose cargo configuration is not meant for it.
            .current_dir(&cache.0)
            .args(["install", "--quiet", "--locked", "--debug", "--root"])
            .arg(folder(cache))
            .arg(format!("cargo-deny@{VERSION}"))
            .env("CARGO_PROFILE_DEV_DEBUG", "0"),
    )
}
