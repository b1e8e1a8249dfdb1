//! The outbox and its relay.

use std::sync::Arc;

use moviebooking_store::{both_engines, testing::TestDb};

use crate::world::{MIGRATIONS, Recorder, Running, commit, tell, until, waiting};

/// The versions 1 to `last` of one hall.
fn one_to(hall: &str, last: i64) -> Vec<(String, i64)> {
    (1..=last).map(|version| (hall.to_owned(), version)).collect()
}

both_engines! {
    &MIGRATIONS;

    async fn what_is_committed_is_published_in_order_and_what_is_not_is_not(db: Db) {
        let recorder = Arc::new(Recorder::default());
        let relay = Running::start(&db, recorder.clone());
        for version in 1..=250 {
            commit(&db, "hall", version).await;
            let mut tx = db.begin().await.unwrap();
            tell(&mut tx, "never", version).await;
            drop(tx);
        }
        until("everything is published", async || waiting(&db).await == 0).await;
        relay.stop().await;
        assert_eq!(recorder.versions(), one_to("hall", 250));
    }

    async fn what_waits_while_the_publisher_is_away_is_published_when_it_is_back(db: Db) {
        let recorder = Arc::new(Recorder::default());
        recorder.is_away(true);
        let relay = Running::start(&db, recorder.clone());
        for version in 1..=3 {
            commit(&db, "hall", version).await;
        }
        relay.stop().await;
        assert_eq!((recorder.versions(), waiting(&db).await), (vec![], 3));
        recorder.is_away(false);
        let relay = Running::start(&db, recorder.clone());
        until("everything is published", async || waiting(&db).await == 0).await;
        relay.stop().await;
        assert_eq!(recorder.versions(), one_to("hall", 3));
    }

    async fn several_relays_publish_each_event_once(db: Db) {
        let recorder = Arc::new(Recorder::default());
        let relays: Vec<Running> = (0..4).map(|_| Running::start(&db, recorder.clone())).collect();
        for version in 1..=100 {
            commit(&db, "hall", version).await;
        }
        until("everything is published", async || waiting(&db).await == 0).await;
        for relay in relays {
            relay.stop().await;
        }
        assert_eq!(recorder.versions(), one_to("hall", 100));
    }
}

/// SQLite has one transaction that writes at a time, so nothing can commit late there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_commits_late_is_not_skipped() {
    let database = TestDb::postgres(&MIGRATIONS).await;
    let db = database.db();
    let recorder = Arc::new(Recorder::default());
    let relay = Running::start(db, recorder.clone());
    let mut late = db.begin().await.unwrap();
    tell(&mut late, "late", 1).await;
    for version in 1..=5 {
        commit(db, "hall", version).await;
    }
    until("the others are published", async || recorder.events().len() == 5).await;
    late.commit().await.unwrap();
    until("everything is published", async || waiting(db).await == 0).await;
    relay.stop().await;
    let mut all = one_to("hall", 5);
    all.push(("late".to_owned(), 1));
    assert_eq!(recorder.versions(), all);
}
