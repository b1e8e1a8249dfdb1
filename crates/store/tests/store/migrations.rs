use futures::future::join_all;
use jiff::Timestamp;
use moviebooking_store::{MigrateError, Migration, Migrations, both_engines, sql};

use crate::THINGS;

static NONE: Migrations = Migrations::new(&[]);
static FIRST: Migrations = Migrations::new(&[THINGS]);
static BOTH: Migrations = Migrations::new(&[THINGS, SECOND]);
static EDITED: Migrations = Migrations::new(&[Migration { sql: "SELECT 1", ..THINGS }]);
static BROKEN: Migrations = Migrations::new(&[
    THINGS,
    Migration { version: 2, name: "broken", sql: "CREATE TABLE half (a BIGINT); SELECT wrong;" },
]);

const SECOND: Migration = Migration {
    version: 2,
    name: "second",
    sql: "CREATE TABLE more (a BIGINT); INSERT INTO more VALUES (1);",
};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

both_engines! {
    &NONE;

    async fn pending_ones_are_named_and_run_when_asked(db: Db) {
        let pending = BOTH.ensure(&db, false, NOW).await.unwrap_err();
        assert_eq!(
            pending.to_string(),
            "2 database migrations are pending, the first is tests/store/migrations/0001_things.sql: \
             start with --migrate to run them"
        );
        assert_eq!(FIRST.ensure(&db, true, NOW).await.unwrap(), 1);
        assert!(matches!(BOTH.ensure(&db, false, NOW).await, Err(MigrateError::Pending { count: 1, .. })));
        assert_eq!(BOTH.ensure(&db, true, NOW).await.unwrap(), 1);
        assert_eq!(BOTH.ensure(&db, true, NOW).await.unwrap(), 0);
        assert_eq!(BOTH.ensure(&db, false, NOW).await.unwrap(), 0);
        assert_eq!(sql("SELECT a FROM more").fetch_one(&db).await.unwrap().get::<i64>("a").unwrap(), 1);
    }

    async fn one_from_the_future_is_refused(db: Db) {
        BOTH.ensure(&db, true, NOW).await.unwrap();
        for migrate in [true, false] {
            let error = FIRST.ensure(&db, migrate, NOW).await.unwrap_err();
            assert!(matches!(error, MigrateError::Future { version: 2, .. }), "{error:?}");
            assert!(error.to_string().contains("migration 2 (second)"), "{error}");
        }
    }

    async fn a_changed_one_is_refused(db: Db) {
        FIRST.ensure(&db, true, NOW).await.unwrap();
        let error = EDITED.ensure(&db, true, NOW).await.unwrap_err();
        assert!(matches!(error, MigrateError::Changed { version: 1, .. }), "{error:?}");
    }

    async fn a_failed_one_leaves_nothing_of_itself(db: Db) {
        let error = BROKEN.ensure(&db, true, NOW).await.unwrap_err();
        assert!(matches!(error, MigrateError::Failed { version: 2, .. }), "{error:?}");
        assert_eq!(BOTH.ensure(&db, true, NOW).await.unwrap(), 1);
        sql("CREATE TABLE half (a BIGINT)").execute(&db).await.unwrap();
    }

    async fn migrators_side_by_side_run_each_once(db: Db) {
        let all = join_all((0..6).map(|_| BOTH.ensure(&db, true, NOW))).await;
        assert_eq!(all.into_iter().map(Result::unwrap).sum::<usize>(), 2);
    }
}
