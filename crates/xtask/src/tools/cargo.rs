//! Programs that come as crates: built from source once, each in its version, and kept in the cache.

use std::path::PathBuf;
use std::process::Command;

use super::Cache;
use crate::command;
use crate::images;

/// A program of a pinned version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Program {
    /// Checks dependencies
    Deny,
    /// Lists dependencies: an image's bill of materials
    Cyclonedx,
}

impl Program {
    fn name(self) -> &'static str {
        match self {
            Self::Deny => "cargo-deny",
            Self::Cyclonedx => "cargo-cyclonedx",
        }
    }

    fn version(self) -> &'static str {
        match self {
            Self::Deny => "0.20.2",
            Self::Cyclonedx => images::containerfile_argument("CARGO_CYCLONEDX"),
        }
    }

    /// Where the program of this version is, or will be.
    pub(crate) fn path(self, cache: &Cache) -> PathBuf {
        self.folder(cache).join("bin").join(self.name())
    }

    fn folder(self, cache: &Cache) -> PathBuf {
        cache.0.join(format!("{}-{}", self.name(), self.version()))
    }

    /// Fails when the cache does not hold it.
    pub(super) fn find(self, cache: &Cache) -> Result<(), String> {
        if self.path(cache).is_file() {
            return Ok(());
        }
        Err(format!("{} {} is not in the cache", self.name(), self.version()))
    }

    /// Builds it without optimisation, which takes under a minute on two cores, half of what a release build takes; a
    /// run takes two seconds.
    pub(super) fn install(self, cache: &Cache) -> anyhow::Result<()> {
        command::run(
            Command::new("cargo")
                // Away from the checkout, whose cargo configuration is not meant for it.
                .current_dir(&cache.0)
                .args(["install", "--quiet", "--locked", "--debug", "--root"])
                .arg(self.folder(cache))
                .arg(format!("{}@{}", self.name(), self.version()))
                .env("CARGO_PROFILE_DEV_DEBUG", "0"),
        )
    }
}
