//! What came of a campaign, for people and for scripts.

use std::{
    collections::BTreeMap,
    fmt::{self, Display},
    time::Duration,
};

use moviebooking_audit::{Invariant, Violation};
use serde_json::{Value, json};

use crate::{
    kinds::{Kind, Outcome},
    mayhem::Casualties,
};

/// How many violations of one rule are shown.
const SHOWN: usize = 10;

/// What came of a campaign.
#[derive(Debug)]
pub struct Report {
    /// The campaign's seed.
    pub seed: u64,
    /// How many bookings there were.
    pub bookings: u64,
    /// How they ended.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// Requests with an idempotency key.
    pub requests: usize,
    /// Of those, the ones of which at least one answer was lost.
    pub lost: usize,
    /// Requests that were made and answered once more when all was over.
    pub asked_again: usize,
    /// Events that were published.
    pub events: usize,
    /// How long the bookings took.
    pub lasted: Duration,
    /// How long it took until nothing was left to be done; `None` when it took too long.
    pub settled: Option<Duration>,
    /// Everything that is not as it must be.
    pub violations: Vec<Violation>,
    /// Everything that was to come about and did not, and so was not put to the test.
    pub missed: Vec<String>,
    pub(crate) instead: BTreeMap<(Kind, String), u64>,
    pub(crate) casualties: Casualties,
}

impl Report {
    /// How many processes were killed.
    pub fn kills(&self) -> u64 {
        self.casualties.kills.values().sum()
    }

    /// Whether every rule holds, and was put to the test.
    pub fn passes(&self) -> bool {
        self.violations.is_empty() && self.missed.is_empty()
    }

    /// Whether a rule was broken.
    pub fn breaks(&self, invariant: Invariant) -> bool {
        self.violations.iter().any(|violation| violation.invariant == invariant)
    }

    fn recoveries(&self) -> BTreeMap<&'static str, (usize, Duration)> {
        let mut slowest: BTreeMap<&'static str, (usize, Duration)> = BTreeMap::new();
        for (name, took) in &self.casualties.recoveries {
            let entry = slowest.entry(name).or_default();
            *entry = (entry.0 + 1, entry.1.max(*took));
        }
        slowest
    }

    /// The same for scripts.
    pub fn json(&self) -> Value {
        let recoveries = self.recoveries().into_iter().map(|(name, (count, slowest))| {
            (name.to_owned(), json!({"count": count, "slowestSeconds": slowest.as_secs_f64()}))
        });
        let violations = self.violations.iter().map(
            |violation| json!({"invariant": format!("{:?}", violation.invariant), "what": violation.what}),
        );
        let instead = self
            .instead
            .iter()
            .map(|((kind, instead), count)| json!({"request": kind, "instead": instead, "count": count}));
        json!({
            "seed": self.seed,
            "bookings": self.bookings,
            "outcomes": self.outcomes.iter().map(|(outcome, count)| (outcome.text(), count)).collect::<BTreeMap<_, _>>(),
            "requests": {"total": self.requests, "lost": self.lost, "askedAgain": self.asked_again},
            "events": self.events,
            "instead": instead.collect::<Vec<_>>(),
            "kills": self.casualties.kills,
            "pauses": self.casualties.pauses,
            "endedByThemselves": self.casualties.ended,
            "recoveries": recoveries.collect::<serde_json::Map<_, _>>(),
            "seconds": self.lasted.as_secs_f64(),
            "settledSeconds": self.settled.map(|settled| settled.as_secs_f64()),
            "violations": violations.collect::<Vec<_>>(),
            "missed": self.missed,
        })
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.lasted.as_secs_f64();
        let rate = self.bookings as f64 / seconds.max(0.001);
        writeln!(f, "{} bookings in {seconds:.0} s ({rate:.0}/s), seed {}\n", self.bookings, self.seed)?;
        for (outcome, count) in &self.outcomes {
            line(f, outcome.text(), count)?;
        }
        writeln!(f, "\n{:<24} {:>8} {:>8} {:>12}", "", "kills", "pauses", "slowest back")?;
        let recoveries = self.recoveries();
        for (name, kills) in &self.casualties.kills {
            let pauses = self.casualties.pauses.get(name).copied().unwrap_or_default();
            let slowest = recoveries.get(name).map_or(0.0, |(_, slowest)| slowest.as_secs_f64());
            writeln!(f, "{name:<24} {kills:>8} {pauses:>8} {slowest:>10.1} s")?;
        }
        let paused: u64 = self.casualties.pauses.values().sum();
        writeln!(f, "{:<24} {:>8} {paused:>8}\n", "all", self.kills())?;
        line(f, "requests", self.requests)?;
        line(f, "of them without answer", self.lost)?;
        line(f, "asked again at the end", self.asked_again)?;
        line(f, "events published", self.events)?;
        match self.settled {
            Some(settled) => line(f, "settled after", format!("{:.1} s", settled.as_secs_f64()))?,
            None => line(f, "settled after", "too long")?,
        }
        self.rules(f)
    }
}

impl Report {
    fn rules(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        for invariant in Invariant::ALL {
            let broken: Vec<&Violation> =
                self.violations.iter().filter(|violation| violation.invariant == invariant).collect();
            writeln!(f, "{:<6} {}", if broken.is_empty() { "holds" } else { "BROKEN" }, invariant.text())?;
            for violation in broken.iter().take(SHOWN) {
                writeln!(f, "         {}", violation.what)?;
            }
            if broken.len() > SHOWN {
                writeln!(f, "         and {} more", broken.len() - SHOWN)?;
            }
        }
        for what in &self.missed {
            writeln!(f, "MISSED {what}")?;
        }
        Ok(())
    }
}

fn line(f: &mut fmt::Formatter<'_>, what: &str, value: impl Display) -> fmt::Result {
    writeln!(f, "{what:<24} {value:>8}")
}
