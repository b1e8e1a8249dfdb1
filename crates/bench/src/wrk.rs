//! `wrk`, which puts the same load on the platform and on the baseline, so that neither is measured with a tool of its
//! own.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, bail};
use moviebooking_launch::command;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ask {
    /// `GET /users/{id}`
    User,
    /// `POST /reservations`
    Reservation,
}

impl Ask {
    /// The name of it in the scripts.
    fn name(self) -> &'static str {
        match self {
            Self::User => "users",
            Self::Reservation => "reservations",
        }
    }
}

/// What `wrk` said.
pub(crate) struct Said {
    pub(crate) rate: f64,
    /// Milliseconds: the median, 99 % and 99.9 %.
    pub(crate) latency: [f64; 3],
    /// Answers that were none, or errors.
    pub(crate) failed: u64,
}

/// Runs the Lua script over as many connections; `words` are what the script takes after what is asked for.
pub(crate) fn run(
    folder: &Path,
    script: &str,
    url: &str,
    ask: Ask,
    words: &[&str],
    connections: usize,
    last: Duration,
) -> anyhow::Result<Said> {
    let program = command::on_path("wrk").context("wrk is not in PATH: the Debian package is `wrk`")?;
    fs::create_dir_all(folder)?;
    let file = folder.join("load.lua");
    fs::write(&file, script)?;
    let mut wrk = std::process::Command::new(program);
    wrk.args(["--threads=1", "--timeout=10s"]).current_dir(folder);
    wrk.args([format!("--connections={connections}"), format!("--duration={}s", last.as_secs().max(1))]);
    wrk.arg("--script").arg(&file).args([url, "--", ask.name()]).args(words);
    let printed = command::output(&mut wrk)?;
    let result =
        printed.lines().find_map(|line| line.strip_prefix("RESULT ")).context("wrk printed no result")?;
    let numbers: Vec<f64> = result.split(' ').filter_map(|number| number.parse().ok()).collect();
    let &[answers, seconds, p50, p99, p999, errors] = numbers.as_slice() else {
        bail!("wrk printed `{result}`");
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count, which is not negative"
    )]
    let failed = errors as u64;
    Ok(Said { rate: (answers - errors) / seconds, latency: [p50, p99, p999], failed })
}
