use jiff::Timestamp;
use moviebooking_domain::id::TheaterId;
use moviebooking_proto::{Reason, problem::reason_of};
use moviebooking_store::{Db, Engine, PoolOptions, StoreError, both_engines, retry, sql, testing::TestDb};
use tonic::{Code, Status};
use uuid::Uuid;

async fn thing(db: &Db, name: &str, number: i64, flag: bool) -> Result<Uuid, StoreError> {
    let id = Uuid::now_v7();
    sql("INSERT INTO things (id, name, number, flag) VALUES ($1, $2, $3, $4)")
        .bind(id)
        .bind(name)
        .bind(number)
        .bind(flag)
        .execute(db)
        .await?;
    Ok(id)
}

both_engines! {
    &crate::MIGRATIONS;

    async fn constraints_have_one_name(db: Db) {
        let id = thing(&db, "secret name", 1, true).await.unwrap();

        let name = thing(&db, "secret name", 2, true).await.unwrap_err();
        assert!(name.is_unique("things_name_key"), "{name:?}");
        assert!(!name.is_unique("things_pkey"));
        assert!(!format!("{name:?} {name}").contains("secret name"));

        let pair = thing(&db, "b", 1, true).await.unwrap_err();
        assert!(pair.is_unique("things_number_flag_key"), "{pair:?}");

        let key = sql("INSERT INTO things (id) VALUES ($1)").bind(id).execute(&db).await.unwrap_err();
        assert!(key.is_unique("things_pkey"), "{key:?}");

        let check = thing(&db, "c", 13, false).await.unwrap_err();
        assert!(
            matches!(&check, StoreError::CheckViolation { constraint, .. } if constraint == "things_number_check"),
            "{check:?}"
        );

        let part = "INSERT INTO parts (thing, part) VALUES ($1, 1)";
        let foreign = sql(part).bind(Uuid::nil()).execute(&db).await.unwrap_err();
        assert!(matches!(foreign, StoreError::ForeignKeyViolation { .. }), "{foreign:?}");
        sql(part).bind(id).execute(&db).await.unwrap();
        let twice = sql(part).bind(id).execute(&db).await.unwrap_err();
        assert!(twice.is_unique("parts_pkey"), "{twice:?}");
        let referred = sql("DELETE FROM things WHERE id = $1").bind(id).execute(&db).await.unwrap_err();
        assert!(matches!(referred, StoreError::ForeignKeyViolation { .. }), "{referred:?}");
    }

    async fn a_fault_of_ours_is_internal_and_says_nothing(db: Db) {
        let error = sql("SELECT nonsense FROM nowhere").fetch_all(&db).await.unwrap_err();
        assert!(matches!(error, StoreError::Other { .. }), "{error:?}");
        let status = Status::from(error);
        assert_eq!(status.code(), Code::Internal);
        assert!(!status.message().contains("nowhere"));
    }

    async fn a_closed_database_is_unavailable(db: Db) {
        db.ping().await.unwrap();
        db.close().await;
        let error = db.ping().await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
        let status = Status::from(error);
        assert_eq!(reason_of(&status), Some(Reason::Unavailable));
        assert!(matches!(db.begin().await, Err(StoreError::Unavailable { .. })));
    }

    async fn a_dropped_transaction_leaves_nothing(db: Db) {
        let insert = "INSERT INTO things (id) VALUES ($1)";
        let id = TheaterId::new(Timestamp::UNIX_EPOCH);
        let mut tx = db.begin().await.unwrap();
        assert_eq!(sql(insert).bind(id).execute(&mut tx).await.unwrap(), 1);
        drop(tx);
        let count = || sql("SELECT COUNT(*) AS n FROM things");
        assert_eq!(count().fetch_one(&db).await.unwrap().get::<i64>("n").unwrap(), 0);

        let failed = retry(async || {
            let mut tx = db.begin().await?;
            sql(insert).bind(id).execute(&mut tx).await?;
            sql(insert).bind(id).execute(&mut tx).await
        }).await;
        assert!(failed.unwrap_err().is_unique("things_pkey"));
        assert_eq!(count().fetch_one(&db).await.unwrap().get::<i64>("n").unwrap(), 0);

        let mut tx = db.begin().await.unwrap();
        sql(insert).bind(id).execute(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(count().fetch_one(&db).await.unwrap().get::<i64>("n").unwrap(), 1);
    }

    async fn a_malformed_pattern_is_the_requests_fault(db: Db) {
        match (sql("SELECT 'ab' LIKE $1 AS found").bind("a\\").fetch_one(&db).await, db.engine()) {
            (Ok(row), Engine::Sqlite) => assert!(!row.get::<bool>("found").unwrap()),
            (Err(StoreError::InvalidValue(_)), Engine::Postgres) => {}
            (other, engine) => panic!("{engine:?}: {other:?}"),
        }
    }

    async fn a_value_too_large_for_the_index_is_the_requests_fault(db: Db) {
        // Digests do not compress, so that PostgreSQL cannot squeeze the text into an index entry.
        let long: String = (0..3_000_u32).map(|n| char::from_u32(0x4e00 + n.wrapping_mul(2_654_435_761) % 20_000).unwrap()).collect();
        match (thing(&db, &long, 1, true).await, db.engine()) {
            (Ok(_), Engine::Sqlite) => {}
            (Err(StoreError::InvalidValue(_)), Engine::Postgres) => {}
            (other, engine) => panic!("{engine:?}: {other:?}"),
        }
    }
}

/// PostgreSQL ends a session for reasons of its own; the next one works.
#[tokio::test]
async fn a_terminated_session_is_unavailable_once() {
    let test = TestDb::postgres(&crate::MIGRATIONS).await;
    let options = PoolOptions { application_name: "victim", max_connections: Some(1) };
    let victim = Db::connect(test.url(), &options).await.unwrap();
    let mut tx = victim.begin().await.unwrap();
    let row = sql("SELECT pg_backend_pid() AS pid").fetch_one(&mut tx).await.unwrap();
    let kill = "SELECT pg_terminate_backend(CAST($1 AS INTEGER)) AS done";
    sql(kill).bind(row.get::<i32>("pid").unwrap()).fetch_one(test.db()).await.unwrap();
    let error = sql("SELECT 1").fetch_one(&mut tx).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    drop(tx);
    victim.ping().await.unwrap();
}
