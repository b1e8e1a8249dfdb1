//! Under which account the server runs.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

use crate::command;

/// Under which account the server runs.
pub(super) enum Account {
    Own,
    Other { setpriv: PathBuf, uid: u32, gid: u32 },
}

impl Account {
    pub(super) fn choose() -> anyhow::Result<Self> {
        if !command::is_root()? {
            return Ok(Self::Own);
        }
        let setpriv =
            command::on_path("setpriv").context("setpriv is missing: install the package util-linux")?;
        for name in ["postgres", "nobody"] {
            let id = |flag| command::output(Command::new("id").args([flag, name]));
            if let (Ok(uid), Ok(gid)) = (id("-u"), id("-g")) {
                let (uid, gid) = (uid.trim().parse()?, gid.trim().parse()?);
                return Ok(Self::Other { setpriv, uid, gid });
            }
        }
        bail!("PostgreSQL refuses to run as root, and there is neither a user postgres nor a user nobody")
    }

    /// Gives the folder to the account.
    pub(super) fn own(&self, folder: &Path) -> anyhow::Result<()> {
        match self {
            Self::Own => Ok(()),
            Self::Other { uid, gid, .. } => std::os::unix::fs::chown(folder, Some(*uid), Some(*gid))
                .context("cannot give the folder away"),
        }
    }

    /// The program, run under the account.
    pub(super) fn command(&self, program: &Path) -> Command {
        match self {
            Self::Own => Command::new(program),
            Self::Other { setpriv, uid, gid } => {
                let mut command = Command::new(setpriv);
                command.args([format!("--reuid={uid}"), format!("--regid={gid}")]);
                command.arg("--clear-groups").arg(program);
                command
            }
        }
    }
}
