//! Processor time and memory of processes, as Linux's `/proc` tells them.

use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use moviebooking_launch::{GATEWAY, ONE_PROCESS, Platform, SERVICES};

/// Ticks in a second: Linux shows 100 to programs on every architecture (`USER_HZ`).
const TICKS: u32 = 100;

/// The processes of a run and where they stood at its beginning.
pub(crate) struct Gauge {
    processes: Vec<(&'static str, u32)>,
    postgres: u32,
    begun: Instant,
    before: BTreeMap<&'static str, Duration>,
}

/// What a process took in a run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Processors busy, on average.
    pub(crate) processors: f64,
    /// Resident memory at the end, in MiB; for PostgreSQL, whose processes share theirs, none.
    pub(crate) resident: Option<f64>,
}

/// The name of the load in a [`Usage`], pgbench and wrk included.
const LOAD: &str = "load";
const POSTGRES: &str = "postgres";

impl Gauge {
    /// Begins to measure the platform's processes, its PostgreSQL and this one.
    pub(crate) fn begin(platform: &Platform) -> anyhow::Result<Self> {
        let names = SERVICES.into_iter().chain([GATEWAY, ONE_PROCESS]);
        Self::begin_with(platform, names.filter_map(|name| Some((name, platform.id(name)?))).collect())
    }

    /// The same of other processes on the platform's PostgreSQL.
    pub(crate) fn begin_with(
        platform: &Platform,
        processes: Vec<(&'static str, u32)>,
    ) -> anyhow::Result<Self> {
        let mut gauge = Self {
            processes,
            postgres: platform.postgres().id()?,
            begun: Instant::now(),
            before: BTreeMap::new(),
        };
        gauge.before = gauge.read()?;
        gauge.begun = Instant::now();
        Ok(gauge)
    }

    /// What each took since, those that took nothing left out.
    pub(crate) fn end(self) -> anyhow::Result<BTreeMap<&'static str, Usage>> {
        let elapsed = self.begun.elapsed().as_secs_f64();
        let mut used = BTreeMap::new();
        for (name, after) in self.read()? {
            let spent = after.saturating_sub(self.before.get(name).copied().unwrap_or_default());
            let id = self.processes.iter().find(|(known, _)| *known == name).map(|(_, id)| *id);
            let usage =
                Usage { processors: spent.as_secs_f64() / elapsed, resident: id.map(resident).transpose()? };
            if usage.processors >= 0.005 {
                used.insert(name, usage);
            }
        }
        Ok(used)
    }

    fn read(&self) -> anyhow::Result<BTreeMap<&'static str, Duration>> {
        let mut times = BTreeMap::new();
        for (name, id) in &self.processes {
            times.insert(*name, stat(*id)?.own);
        }
        let load = stat(std::process::id())?;
        times.insert(LOAD, load.own + load.children);
        times.insert(POSTGRES, server(self.postgres)?);
        Ok(times)
    }
}

/// Resident memory of a process, in MiB.
pub(crate) fn resident(id: u32) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).context("a process has ended")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes: f64 =
        line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or_default();
    Ok(kilobytes / 1024.0)
}

struct Stat {
    parent: u32,
    own: Duration,
    /// Of children that have ended and were waited for.
    children: Duration,
}

fn stat(id: u32) -> anyhow::Result<Stat> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).context("a process has ended")?;
    // The second field, the program's name in parentheses, may hold spaces; the third is number 0 after it.
    let (_, rest) = text.rsplit_once(')').context("/proc/PID/stat has another form")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let field =
        |number: usize| fields.get(number).and_then(|field| field.parse::<u32>().ok()).unwrap_or_default();
    let time = |ticks: u32| Duration::from_secs(ticks.into()) / TICKS;
    Ok(Stat { parent: field(1), own: time(field(11) + field(12)), children: time(field(13) + field(14)) })
}

/// PostgreSQL's processes, those that have ended included.
fn server(main: u32) -> anyhow::Result<Duration> {
    let first = stat(main)?;
    let mut sum = first.own + first.children;
    for entry in fs::read_dir("/proc")? {
        let Some(id) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // One that has ended meanwhile is among the children that have.
        if let Ok(stat) = stat(id)
            && stat.parent == main
        {
            sum += stat.own;
        }
    }
    Ok(sum)
}
