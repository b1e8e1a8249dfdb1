//! PostgreSQL alone: `pgbench` doing the same writes on the same server, the line that no design of ours can pass with
//! as many round trips.

use std::{collections::BTreeMap, fs, time::Duration};

use anyhow::Context as _;
use moviebooking_launch::command;

use crate::{
    gauge::Gauge,
    load::{count, histogram},
    report::{Row, quantiles},
    world::World,
};

const SCHEMA: &str = include_str!("../pgbench/schema.sql");

/// What is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Script {
    /// A hold of three seats in one statement.
    Hold,
    /// A hold, its payment and its tickets in six transactions.
    Booking,
}

impl Script {
    fn text(self) -> &'static str {
        match self {
            Self::Hold => include_str!("../pgbench/hold.sql"),
            Self::Booking => include_str!("../pgbench/booking.sql"),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Hold => "PostgreSQL alone, hold",
            Self::Booking => "PostgreSQL alone, booking",
        }
    }

    /// How many there are.
    fn count(self) -> &'static str {
        match self {
            Self::Hold => "SELECT count(*) FROM holds",
            Self::Booking => "SELECT count(*) FROM payments WHERE state = 'captured'",
        }
    }
}

/// Over how many showtimes of 300 seats: so many that hardly a try is lost to another that took a seat before. Ours lose
/// none, because they take the seats in turn.
const SHOWTIMES: usize = 20_000;

/// Runs a script with as many clients, on new tables, after a third of the time that is not counted, as our own load.
pub(crate) fn run(world: &World, script: Script, clients: usize, last: Duration) -> anyhow::Result<Row> {
    let postgres = world.platform.postgres();
    postgres.query("pgbench", SCHEMA)?;
    world.settle()?;
    let folder = world.folder.join("pgbench");
    fs::create_dir_all(&folder)?;
    let file = folder.join("script.sql");
    fs::write(&file, script.text())?;
    let seconds = last.as_secs().max(1);
    let run = |seconds: u64, log: &[&str]| {
        let mut pgbench = postgres.client("pgbench");
        pgbench.args(["--no-vacuum", "--protocol=prepared"]).args(log).current_dir(&folder);
        pgbench.args([format!("--client={clients}"), format!("--jobs={}", clients.min(2))]);
        pgbench.args([format!("--time={seconds}"), format!("--define=showtimes={SHOWTIMES}")]);
        pgbench.arg("--file").arg(&file).arg(postgres.database_url("pgbench"));
        command::output(&mut pgbench)
    };
    let count_done = || -> anyhow::Result<u64> {
        postgres.query("pgbench", script.count())?.trim().parse().context("no count")
    };
    run((seconds / 3).max(1), &[])?;
    let before = count_done()?;
    let gauge = Gauge::begin_with(&world.platform, Vec::new())?;
    run(seconds, &["--log", "--log-prefix=log"])?;
    let usage = gauge.end()?;
    let done = count_done()? - before;
    let mut latency = histogram()?;
    let mut tried = 0;
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        if !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("log")) {
            continue;
        }
        // client, number, microseconds or `failed`, …
        for line in fs::read_to_string(&path)?.lines() {
            tried += 1;
            if let Some(Ok(taken)) = line.split(' ').nth(2).map(str::parse) {
                latency.saturating_record(taken);
            }
        }
        fs::remove_file(path)?;
    }
    Ok(Row {
        what: script.name().to_owned(),
        load: format!("closed, {clients}"),
        rate: count(done) / count(seconds),
        latency: quantiles(&latency),
        others: [tried - done.min(tried), 0, 0],
        usage: BTreeMap::from_iter(usage),
    })
}
