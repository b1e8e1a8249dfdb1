//! What spans and observers are told of statements, and what not.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};
use std::time::Duration;

use moviebooking_store::observe::{Observer, PoolUsage, install};
use moviebooking_store::{Db, Engine, PoolOptions, StoreError, sql, testing::TestDb};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Subscriber, subscriber::set_default};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::{LookupSpan, Registry};
use uuid::Uuid;

/// The fields of one span.
#[derive(Debug, Clone, Default)]
struct Fields(HashMap<&'static str, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

/// Keeps the fields of every closed span of the target `otel`, by the span's number.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<(u64, Fields)>>>);

impl Spans {
    /// The spans in the order in which they were opened, once `count` of them are closed: SQLite's thread may let go of
    /// one after its statement is done.
    async fn closed(&self, count: usize) -> Vec<Fields> {
        loop {
            let closed = self.0.lock().unwrap().clone();
            if closed.len() >= count {
                let mut closed = closed;
                closed.sort_by_key(|(opened, _)| *opened);
                return closed.into_iter().map(|(_, fields)| fields).collect();
            }
            tokio::task::yield_now().await;
        }
    }
}

/// The number of the span that is opened next.
static OPENED: AtomicU64 = AtomicU64::new(0);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let number = OPENED.fetch_add(1, Ordering::Relaxed);
        context.span(id).unwrap().extensions_mut().insert((number, fields));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        values.record(&mut span.extensions_mut().get_mut::<(u64, Fields)>().unwrap().1);
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let span = context.span(&id).unwrap();
        if span.metadata().target() == "otel" {
            self.0.lock().unwrap().extend(span.extensions().get::<(u64, Fields)>().cloned());
        }
    }
}

type Told = (&'static str, &'static str, bool);
static STATEMENTS: Mutex<Vec<Told>> = Mutex::new(Vec::new());
static POOLS: Mutex<Vec<(&str, &str, [u32; 3])>> = Mutex::new(Vec::new());

fn statement(database: &'static str, operation: &'static str, failed: bool, elapsed: Duration) {
    assert!(elapsed > Duration::ZERO);
    STATEMENTS.lock().unwrap().push((database, operation, failed));
}

fn pool(database: &'static str, pool: &'static str, usage: PoolUsage) {
    POOLS.lock().unwrap().push((database, pool, usage()));
}

async fn work(db: &Db) -> Result<(), StoreError> {
    let mut tx = db.begin().await?;
    let insert = sql("INSERT INTO things (id, name, number, flag) VALUES ($1, $2, $3, $4)");
    insert.bind(Uuid::now_v7()).bind("secret name").bind(7_i64).bind(true).execute(&mut tx).await?;
    tx.commit().await?;
    sql("SELECT name FROM things WHERE name = $1").bind("secret name").fetch_one(db).await?;
    sql("UPDATE things SET number = 13").execute(db).await.map(drop)
}

/// Does the same on `test`'s database under another name and looks at what was told.
async fn told(test: &TestDb, name: &'static str) {
    install(Observer { statement, pool });
    let options = PoolOptions { application_name: name, max_connections: Some(3) };
    let db = Db::connect(test.url(), &options).await.unwrap();
    let spans = Spans::default();
    {
        let _watched = set_default(Registry::default().with(spans.clone()));
        let refused = work(&db).await.unwrap_err();
        assert!(matches!(refused, StoreError::CheckViolation { .. }), "{refused:?}");
    }

    let spans = spans.closed(5).await;
    let all = |field: &str| -> Vec<_> {
        spans.iter().map(|span| span.0.get(field).map_or("", String::as_str)).collect()
    };
    let expected = ["BEGIN", "INSERT things", "COMMIT", "SELECT things", "UPDATE things"];
    assert_eq!(all("otel.name"), expected);
    assert_eq!(all("db.query.summary"), expected);
    assert_eq!(all("db.operation.name"), ["BEGIN", "INSERT", "COMMIT", "SELECT", "UPDATE"]);
    assert_eq!(all("db.system.name"), [db.engine().name(); 5]);
    assert_eq!(all("db.namespace"), [name; 5]);
    assert_eq!(all("otel.status_code"), ["", "", "", "", "error"]);
    assert_eq!(all("error.type"), ["", "", "", "", "check_violation"]);
    assert!(!format!("{spans:?}").contains("secret"), "{spans:?}");

    let statements = STATEMENTS.lock().unwrap();
    let statements: Vec<_> = statements.iter().filter(|told| told.0 == name).collect();
    let failed = |operation| (name, operation, operation == "UPDATE");
    let expected = ["BEGIN", "INSERT", "COMMIT", "SELECT", "UPDATE"].map(failed);
    assert_eq!(statements, expected.iter().collect::<Vec<_>>());

    let pools = POOLS.lock().unwrap();
    let mut pools: Vec<_> =
        pools.iter().filter(|told| told.0 == name).map(|told| (told.1, told.2[2])).collect();
    pools.sort_unstable();
    match db.engine() {
        Engine::Postgres => assert_eq!(pools, [("all", 3)]),
        Engine::Sqlite => assert_eq!(pools, [("reader", 3), ("writer", 1)]),
    }
}

#[tokio::test]
async fn statements_are_told_without_their_values_on_sqlite() {
    told(&TestDb::sqlite(&crate::MIGRATIONS).await, "watched-sqlite").await;
}

#[tokio::test]
async fn statements_are_told_without_their_values_on_postgres() {
    told(&TestDb::postgres(&crate::MIGRATIONS).await, "watched-postgres").await;
}
