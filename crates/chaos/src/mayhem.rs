//! Kills and pauses processes, and looks after them as an orchestrator does: what does not run is started again.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use moviebooking_launch::wait_until;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::{
    task::{JoinSet, block_in_place},
    time::{MissedTickBehavior, interval},
};

use crate::{
    Options,
    processes::{POSTGRES, Processes},
};

/// How often it looks what is to be done.
const TICK: Duration = Duration::from_millis(20);
/// Milliseconds between two kills at least, and at most while no booking begins.
const KILL_PAUSES: (u64, u64) = (150, 900);
/// Milliseconds until a process that was killed is started again, as an orchestrator takes its time.
const DOWN: std::ops::Range<u64> = 0..400;
/// Milliseconds between two pauses, and how long one lasts.
const BETWEEN_PAUSES: std::ops::Range<u64> = 500..2_500;
const PAUSED: std::ops::Range<u64> = 50..2_500;
/// How soon it is known that a process has ended.
const ENDED: Duration = Duration::from_secs(5);
/// A process is killed so many times as often as PostgreSQL, which takes everything down.
const WEIGHT: usize = 2;

/// What both sides of the campaign tell each other.
#[derive(Default)]
pub(crate) struct Signals {
    /// Bookings that have begun.
    pub(crate) begun: AtomicU64,
    pub(crate) kills: AtomicU64,
    /// No more kills and pauses.
    pub(crate) calm: AtomicBool,
    /// Nobody needs to be looked after any more.
    pub(crate) over: AtomicBool,
}

/// What was done.
#[derive(Debug, Default)]
pub(crate) struct Casualties {
    pub(crate) kills: BTreeMap<&'static str, u64>,
    pub(crate) pauses: BTreeMap<&'static str, u64>,
    /// From a kill until the process was ready again.
    pub(crate) recoveries: Vec<(&'static str, Duration)>,
    /// How often a process ended by itself, as it does when it starts while PostgreSQL is down.
    pub(crate) ended: BTreeMap<&'static str, u64>,
}

pub(crate) struct Mayhem {
    processes: Processes,
    dice: StdRng,
    bookings: u64,
    kills: u64,
    /// Who may be killed and paused; all where none is named.
    only: Vec<String>,
    signals: Arc<Signals>,
    casualties: Casualties,
    /// When to start what does not run.
    down: BTreeMap<&'static str, Instant>,
    /// When to let go on what is paused.
    paused: BTreeMap<&'static str, Instant>,
    killed: BTreeMap<&'static str, Instant>,
    recovering: JoinSet<(&'static str, Instant)>,
    last_kill: Instant,
    /// How many bookings had begun at the last kill.
    begun_then: u64,
    next_pause: Instant,
}

impl Mayhem {
    pub(crate) fn new(processes: Processes, options: &Options, signals: Arc<Signals>) -> Self {
        let now = Instant::now();
        Self {
            processes,
            dice: StdRng::seed_from_u64(options.seed),
            bookings: options.bookings,
            kills: options.kills,
            only: options.only.clone(),
            signals,
            casualties: Casualties::default(),
            down: BTreeMap::new(),
            paused: BTreeMap::new(),
            killed: BTreeMap::new(),
            recovering: JoinSet::new(),
            last_kill: now,
            begun_then: 0,
            next_pause: now,
        }
    }

    /// Goes on until it is over, and gives the processes back with everything running.
    pub(crate) async fn rage(mut self) -> anyhow::Result<(Processes, Casualties)> {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.signals.over.load(Ordering::Relaxed) {
            ticks.tick().await;
            block_in_place(|| self.turn())?;
            while let Some(Ok((name, ready))) = self.recovering.try_join_next() {
                if let Some(killed) = self.killed.remove(name) {
                    self.casualties.recoveries.push((name, ready - killed));
                }
            }
        }
        Ok((self.processes, self.casualties))
    }

    fn turn(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        self.look_after(now)?;
        let calm = self.signals.calm.load(Ordering::Relaxed);
        if calm {
            self.paused.values_mut().for_each(|until| *until = now);
            return Ok(());
        }
        let begun = self.signals.begun.load(Ordering::Relaxed);
        if self.is_kill_due(now, begun) && self.kill_one(now)? {
            (self.last_kill, self.begun_then) = (now, begun);
            self.signals.kills.fetch_add(1, Ordering::Relaxed);
        }
        if self.kills > 0 && now >= self.next_pause {
            self.pause_one(now)?;
            self.next_pause = now + millis(self.dice.random_range(BETWEEN_PAUSES));
        }
        Ok(())
    }

    /// The kills are spread over the bookings; while none has begun since the last kill, the kills come forward.
    fn is_kill_due(&self, now: Instant, begun: u64) -> bool {
        let done = self.signals.kills.load(Ordering::Relaxed);
        let since = now - self.last_kill;
        let (least, most) = KILL_PAUSES;
        done < self.kills
            && since >= millis(least)
            && (done * self.bookings <= begun * self.kills
                || (begun == self.begun_then && since >= millis(most)))
    }

    /// Whether there was somebody to kill.
    fn kill_one(&mut self, now: Instant) -> anyhow::Result<bool> {
        let mut running: Vec<&'static str> = Vec::new();
        for name in self.victims() {
            // Where few are killed they are let come back first, or they would never do anything.
            let back = self.only.is_empty() || !self.killed.contains_key(name);
            if back && self.processes.is_running(name)? {
                running.extend([name; WEIGHT]);
            }
        }
        if self.is_victim(POSTGRES) {
            running.push(POSTGRES);
        }
        let down = millis(self.dice.random_range(DOWN));
        if running.is_empty() {
            return Ok(false);
        }
        let name = running[self.dice.random_range(0..running.len())];
        if name == POSTGRES {
            self.crash_postgres(now)?;
            return Ok(true);
        }
        self.processes.kill(name)?;
        *self.casualties.kills.entry(name).or_default() += 1;
        self.paused.remove(name);
        self.killed.entry(name).or_insert(now);
        self.down.insert(name, now + down);
        Ok(true)
    }

    fn is_victim(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }

    /// The processes that may be killed and paused.
    fn victims(&self) -> Vec<&'static str> {
        self.processes.names().into_iter().filter(|name| self.is_victim(name)).collect()
    }

    fn crash_postgres(&mut self, now: Instant) -> anyhow::Result<()> {
        *self.casualties.kills.entry(POSTGRES).or_default() += 1;
        self.processes.crash_postgres()?;
        self.casualties.recoveries.push((POSTGRES, now.elapsed()));
        Ok(())
    }

    fn pause_one(&mut self, now: Instant) -> anyhow::Result<()> {
        let names = self.victims();
        let until = now + millis(self.dice.random_range(PAUSED));
        if names.is_empty() {
            return Ok(());
        }
        let name = names[self.dice.random_range(0..names.len())];
        if self.processes.is_running(name)? && !self.paused.contains_key(name) {
            if let Err(error) = self.processes.pause(name) {
                // It may have ended by itself since it was looked at, as services do that find no database.
                let ended = || Ok(!self.processes.is_running(name)?);
                return wait_until(ENDED, "it ends", ended).map_err(|_| error);
            }
            self.paused.insert(name, until);
            *self.casualties.pauses.entry(name).or_default() += 1;
        }
        Ok(())
    }

    /// Lets go on what was paused for long enough, and starts what does not run.
    fn look_after(&mut self, now: Instant) -> anyhow::Result<()> {
        let over: Vec<_> =
            self.paused.iter().filter(|(_, until)| **until <= now).map(|(name, _)| *name).collect();
        for name in over {
            self.paused.remove(name);
            if self.processes.is_running(name)? {
                self.processes.unpause(name)?;
            }
        }
        for name in self.processes.names() {
            if self.processes.is_running(name)? {
                continue;
            }
            let at = *self.down.entry(name).or_insert_with(|| {
                *self.casualties.ended.entry(name).or_default() += 1;
                now + millis(200)
            });
            if at <= now {
                self.down.remove(name);
                self.processes.begin(name)?;
                self.watch(name);
            }
        }
        Ok(())
    }

    /// Notes when a process is ready.
    fn watch(&mut self, name: &'static str) {
        let ready = self.processes.ready(name);
        self.recovering.spawn(async move {
            ready.await;
            (name, Instant::now())
        });
    }
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}
