//! Debian packages.

use std::process::Command;

use anyhow::bail;

use crate::command;

/// Installs the packages without asking.
///
/// # Errors
/// When this is not root or there is no apt-get: the command to run by hand.
pub(super) fn install(packages: &[&str]) -> anyhow::Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    if !command::is_root()? || command::on_path("apt-get").is_none() {
        bail!("only root can install packages; on Debian run: apt-get install {}", packages.join(" "));
    }
    let apt_get = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    command::run(apt_get().args(["--quiet=2", "update"]))?;
    command::run(apt_get().args(["--quiet=2", "--yes", "--no-install-recommends", "install"]).args(packages))
}
