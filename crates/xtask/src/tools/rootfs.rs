//! What the tests' images begin with, made from Debian's packages once and kept in the cache: no registry is needed.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;

use super::Cache;
use crate::command;

/// The root of a file system, as an archive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RootFs {
    /// What the default base of the Containerfile has: the C library, certificate authorities, time zones
    Base,
    /// The same with a shell and tar, by which Tilt brings a program into a container
    Development,
    /// PostgreSQL's server and client, a shell, and what unpacks backups
    Postgres,
}

impl RootFs {
    /// Where the archive is, or will be.
    pub(crate) fn path(self, cache: &Cache) -> PathBuf {
        // The number goes up when a file system is to be made anew: its packages stay as they were when it was made.
        let edition = match self {
            Self::Base => "base-1",
            Self::Development => "development-1",
            Self::Postgres => "postgres-2",
        };
        cache.0.join(format!("debian-{edition}.tar"))
    }

    fn packages(self) -> &'static str {
        match self {
            Self::Base => "base-files,libc6,libgcc-s1,ca-certificates,tzdata",
            Self::Development => "base-files,libc6,libgcc-s1,ca-certificates,tzdata,dash,tar",
            Self::Postgres => "base-files,dash,coreutils,tar,gzip,postgresql-15",
        }
    }

    /// What is left out, to be small: manuals, and the compiler that PostgreSQL's just-in-time compilation would use.
    fn left_out(self) -> &'static [&'static str] {
        match self {
            Self::Base | Self::Development => &[],
            Self::Postgres => &["/usr/share/{doc,man,locale}/*", "/usr/lib/*/libLLVM*"],
        }
    }

    /// Fails when the cache does not hold it.
    pub(super) fn find(self, cache: &Cache) -> Result<(), String> {
        let path = self.path(cache);
        if path.is_file() { Ok(()) } else { Err(format!("{} is not there", path.display())) }
    }

    /// Downloads the packages and unpacks them into an archive.
    pub(super) fn install(self, cache: &Cache) -> anyhow::Result<()> {
        let path = self.path(cache);
        let unfinished = path.with_extension("new.tar");
        let mut mmdebstrap = Command::new("mmdebstrap");
        mmdebstrap.args(["--quiet", "--variant=extract", "--include", self.packages()]);
        mmdebstrap.args(self.left_out().iter().map(|files| format!("--dpkgopt=path-exclude={files}")));
        command::run(mmdebstrap.arg("bookworm").arg(&unfinished))?;
        fs::rename(&unfinished, &path).with_context(|| format!("cannot write {}", path.display()))
    }
}
