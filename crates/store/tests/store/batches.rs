use futures::{future::join_all, join, poll};
use moviebooking_store::testing::TestDb;
use moviebooking_store::{Batches, Db, Kind, Running, StoreError, sql};
use tokio::sync::Semaphore;
use tokio::task::yield_now;
use tokio::time::{Instant, pause};
use uuid::Uuid;

use crate::MIGRATIONS;

/// Writes things of these names, each once.
fn name<'a>(db: &'a Db, names: &'a [&'static str]) -> Running<'a, String> {
    Box::pin(async move {
        let mut insert = sql("INSERT INTO things (id, name) SELECT * FROM ");
        let row = |name: &&'static str| [Uuid::now_v7().into(), (*name).into()];
        insert.push_unnest([Kind::Uuid, Kind::Text], names.iter().map(row)).push(" AS thing");
        insert.execute(db).await?;
        Ok(names.iter().map(|name| format!("{name} is there")).collect())
    })
}

/// The names of all things.
async fn named(db: &Db) -> Vec<String> {
    let names = sql("SELECT name FROM things ORDER BY name").fetch_all(db).await.unwrap();
    names.iter().map(|row| row.get("name").unwrap()).collect()
}

/// How many transactions have written them.
async fn transactions(db: &Db) -> i64 {
    let count = sql("SELECT COUNT(DISTINCT xmin::text) AS transactions FROM things");
    count.fetch_one(db).await.unwrap().get("transactions").unwrap()
}

fn is_unavailable<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Unavailable { .. }))
}

#[tokio::test]
async fn what_comes_together_is_written_together() {
    let database = TestDb::postgres(&MIGRATIONS).await;
    let batches = Batches::new(database.db().clone(), name);
    let results = join_all(["a", "b", "c"].map(|name| batches.run(name))).await;
    let results: Vec<String> = results.into_iter().map(Result::unwrap).collect();
    assert_eq!(results, ["a is there", "b is there", "c is there"]);
    assert_eq!(named(database.db()).await, ["a", "b", "c"]);
    assert_eq!(transactions(database.db()).await, 1);
}

#[tokio::test]
async fn more_than_a_batch_may_have_are_several() {
    let database = TestDb::postgres(&MIGRATIONS).await;
    let batches = Batches::new(database.db().clone(), |db, ids: &[Uuid]| {
        Box::pin(async move {
            let mut insert = sql("INSERT INTO things (id) SELECT * FROM ");
            insert.push_unnest([Kind::Uuid], ids.iter().map(|id| [(*id).into()])).push(" AS thing");
            insert.execute(db).await?;
            Ok(ids.to_vec())
        })
    });
    let ids: Vec<Uuid> = (0..100).map(|_| Uuid::now_v7()).collect();
    let results = join_all(ids.iter().map(|id| batches.run(*id))).await;
    assert_eq!(results.into_iter().map(Result::unwrap).collect::<Vec<_>>(), ids);
    assert_eq!(transactions(database.db()).await, 4);
}

#[tokio::test]
async fn as_many_as_may_run_side_by_side() {
    static BEGUN: Semaphore = Semaphore::const_new(0);
    static MAY_END: Semaphore = Semaphore::const_new(0);
    let database = TestDb::postgres(&MIGRATIONS).await;
    let batches = Batches::side_by_side(2, database.db().clone(), |_db, names: &[&'static str]| {
        Box::pin(async move {
            BEGUN.add_permits(1);
            MAY_END.acquire().await.unwrap().forget();
            Ok(names.iter().map(|_| names.len()).collect())
        })
    });
    let mut running = Vec::new();
    for name in ["a", "b"] {
        let batches = batches.clone();
        running.push(tokio::spawn(async move { batches.run(name).await }));
        BEGUN.acquire().await.unwrap().forget();
    }
    let mut waiting = Box::pin(join_all(["c", "d"].map(|name| batches.run(name))));
    assert!(poll!(&mut waiting).is_pending());
    yield_now().await;
    assert_eq!(BEGUN.available_permits(), 0, "no third one");
    MAY_END.add_permits(3);
    let first = join_all(running).await.into_iter().map(|ended| ended.unwrap().unwrap());
    assert_eq!(first.collect::<Vec<_>>(), [1, 1]);
    let next = waiting.await.into_iter().map(Result::unwrap);
    assert_eq!(next.collect::<Vec<_>>(), [2, 2], "what waited is one");
}

#[tokio::test]
async fn where_the_last_had_company_the_next_waits_for_some() {
    let database = TestDb::postgres(&MIGRATIONS).await;
    let batches = Batches::new(database.db().clone(), |_db, names: &[&'static str]| {
        Box::pin(async move { Ok(names.iter().map(|_| names.len()).collect()) })
    });
    // The clock moves only where everybody waits for it.
    pause();
    let begun = Instant::now();
    for name in ["a", "b"] {
        assert_eq!(batches.run(name).await.unwrap(), 1);
    }
    assert!(begun.elapsed().is_zero(), "who comes alone is not kept waiting");
    let together = join_all(["c", "d"].map(|name| batches.run(name))).await;
    assert_eq!(together.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [2, 2]);
    let mut first = Box::pin(batches.run("e"));
    assert!(poll!(&mut first).is_pending());
    yield_now().await;
    let (first, second) = join!(first, batches.run("f"));
    assert_eq!([first.unwrap(), second.unwrap()], [2, 2], "e has waited for f");
}

#[tokio::test]
async fn what_cannot_be_written_fails_alone() {
    let database = TestDb::postgres(&MIGRATIONS).await;
    let batches = Batches::new(database.db().clone(), name);
    batches.run("b").await.unwrap();
    let results = join_all(["a", "b", "c", "c", "d\0"].map(|name| batches.run(name))).await;
    let [Ok(_), Err(there), Ok(_), Err(twice), Err(invalid)] = &results[..] else { panic!("{results:?}") };
    assert!(there.is_unique("things_name_key") && twice.is_unique("things_name_key"), "{results:?}");
    assert!(matches!(invalid, StoreError::InvalidValue(_)), "{results:?}");
    assert_eq!(named(database.db()).await, ["a", "b", "c"]);
}

#[tokio::test]
async fn who_stops_waiting_stops_nothing() {
    let database = TestDb::postgres(&MIGRATIONS).await;
    let batches = Batches::new(database.db().clone(), name);
    let mut first = Box::pin(batches.run("a"));
    assert!(poll!(&mut first).is_pending());
    drop(first);
    batches.run("b").await.unwrap();
    assert_eq!(named(database.db()).await, ["a", "b"]);
}

#[tokio::test]
async fn nobody_waits_for_what_was_given_up() {
    let database = TestDb::postgres(&MIGRATIONS).await;
    let batches = Batches::new(database.db().clone(), |db, names| {
        assert_ne!(names[0], "a", "a fault in the program");
        name(db, names)
    });
    let results = join_all(["a", "b"].map(|name| batches.run(name))).await;
    assert!(results.iter().all(is_unavailable), "{results:?}");
    assert_eq!(batches.run("c").await.unwrap(), "c is there");
}

#[tokio::test]
async fn a_database_that_is_gone_is_gone_for_all_of_a_batch() {
    let database = TestDb::postgres(&MIGRATIONS).await;
    let batches = Batches::new(database.db().clone(), name);
    database.db().close().await;
    let results = join_all(["a", "b"].map(|name| batches.run(name))).await;
    assert!(results.iter().all(is_unavailable), "{results:?}");
}
