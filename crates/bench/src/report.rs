//! What was measured, as tables for people or as JSON for programs.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::{
    gauge::Usage,
    load::{Outcome, count},
};

/// All rows and targets of a run.
pub(crate) struct Report {
    /// Whether lines are printed as they come.
    talks: bool,
    title: String,
    rows: Vec<Value>,
    targets: Vec<Target>,
}

/// A line of the table.
pub(crate) struct Row {
    /// What was asked of whom.
    pub(crate) what: String,
    /// How: `closed, 32 connections`.
    pub(crate) load: String,
    /// Done in a second.
    pub(crate) rate: f64,
    /// Of what was done, in milliseconds: the median, 99 % and 99.9 %.
    pub(crate) latency: [f64; 3],
    /// Lost to another buyer, refused because of too much work, failed.
    pub(crate) others: [u64; 3],
    /// By process.
    pub(crate) usage: BTreeMap<&'static str, Usage>,
}

struct Target {
    what: String,
    wanted: String,
    measured: String,
    reached: bool,
}

/// Which side of the bound a measurement must be on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    AtLeast,
    AtMost,
}

/// Milliseconds at these shares of a histogram of microseconds.
pub(crate) fn quantiles(latency: &Histogram<u64>) -> [f64; 3] {
    [0.5, 0.99, 0.999].map(|share| count(latency.value_at_quantile(share)) / 1_000.0)
}

impl Row {
    /// The line of what a load came to.
    pub(crate) fn of(
        what: impl Into<String>,
        load: impl Into<String>,
        outcome: &Outcome,
        usage: BTreeMap<&'static str, Usage>,
    ) -> Self {
        Self {
            what: what.into(),
            load: load.into(),
            rate: outcome.rate(),
            latency: quantiles(&outcome.latency),
            others: [outcome.lost.len(), outcome.shed.len(), outcome.failures()],
            usage,
        }
    }
}

impl Report {
    /// Nothing measured yet.
    pub(crate) fn new(talks: bool) -> Self {
        Self { talks, title: String::new(), rows: Vec::new(), targets: Vec::new() }
    }

    /// Begins a scenario.
    #[expect(clippy::print_stdout, reason = "the table is what the program is for")]
    pub(crate) fn begin(&mut self, title: &str) {
        self.title = title.to_owned();
        if self.talks {
            println!("\n{title}\n");
            println!(
                "{:<34} {:<24} {:>8} {:>8} {:>8} {:>8} {:>6} {:>7} {:>6}  processors busy and MiB",
                "", "load", "done/s", "p50 ms", "p99", "p99.9", "lost", "refused", "failed"
            );
        }
    }

    /// Adds a line.
    #[expect(clippy::print_stdout, reason = "the table is what the program is for")]
    pub(crate) fn row(&mut self, row: &Row) {
        if self.talks {
            let usage: Vec<String> = row.usage.iter().map(|(name, usage)| shown(name, *usage)).collect();
            let [p50, p99, p999] = row.latency.map(|ms| format!("{ms:.2}"));
            let [lost, shed, failed] = row.others;
            println!(
                "{:<34} {:<24} {:>8.0} {p50:>8} {p99:>8} {p999:>8} {lost:>6} {shed:>7} {failed:>6}  {}",
                row.what,
                row.load,
                row.rate,
                usage.join(", ")
            );
        }
        let usage: BTreeMap<&str, Value> = row
            .usage
            .iter()
            .map(|(name, usage)| {
                (*name, json!({ "processors": usage.processors, "residentMiB": usage.resident }))
            })
            .collect();
        let [p50, p99, p999] = row.latency;
        let [lost, shed, failed] = row.others;
        self.rows.push(json!({
            "scenario": self.title, "what": row.what, "load": row.load, "donePerSecond": row.rate,
            "p50Ms": p50, "p99Ms": p99, "p999Ms": p999, "lost": lost, "refused": shed, "failed": failed,
            "processes": usage,
        }));
    }

    /// Says something that is no line of the table.
    #[expect(clippy::print_stdout, reason = "the table is what the program is for")]
    pub(crate) fn note(&self, text: &str) {
        if self.talks {
            println!("{text}");
        }
    }

    /// Compares a measurement with its target, in `unit`.
    pub(crate) fn target(
        &mut self,
        what: impl Into<String>,
        bound: Bound,
        wanted: f64,
        measured: f64,
        unit: &str,
    ) {
        let (word, reached) = match bound {
            Bound::AtLeast => ("at least", measured >= wanted),
            Bound::AtMost => ("at most", measured <= wanted),
        };
        let target = Target {
            what: what.into(),
            wanted: format!("{word} {wanted:.2}{unit}"),
            measured: format!("{measured:.2}{unit}"),
            reached,
        };
        self.note(&format!("{}: {} ({}){}", target.what, target.measured, target.wanted, missed(reached)));
        self.targets.push(target);
    }

    /// Prints what remains to be printed.
    #[expect(clippy::print_stdout, reason = "the table is what the program is for")]
    pub(crate) fn finish(&self) -> anyhow::Result<()> {
        if self.talks {
            println!("\n| what | wanted | measured |\n|---|---|---|");
            for Target { what, wanted, measured, reached } in &self.targets {
                println!("| {what} | {wanted} | {measured}{} |", missed(*reached));
            }
            return Ok(());
        }
        let targets: Vec<Value> = self
            .targets
            .iter()
            .map(|target| {
                json!({ "what": target.what, "wanted": target.wanted, "measured": target.measured,
                        "reached": target.reached })
            })
            .collect();
        println!("{}", serde_json::to_string_pretty(&json!({ "rows": self.rows, "targets": targets }))?);
        Ok(())
    }
}

fn missed(reached: bool) -> &'static str {
    if reached { "" } else { ", not reached" }
}

fn shown(name: &str, usage: Usage) -> String {
    match usage.resident {
        Some(resident) => format!("{name} {:.2}/{resident:.0}", usage.processors),
        None => format!("{name} {:.2}", usage.processors),
    }
}
