//! The platform as seven processes on PostgreSQL.

use std::{path::PathBuf, sync::OnceLock};

use moviebooking_launch::{GATEWAY, Platform};
use moviebooking_standalone::Accounts;
use tempfile::TempDir;

use crate::System;

/// The platform as seven processes on a PostgreSQL server of their own, with the demo cinema. All of it ends with the
/// tests, also when those are killed.
pub struct Processes {
    /// How tests see every edition.
    pub system: System,
    /// The processes.
    pub platform: Platform,
    _folder: TempDir,
}

/// The folder of the programs under test: that of the tests' own.
///
/// # Panics
/// When this program is not where cargo puts tests.
pub fn programs() -> PathBuf {
    let own = std::env::current_exe().expect("a program");
    own.ancestors().nth(2).expect("the folder above that of the tests").to_owned()
}

impl Processes {
    /// A platform of one's own.
    ///
    /// # Errors
    /// When something does not start: what it wrote.
    pub fn start() -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let told = |error| format!("{error:#}");
        let platform = Platform::start(&programs(), folder.path()).map_err(told)?;
        let catalogue = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/movies/data/movies.json");
        let file = platform.make_demo(catalogue.as_ref()).map_err(told)?;
        let accounts = Accounts::read(file.parent().unwrap_or(&file)).map_err(|error| error.to_string())?;
        let accounts = accounts.ok_or("the demo has no accounts")?;
        Ok(Self { system: System::at(platform.address(GATEWAY), accounts), platform, _folder: folder })
    }

    /// The platform that all tests of a program share.
    ///
    /// # Panics
    /// When it does not start.
    pub fn shared() -> &'static Self {
        static PROCESSES: OnceLock<Result<Processes, String>> = OnceLock::new();
        match PROCESSES.get_or_init(Self::start) {
            Ok(processes) => processes,
            Err(error) => panic!("{error}"),
        }
    }
}

impl System {
    /// The platform that all tests of a program share: seven processes on PostgreSQL with the demo cinema.
    ///
    /// # Panics
    /// When it does not start.
    pub fn processes() -> &'static Self {
        &Processes::shared().system
    }
}
