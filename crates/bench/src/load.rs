//! Load of two kinds. Closed: each connection makes its next request when it has the answer to the last. Open: requests
//! start at a fixed rate whatever becomes of them, and their latency counts from when they should have started, so that
//! a server that stalls is not asked less.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use futures::{StreamExt as _, future, stream::FuturesUnordered};
use hdrhistogram::Histogram;
use tokio::sync::mpsc;

use crate::connection::Connection;

/// How one piece of work ended that got an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It was done.
    Done,
    /// The server had too much to do, and said so.
    Shed,
    /// Another buyer was faster.
    Lost,
}

/// What a run came to.
pub(crate) struct Outcome {
    /// How long it took.
    pub(crate) elapsed: Duration,
    /// Of what was done, in microseconds.
    pub(crate) latency: Histogram<u64>,
    /// Of what was shed, in microseconds.
    pub(crate) shed: Histogram<u64>,
    /// Of what another buyer was faster at, in microseconds.
    pub(crate) lost: Histogram<u64>,
    /// What else happened, and how often.
    pub(crate) failed: BTreeMap<String, u64>,
}

/// Latencies from a microsecond to a minute, to three digits.
pub(crate) fn histogram() -> anyhow::Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 60_000_000, 3)?)
}

impl Outcome {
    fn new() -> anyhow::Result<Self> {
        Ok(Self {
            elapsed: Duration::ZERO,
            latency: histogram()?,
            shed: histogram()?,
            lost: histogram()?,
            failed: BTreeMap::new(),
        })
    }

    /// How many pieces of work were done in a second.
    pub(crate) fn rate(&self) -> f64 {
        count(self.latency.len()) / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }

    /// How many failed.
    pub(crate) fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    fn add(&mut self, taken: Duration, ending: anyhow::Result<Ending>) {
        let taken = u64::try_from(taken.as_micros()).unwrap_or(u64::MAX);
        match ending {
            Ok(Ending::Done) => self.latency.saturating_record(taken),
            Ok(Ending::Shed) => self.shed.saturating_record(taken),
            Ok(Ending::Lost) => self.lost.saturating_record(taken),
            Err(error) => *self.failed.entry(format!("{error:#}")).or_default() += 1,
        }
    }
}

/// A count as a number to calculate with.
#[expect(clippy::cast_precision_loss, reason = "counts of requests stay far below 2^53")]
pub(crate) fn count(count: u64) -> f64 {
    count as f64
}

/// Runs `work` over every connection, one after the other, for as long as `last`.
pub(crate) async fn closed<W>(
    connections: &mut [Connection],
    last: Duration,
    work: &W,
) -> anyhow::Result<Outcome>
where
    W: AsyncFn(&mut Connection) -> anyhow::Result<Ending>,
{
    let mut outcome = Outcome::new()?;
    let begun = Instant::now();
    let workers = connections.iter_mut().map(async |connection| {
        let mut seen = Vec::new();
        while begun.elapsed() < last {
            let began = Instant::now();
            let ending = work(connection).await;
            seen.push((began.elapsed(), ending));
        }
        seen
    });
    let seen = future::join_all(workers).await;
    outcome.elapsed = begun.elapsed();
    for (taken, ending) in seen.into_iter().flatten() {
        outcome.add(taken, ending);
    }
    Ok(outcome)
}

/// Starts `work` `rate` times a second for as long as `last`, each time over a connection that is free, and waits for
/// all of it. `watch` is told of each piece of work: when it should have started, how long it took, how it ended.
pub(crate) async fn open<W>(
    connections: Vec<Connection>,
    rate: f64,
    last: Duration,
    work: &W,
    mut watch: impl FnMut(Duration, Duration, Option<Ending>),
) -> anyhow::Result<Outcome>
where
    W: AsyncFn(&mut Connection) -> anyhow::Result<Ending>,
{
    let mut outcome = Outcome::new()?;
    let begun = Instant::now();
    let mut ticks = ticks(begun, rate, last);
    // In turn: a connection that is left idle for long is closed by who answers.
    let mut idle = VecDeque::from(connections);
    let mut due = VecDeque::new();
    let mut running = FuturesUnordered::new();
    let mut ended = false;
    while !(ended && due.is_empty() && running.is_empty()) {
        tokio::select! {
            tick = ticks.recv(), if !ended => match tick {
                Some((at, count)) => due.extend(std::iter::repeat_n(at, count)),
                None => ended = true,
            },
            Some(ended) = running.next() => {
                let (at, ending, connection): (Instant, anyhow::Result<Ending>, Connection) = ended;
                let taken = at.elapsed();
                watch(at.duration_since(begun), taken, ending.as_ref().ok().copied());
                outcome.add(taken, ending);
                idle.push_back(connection);
            }
        }
        while !due.is_empty()
            && let Some(mut connection) = idle.pop_front()
        {
            if let Some(at) = due.pop_front() {
                running.push(async move { (at, work(&mut connection).await, connection) });
            }
        }
    }
    outcome.elapsed = begun.elapsed();
    Ok(outcome)
}

/// Every millisecond, how many requests should start then. From a thread, because the runtime's timers are only as fine
/// as a millisecond and late by as much.
fn ticks(begun: Instant, rate: f64, last: Duration) -> mpsc::UnboundedReceiver<(Instant, usize)> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let mut started = 0;
        for tick in 0_u32.. {
            let at = Duration::from_millis(tick.into());
            if at >= last {
                break;
            }
            #[expect(clippy::disallowed_methods, reason = "a schedule is about times")]
            std::thread::sleep((begun + at).saturating_duration_since(Instant::now()));
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a count of requests, which is not negative"
            )]
            let should = (at.as_secs_f64() * rate) as usize;
            if should > started && sender.send((begun + at, should - started)).is_err() {
                break;
            }
            started = should;
        }
    });
    receiver
}
