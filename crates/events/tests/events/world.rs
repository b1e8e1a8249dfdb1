//! A database of things that change, and who hears of it.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use jiff::Timestamp;
use moviebooking_domain::clock::{Clock as _, SystemClock};
use moviebooking_events::{Event, LEASE_MIGRATION, Outbox, Publish, PublishError, Relay, outbox};
use moviebooking_proto::theaters::v1::HallLayoutPublished;
use moviebooking_store::{Db, Migrations, Tx, sql};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) static MIGRATIONS: Migrations = Migrations::new(&[LEASE_MIGRATION, outbox::MIGRATION]);

pub(crate) fn now() -> Timestamp {
    SystemClock.now()
}

/// Tells that the hall has its next layout.
pub(crate) async fn tell(tx: &mut Tx, hall: &str, version: i32) {
    let data =
        HallLayoutPublished { hall_id: hall.to_owned(), theater_id: "t".to_owned(), layout_version: version };
    outbox::append(tx, now(), hall, &data).await.unwrap();
}

/// Does it in a transaction of its own.
pub(crate) async fn commit(db: &Db, hall: &str, version: i32) {
    let mut tx = db.begin().await.unwrap();
    tell(&mut tx, hall, version).await;
    tx.commit().await.unwrap();
}

/// What an event of [`tell`] is about.
pub(crate) fn version(event: &Event) -> (String, i64) {
    let data: serde_json::Value = serde_json::from_str(&event.data).unwrap();
    (event.subject.clone(), data["layoutVersion"].as_i64().unwrap())
}

/// Remembers what it was given; takes nothing while it is away.
#[derive(Default)]
pub(crate) struct Recorder {
    events: Mutex<Vec<Event>>,
    away: AtomicBool,
}

impl Recorder {
    pub(crate) fn is_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }

    pub(crate) fn versions(&self) -> Vec<(String, i64)> {
        self.events().iter().map(version).collect()
    }
}

impl Publish for Recorder {
    fn publish<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Result<(), PublishError>> {
        Box::pin(async move {
            if self.away.load(Ordering::SeqCst) {
                return Err(PublishError("away".into()));
            }
            self.events.lock().unwrap().extend_from_slice(events);
            Ok(())
        })
    }
}

/// A running relay.
pub(crate) struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) fn start(db: &Db, publisher: Arc<dyn Publish>) -> Self {
        let relay = Relay::new(db.clone(), SystemClock::shared(), Outbox, publisher);
        let stop = CancellationToken::new();
        Self { task: tokio::spawn(relay.run(stop.clone())), stop }
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

pub(crate) async fn waiting(db: &Db) -> i64 {
    sql("SELECT COUNT(*) AS n FROM outbox").fetch_one(db).await.unwrap().get("n").unwrap()
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let look = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), look)
        .await
        .unwrap_or_else(|_| panic!("not in time: {what}"));
}
