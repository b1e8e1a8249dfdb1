//! PostgreSQL's programs, which distributions rarely put in `PATH`.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::command;

/// The oldest major version the project supports.
pub const OLDEST: u32 = 15;

/// The folder of the server programs: what `pg_config` names, else the newest of Debian's, else what `PATH` finds.
pub fn find() -> Option<PathBuf> {
    let configured = command::output(Command::new("pg_config").arg("--bindir")).ok();
    let configured = configured.map(|folder| PathBuf::from(folder.trim()));
    let on_path = command::on_path("initdb").and_then(|file| Some(file.parent()?.to_path_buf()));
    let mut folders = configured.into_iter().chain(debian()).chain(on_path);
    folders.find(|folder| version(folder).is_some_and(|version| version >= OLDEST))
}

/// Debian keeps each major version apart; newest first.
fn debian() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<u32> =
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    versions.into_iter().map(|version| PathBuf::from(format!("/usr/lib/postgresql/{version}/bin"))).collect()
}

/// The major version, when all programs that are needed are in the folder.
fn version(folder: &Path) -> Option<u32> {
    if !["initdb", "pg_ctl", "postgres", "psql"].iter().all(|program| folder.join(program).is_file()) {
        return None;
    }
    major(&command::output(Command::new(folder.join("postgres")).arg("--version")).ok()?)
}

/// Reads `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)`.
fn major(line: &str) -> Option<u32> {
    let digits = line.split_whitespace().nth(2)?;
    digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::major;

    #[test]
    fn versions_are_read() {
        assert_eq!(major("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n"), Some(15));
        assert_eq!(major("postgres (PostgreSQL) 19beta1\n"), Some(19));
        assert_eq!(major("no such program"), None);
    }
}
