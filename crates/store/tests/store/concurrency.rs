use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use moviebooking_store::{Db, Engine, StoreError, both_engines, retry, sql};
use tokio::sync::Barrier;
use uuid::Uuid;

/// How long a condition is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

const READ: &str = "SELECT number FROM things WHERE id = $1";
const WRITE: &str = "UPDATE things SET number = $2 WHERE id = $1";

async fn number(db: &Db, id: Uuid) -> i64 {
    sql(READ).bind(id).fetch_one(db).await.unwrap().get("number").unwrap()
}

async fn counter(db: &Db) -> Uuid {
    let id = Uuid::now_v7();
    sql("INSERT INTO things (id, number) VALUES ($1, 100)").bind(id).execute(db).await.unwrap();
    id
}

/// Reads, then writes what it read plus one: loses updates unless transactions exclude each other.
async fn increment(db: &Db, id: &Uuid) -> Result<(), StoreError> {
    retry(|| async {
        let mut tx = db.begin().await?;
        tx.lock("counter", id).await?;
        let before: i64 = sql(READ).bind(*id).fetch_one(&mut tx).await?.get("number")?;
        sql(WRITE).bind(*id).bind(before + 1).execute(&mut tx).await?;
        tx.commit().await
    })
    .await
}

both_engines! {
    &crate::MIGRATIONS;

    async fn sixteen_writers_take_turns(db: Db) {
        let id = counter(&db).await;
        let writers = (0..16).map(|_| {
            let db = db.clone();
            tokio::spawn(async move {
                for _ in 0..10 {
                    increment(&db, &id).await?;
                    sql(READ).bind(id).fetch_one(&db).await?;
                }
                Ok::<_, StoreError>(())
            })
        });
        for writer in join_all(writers).await {
            writer.unwrap().unwrap();
        }
        assert_eq!(number(&db, id).await, 260);
    }

    async fn one_statement_alone_is_committed(db: Db) {
        let id = counter(&db).await;
        let all = (0..16).map(|_| sql("UPDATE things SET number = number + 1 WHERE id = $1 RETURNING number").bind(id).fetch_one(&db));
        for row in join_all(all).await {
            row.unwrap();
        }
        assert_eq!(number(&db, id).await, 116);
    }

    async fn readers_do_not_wait_for_a_writer(db: Db) {
        let id = counter(&db).await;
        let mut tx = db.begin().await.unwrap();
        sql(WRITE).bind(id).bind(7_i64).execute(&mut tx).await.unwrap();
        assert_eq!(number(&db, id).await, 100);
        tx.commit().await.unwrap();
        assert_eq!(number(&db, id).await, 7);
    }

    async fn a_deadlock_is_run_again(db: Db) {
        let ids = [counter(&db).await, counter(&db).await];
        // On PostgreSQL the two meet with their first row locked; SQLite lets the second begin later.
        let meet = Barrier::new(if db.engine() == Engine::Postgres { 2 } else { 1 });
        let cross = async |first: Uuid, second: Uuid| {
            let attempt = AtomicU32::new(0);
            retry(|| async {
                let add = "UPDATE things SET number = number + 1 WHERE id = $1";
                let mut tx = db.begin().await?;
                sql(add).bind(first).execute(&mut tx).await?;
                if attempt.fetch_add(1, Ordering::Relaxed) == 0 {
                    meet.wait().await;
                }
                sql(add).bind(second).execute(&mut tx).await?;
                tx.commit().await
            })
            .await
        };
        let (one, two) = tokio::join!(cross(ids[0], ids[1]), cross(ids[1], ids[0]));
        one.unwrap();
        two.unwrap();
        assert_eq!((number(&db, ids[0]).await, number(&db, ids[1]).await), (102, 102));
    }

    async fn a_deadlock_alone_is_a_conflict_to_try_again(db: Db) {
        if db.engine() == Engine::Sqlite {
            return; // its writers cannot cross
        }
        let ids = [counter(&db).await, counter(&db).await];
        let meet = Barrier::new(2);
        let cross = async |first: Uuid, second: Uuid| {
            let mut tx = db.begin().await?;
            tx.lock("counter", first).await?;
            meet.wait().await;
            tx.lock("counter", second).await?;
            tx.commit().await
        };
        let results: [Result<(), StoreError>; 2] = tokio::join!(cross(ids[0], ids[1]), cross(ids[1], ids[0])).into();
        let errors: Vec<StoreError> = results.into_iter().filter_map(Result::err).collect();
        let [error] = <[StoreError; 1]>::try_from(errors).unwrap();
        assert!(matches!(error, StoreError::Serialization { .. }), "{error:?}");
        assert_eq!(tonic::Status::from(error).code(), tonic::Code::Aborted);
    }

    async fn a_cancelled_transaction_frees_the_writer(db: Db) {
        let id = counter(&db).await;
        for _ in 0..50 {
            let work = async {
                let mut tx = db.begin().await?;
                sql(WRITE).bind(id).bind(Timestamp::UNIX_EPOCH.as_second()).execute(&mut tx).await?;
                tx.commit().await
            };
            // Whatever it has reached when the other branch is ready, it is dropped there.
            tokio::select! { biased; result = work => result.unwrap(), () = tokio::task::yield_now() => {} }
        }
        increment(&db, &id).await.unwrap();
    }

    async fn a_transaction_that_is_given_up_while_it_begins_is_over(db: Db) {
        if db.engine() == Engine::Sqlite {
            return; // its one writer would be found stuck by the test above
        }
        for number in 0..60 {
            let given_up = async {
                for _ in 0..number % 6 {
                    tokio::task::yield_now().await;
                }
            };
            // A connection is at hand, so BEGIN is on its way when the other branch is ready.
            sql("SELECT 1").fetch_one(&db).await.unwrap();
            tokio::select! { biased; begun = db.begin() => drop(begun.unwrap()), () = given_up => {} }
        }
        // Statements on a connection that is still in a transaction would be answered and not kept.
        let open = "SELECT COUNT(*) AS open FROM pg_stat_activity \
                    WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
        let all_over = async {
            while sql(open).fetch_one(&db).await.unwrap().get::<i64>("open").unwrap() > 0 {
                tokio::task::yield_now().await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, all_over).await.is_ok(), "a connection stays in a transaction");
    }
}
