//! Connections to PostgreSQL from one statement to the next.

use std::{collections::HashSet, time::Duration};

use futures::future::join_all;
use moviebooking_store::{Db, sql, testing::TestDb};
use uuid::Uuid;

async fn session(db: &Db) -> i64 {
    let row = sql("SELECT CAST(pg_backend_pid() AS BIGINT) AS id").fetch_one(db).await.unwrap();
    row.get("id").unwrap()
}

#[tokio::test]
async fn statements_one_after_the_other_use_one_connection() {
    let database = TestDb::postgres(&crate::MIGRATIONS).await;
    let db = database.db();
    let mut seen = HashSet::new();
    for _ in 0..10 {
        seen.insert(session(db).await);
        assert!(sql("SELECT 1 / 0").fetch_all(db).await.is_err());
        let mut tx = db.begin().await.unwrap();
        sql("SELECT 1").execute(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
    }
    assert_eq!(seen.len(), 1);
    let many = join_all((0..100).map(|_| session(db))).await;
    assert!(many.into_iter().collect::<HashSet<_>>().len() <= 20, "the pool of tests has at most twenty");
}

#[tokio::test]
async fn what_was_given_up_half_way_leaves_nothing_behind() {
    let database = TestDb::postgres(&crate::MIGRATIONS).await;
    let db = database.db();
    let id = Uuid::now_v7();
    for _ in 0..30 {
        let mut tx = db.begin().await.unwrap();
        let insert = "INSERT INTO things (id, number) VALUES ($1, 1)";
        sql(insert).bind(id).execute(&mut tx).await.unwrap();
        drop(tx);
        let slow = sql("SELECT 7 AS number FROM (SELECT pg_sleep(0.05)) AS slept").fetch_all(db);
        assert!(tokio::time::timeout(Duration::from_millis(1), slow).await.is_err());
        let row = sql("SELECT COUNT(*) AS number FROM things").fetch_one(db).await.unwrap();
        assert_eq!(row.get::<i64>("number").unwrap(), 0);
    }
}

#[tokio::test]
async fn a_connection_that_the_server_ended_is_not_used_again() {
    let database = TestDb::postgres(&crate::MIGRATIONS).await;
    let db = database.db();
    for _ in 0..3 {
        let ended = session(db).await;
        let end = format!("SELECT pg_terminate_backend({ended}) FROM generate_series(1, 1)");
        let end = Box::leak(end.into_boxed_str());
        assert!(sql(end).fetch_all(db).await.is_err(), "a session that ends itself gets no answer");
        assert_ne!(session(db).await, ended);
    }
}

#[tokio::test]
async fn closing_ends_all_of_them() {
    let database = TestDb::postgres(&crate::MIGRATIONS).await;
    let db = database.db();
    join_all((0..20).map(|_| session(db))).await;
    tokio::time::timeout(Duration::from_secs(10), db.close()).await.unwrap();
    assert!(sql("SELECT 1").fetch_all(db).await.is_err());
}
