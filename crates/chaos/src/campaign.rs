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
use moviebooking_launch::{Durability, GATEWAY};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::{
    sync::Semaphore,
    task::{JoinHandle, JoinSet, block_in_place},
    time::interval,
};
use uuid::Builder;

use crate::{
    Report,
    answers::Reply,
    ask::{Order, Over, Request},
    booking::book,
    check::check,
    kinds::{Kind, Outcome},
    mayhem::{Casualties, Mayhem, Signals},
    processes::Processes,
    settle::{self, DatabaseUrls},
    stream,
    world::World,
};

/// How many who wait for the platform to recover there may be at once, besides those who book.
const MOST_WAITING: usize = 200;
/// Of the answers that came at the first try, how many are asked for again at the end.
const ASKED_AGAIN: f64 = 0.1;
/// Of the bookings, the share after which nobody begins to pay late.
const LAST: f64 = 0.75;
/// What comes of some bookings in every campaign of so many, and the first of it in a smaller one.
const USUAL: [Outcome; 6] = [
    Outcome::Paid,
    Outcome::Refunded,
    Outcome::Returned,
    Outcome::Exchanged,
    Outcome::Declined,
    Outcome::Voided,
];
const MANY: u64 = 1_000;
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
    /// Whether some pay late, which takes as long as a hold lasts.
    pub late: bool,
    /// How long everything may take to settle after the last disturbance.
    pub bound: Duration,
    /// Whether the databases survive a crash of the machine, as in production, or that of their server alone.
    pub durability: Durability,
    /// The processes that may be killed and paused; all of them and PostgreSQL where none is named.
    pub only: Vec<String>,
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
    let processes = block_in_place(|| Processes::start(options))?;
    let admin = block_in_place(|| processes.platform.create_admin())?;
    let gateway = processes.platform.address(GATEWAY);
    let world = World::make(gateway, (admin.email, &admin.password_file), options.bookings).await?;
    let campaign = Campaign { options, world: Arc::new(world), signals: Arc::default(), show };
    campaign.run(processes).await
}

/// The mayhem under way.
type Raging = JoinHandle<anyhow::Result<(Processes, Casualties)>>;

struct Campaign<'a> {
    options: &'a Options,
    world: Arc<World>,
    signals: Arc<Signals>,
    show: fn(&str),
}

impl Campaign<'_> {
    async fn run(self, processes: Processes) -> anyhow::Result<Report> {
        let began = Instant::now();
        let urls = DatabaseUrls::of(processes.platform.postgres());
        let mayhem = Mayhem::new(processes, self.options, Arc::clone(&self.signals));
        let mayhem = tokio::spawn(mayhem.rage());
        let bookings = self.book_all(&mayhem).await?;
        self.signals.calm.store(true, Ordering::Relaxed);
        let (calm, lasted) = (Instant::now(), began.elapsed());
        (self.show)("calm: waiting for everything to settle");
        self.world.desk.close_in(self.options.bound);
        let outcomes = outcomes(bookings).await?;
        let answered = calm.elapsed();
        self.end(mayhem, &urls, Course { calm, lasted, answered, outcomes }).await
    }

    /// Begins all bookings, and returns when the last has begun and the last kill is done, or when none can begin.
    async fn book_all(&self, mayhem: &Raging) -> anyhow::Result<JoinSet<Option<Outcome>>> {
        let Options { bookings: wanted, kills, seed, at_once, bound, .. } = *self.options;
        let (slots, waiting) = (Arc::new(Semaphore::new(at_once)), Arc::new(Semaphore::new(MOST_WAITING)));
        let ended = Arc::new(AtomicU64::new(0));
        let mut bookings = JoinSet::new();
        let mut shown = interval(SHOWN_EVERY);
        let (mut number, mut last_begun) = (0, Instant::now());
        while number < wanted || self.signals.kills.load(Ordering::Relaxed) < kills {
            if mayhem.is_finished() || last_begun.elapsed() > bound {
                break;
            }
            let place = async {
                let slot = Arc::clone(&slots).acquire_owned().await?;
                anyhow::Ok((slot, Arc::clone(&waiting).acquire_owned().await?))
            };
            let (slot, wait) = tokio::select! {
                place = place => place?,
                _ = shown.tick() => {
                    self.show_progress(number, &ended, at_once - slots.available_permits());
                    continue;
                }
            };
            let punctual = !self.options.late || number as f64 > wanted as f64 * LAST;
            let (world, ended) = (Arc::clone(&self.world), Arc::clone(&ended));
            bookings.spawn(async move {
                let outcome = book(&world, seed, number, punctual, Some(slot)).await;
                ended.fetch_add(1, Ordering::Relaxed);
                drop(wait);
                Some(outcome)
            });
            (number, last_begun) = (number + 1, Instant::now());
            if let Some(showtime) = self.to_cancel(number) {
                bookings.spawn(cancel(
                    Arc::clone(&self.world),
                    showtime,
                    StdRng::seed_from_u64(seed ^ number),
                ));
            }
            self.signals.begun.store(number, Ordering::Relaxed);
        }
        Ok(bookings)
    }

    /// The showtime that is cancelled when so many bookings have begun.
    fn to_cancel(&self, number: u64) -> Option<String> {
        let all = self.world.to_be_cancelled();
        let every = self.options.bookings / (all.len() as u64 + 1);
        let index = usize::try_from(number.checked_div(every)?).ok()?.checked_sub(1)?;
        if number.is_multiple_of(every) { all.get(index).cloned() } else { None }
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
        let (databases, bound) = (urls.open().await?, self.options.bound);
        let settled = settle::settled(&databases, course.calm, bound).await?;
        (self.show)("settled: asking again what was answered before");
        let asked_again = self.ask_again().await?;
        self.signals.over.store(true, Ordering::Relaxed);
        // All of it runs until everything is read.
        let (processes, casualties) = raging.await.context("the mayhem ended early")??;
        let settled = settled.map(|settled| settled.max(course.answered)).filter(|settled| *settled <= bound);
        let mut violations = Vec::new();
        if settled.is_none() {
            let what = format!("not within {} s after the last disturbance", bound.as_secs());
            violations.push(Violation { invariant: Invariant::Settled, what });
        }
        (self.show)("checking everything");
        violations.extend(audit(&databases.0).await?);
        let notes = self.world.desk.answers.all();
        violations.extend(check(&notes, &databases.0).await?);
        let published = stream::published(&processes.nats_url()).await?;
        violations.extend(stream::check(&published, &databases.0).await?);
        Ok(Report {
            seed: self.options.seed,
            bookings: course.outcomes.values().sum(),
            missed: self.missed(&course.outcomes),
            outcomes: course.outcomes,
            requests: notes.len(),
            lost: notes.iter().filter(|noted| noted.lost > 0).count(),
            asked_again,
            instead: self.world.desk.answers.instead(),
            events: published.len(),
            casualties,
            lasted: course.lasted,
            settled,
            violations,
        })
    }

    /// What was to come about and did not.
    fn missed(&self, outcomes: &BTreeMap<Outcome, u64>) -> Vec<String> {
        let Options { bookings, kills, .. } = *self.options;
        let usual = if bookings < MANY { 1 } else { USUAL.len() };
        let mut missed: Vec<String> = USUAL
            .into_iter()
            .take(usual)
            .filter(|outcome| !outcomes.contains_key(outcome))
            .map(|outcome| format!("no booking was {}", outcome.text()))
            .collect();
        let begun: u64 = outcomes.values().sum();
        let killed = self.signals.kills.load(Ordering::Relaxed);
        for (what, done, wanted) in [("bookings", begun, bookings), ("kills", killed, kills)] {
            if done < wanted {
                missed.push(format!("there were {done} of {wanted} {what}"));
            }
        }
        missed
    }

    /// Repeats every request whose answer was lost at least once, and some others, with their old keys. Says how many
    /// were answered.
    async fn ask_again(&self) -> anyhow::Result<usize> {
        let mut dice = StdRng::seed_from_u64(!self.options.seed);
        let slots = Arc::new(Semaphore::new(self.options.at_once));
        let mut asked = JoinSet::new();
        for noted in self.world.desk.answers.all() {
            let kept = noted.replies.first().is_some_and(Reply::is_kept);
            if !kept || (noted.lost == 0 && !dice.random_bool(ASKED_AGAIN)) {
                continue;
            }
            let (world, mut dice) = (Arc::clone(&self.world), StdRng::from_rng(&mut dice));
            let slot = Arc::clone(&slots).acquire_owned().await?;
            // The last has as much time as the first.
            self.world.desk.close_in(self.options.bound);
            asked.spawn(async move { world.desk.ask(&noted.request, &mut dice, &mut Some(slot)).await });
        }
        Ok(asked.join_all().await.into_iter().flatten().count())
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

/// Cancels a showtime, as its theater's staff does. It is no booking.
async fn cancel(world: Arc<World>, showtime: String, mut dice: StdRng) -> Option<Outcome> {
    let over = if dice.random() { Over::Rest } else { Over::Grpc };
    let key = Builder::from_random_bytes(dice.random()).into_uuid().to_string();
    let request =
        Request { kind: Kind::Cancel, key, buyer: world.admin(), over, order: Order::Cancel { showtime } };
    world.desk.ask(&request, &mut dice, &mut None).await;
    None
}

async fn outcomes(mut bookings: JoinSet<Option<Outcome>>) -> anyhow::Result<BTreeMap<Outcome, u64>> {
    let mut outcomes = BTreeMap::new();
    while let Some(ended) = bookings.join_next().await {
        if let Some(outcome) = ended.context("a buyer broke down")? {
            *outcomes.entry(outcome).or_default() += 1;
        }
    }
    Ok(outcomes)
}
