//! The campaign from its beginning to its report.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use moviebooking_audit::{Invariant, Violation, audit};
use moviebooking_launch::{Durability, GATEWAY, Platform, PrivatePostgres, SandboxBank};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::{
    sync::Semaphore,
    task::{JoinHandle, JoinSet, block_in_place},
    time::interval,
};

use crate::{
    Report,
    answers::Reply,
    booking::book,
    check::check,
    kinds::Outcome,
    mayhem::{Casualties, Mayhem, Signals},
    settle::{self, BOUND, DatabaseUrls},
    world::World,
};

/// How many who wait for the platform to recover there may be at once, besides those who book.
const MOST_WAITING: usize = 200;
/// Of the answers that came at the first try, how many are asked for again at the end.
const ASKED_AGAIN: f64 = 0.1;
/// How often the progress is shown.
const SHOWN_EVERY: Duration = Duration::from_secs(2);

/// What a campaign is made of.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many bookings begin.
    pub bookings: u64,
    /// How many processes are killed.
    pub kills: u64,
    /// Decides what buyers do and what is killed; not how fast, so no two campaigns are quite the same.
    pub seed: u64,
    /// How many book at the same time.
    pub at_once: usize,
    /// The folder with the programs of the processes.
    pub programs: PathBuf,
    /// The folder for the processes' logs.
    pub folder: PathBuf,
}

/// Runs a campaign. `show` is told how far it is, a line at a time.
///
/// # Errors
/// When it cannot be carried out; what the platform does wrong is in the report.
pub async fn run(options: &Options, show: fn(&str)) -> anyhow::Result<Report> {
    show("starting the platform and making its cinema");
    let platform = block_in_place(|| -> anyhow::Result<Platform> {
        let postgres = PrivatePostgres::start_with(Durability::Machine)?;
        Platform::start_on(postgres, SandboxBank::Process, &options.programs, &options.folder)
    })?;
    let admin = block_in_place(|| platform.create_admin())?;
    let gateway = platform.address(GATEWAY);
    let world = World::make(gateway, (admin.email, &admin.password_file), options.bookings).await?;
    let campaign = Campaign { options, world: Arc::new(world), signals: Arc::default(), show };
    campaign.run(platform).await
}

/// The mayhem under way.
type Raging = JoinHandle<anyhow::Result<(Platform, Casualties)>>;

struct Campaign<'a> {
    options: &'a Options,
    world: Arc<World>,
    signals: Arc<Signals>,
    show: fn(&str),
}

impl Campaign<'_> {
    async fn run(self, platform: Platform) -> anyhow::Result<Report> {
        let began = Instant::now();
        let urls = DatabaseUrls::of(platform.postgres());
        let dice = StdRng::seed_from_u64(self.options.seed);
        let mayhem = Mayhem::new(platform, dice, self.options.kills, Arc::clone(&self.signals));
        let mayhem = tokio::spawn(mayhem.rage());
        let bookings = self.book_all(&mayhem).await?;
        self.signals.calm.store(true, Ordering::Relaxed);
        let (calm, lasted) = (Instant::now(), began.elapsed());
        (self.show)("calm: waiting for everything to settle");
        self.world.desk.close_in(BOUND);
        let outcomes = outcomes(bookings).await;
        let answered = calm.elapsed();
        self.end(mayhem, &urls, Course { calm, lasted, answered, outcomes }).await
    }

    /// Begins all bookings, and returns when the last has begun and the last kill is done.
    async fn book_all(&self, mayhem: &Raging) -> anyhow::Result<JoinSet<Outcome>> {
        let Options { bookings: wanted, kills, seed, at_once, .. } = *self.options;
        let (slots, waiting) = (Arc::new(Semaphore::new(at_once)), Arc::new(Semaphore::new(MOST_WAITING)));
        let ended = Arc::new(AtomicU64::new(0));
        let mut bookings = JoinSet::new();
        let mut shown = interval(SHOWN_EVERY);
        let mut number = 0;
        while number < wanted || self.signals.kills.load(Ordering::Relaxed) < kills {
            if mayhem.is_finished() {
                break;
            }
            let slot = tokio::select! {
                slot = Arc::clone(&slots).acquire_owned() => slot?,
                _ = shown.tick() => {
                    self.show_progress(number, &ended, at_once - slots.available_permits());
                    continue;
                }
            };
            let wait = Arc::clone(&waiting).acquire_owned().await?;
            let (world, ended) = (Arc::clone(&self.world), Arc::clone(&ended));
            bookings.spawn(async move {
                let outcome = book(&world, seed, number, Some(slot)).await;
                ended.fetch_add(1, Ordering::Relaxed);
                drop(wait);
                outcome
            });
            number += 1;
            self.signals.progress.store(number * 1_000 / wanted.max(1), Ordering::Relaxed);
        }
        Ok(bookings)
    }

    fn show_progress(&self, number: u64, ended: &AtomicU64, booking: usize) {
        let (ended, kills) = (ended.load(Ordering::Relaxed), self.signals.kills.load(Ordering::Relaxed));
        (self.show)(&format!(
            "{ended} of {} bookings ended, {} wait for an answer, {kills} of {} kills",
            self.options.bookings,
            (number - ended).saturating_sub(booking as u64),
            self.options.kills
        ));
    }

    /// Waits until everything has settled, asks some again, and checks everything.
    async fn end(&self, raging: Raging, urls: &DatabaseUrls, course: Course) -> anyhow::Result<Report> {
        let databases = urls.open().await?;
        let settled = settle::settled(&databases, course.calm).await?;
        (self.show)("settled: asking again what was answered before");
        let asked_again = self.ask_again().await;
        self.signals.over.store(true, Ordering::Relaxed);
        // The platform runs until everything is read.
        let (_platform, casualties) = raging.await.context("the mayhem ended early")??;
        let settled = settled.map(|settled| settled.max(course.answered)).filter(|settled| *settled <= BOUND);
        let mut violations = Vec::new();
        if settled.is_none() {
            let what = format!("not within {} s after the last disturbance", BOUND.as_secs());
            violations.push(Violation { invariant: Invariant::Settled, what });
        }
        (self.show)("checking everything");
        violations.extend(audit(&databases).await?);
        let notes = self.world.desk.answers.all();
        violations.extend(check(&notes, &databases).await?);
        Ok(Report {
            seed: self.options.seed,
            bookings: course.outcomes.values().sum(),
            outcomes: course.outcomes,
            requests: notes.len(),
            lost: notes.iter().filter(|noted| noted.lost > 0).count(),
            asked_again,
            instead: self.world.desk.answers.instead(),
            casualties,
            lasted: course.lasted,
            settled,
            violations,
        })
    }

    /// Repeats every request whose answer was lost at least once, and some others, with their old keys.
    async fn ask_again(&self) -> usize {
        self.world.desk.close_in(BOUND);
        let mut dice = StdRng::seed_from_u64(!self.options.seed);
        let slots = Arc::new(Semaphore::new(self.options.at_once));
        let mut asked = JoinSet::new();
        for noted in self.world.desk.answers.all() {
            let kept = noted.replies.first().is_some_and(Reply::is_kept);
            if !kept || (noted.lost == 0 && !dice.random_bool(ASKED_AGAIN)) {
                continue;
            }
            let (world, mut dice) = (Arc::clone(&self.world), StdRng::from_rng(&mut dice));
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { break };
            asked.spawn(async move { world.desk.ask(&noted.request, &mut dice, &mut Some(slot)).await });
        }
        asked.join_all().await.len()
    }
}

/// How the bookings went.
struct Course {
    /// When the last disturbance was over.
    calm: Instant,
    lasted: Duration,
    /// From then until the last answer.
    answered: Duration,
    outcomes: BTreeMap<Outcome, u64>,
}

async fn outcomes(mut bookings: JoinSet<Outcome>) -> BTreeMap<Outcome, u64> {
    let mut outcomes = BTreeMap::new();
    while let Some(ended) = bookings.join_next().await {
        *outcomes.entry(ended.unwrap_or(Outcome::Unanswered)).or_default() += 1;
    }
    outcomes
}
