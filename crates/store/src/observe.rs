//! Who sees what statements run and how long they take: a span for each, for traces, and an [`Observer`], for metrics.
//!
//! The spans have the target `otel` and OpenTelemetry's names for databases. They and what observers are told hold no
//! value of a statement.

use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use crate::{Engine, StoreError};

/// What a pool tells whenever it is asked: connections open, those of them that are idle, and the most there may be.
pub type PoolUsage = Box<dyn Fn() -> [u32; 3] + Send + Sync>;

/// Who is told about the statements and pools of this process. A database goes by the name that its
/// [`PoolOptions`](crate::PoolOptions) have.
#[derive(Clone, Copy)]
pub struct Observer {
    /// A statement has ended: the database, the statement's first word (`SELECT`, `COMMIT`), whether it failed, and
    /// how long it took with the wait for a connection.
    pub statement: fn(&'static str, &'static str, bool, Duration),
    /// There is a pool: the database, and `all`, or on SQLite `reader` or `writer`.
    pub pool: fn(&'static str, &'static str, PoolUsage),
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

static OBSERVER: OnceLock<Observer> = OnceLock::new();

/// Sets the observer of this process, once and before it connects to a database; a second one is ignored.
pub fn install(observer: Observer) {
    // The first one stays.
    let _ = OBSERVER.set(observer);
}

/// Tells the observer about a pool.
pub(crate) fn pool(
    database: &'static str,
    pool: &'static str,
    usage: impl Fn() -> [u32; 3] + Send + Sync + 'static,
) {
    if let Some(observer) = OBSERVER.get() {
        (observer.pool)(database, pool, Box::new(usage));
    }
}

/// A statement that is about to run.
pub(crate) struct Statement {
    span: Span,
    database: &'static str,
    operation: &'static str,
}

impl Statement {
    pub(crate) fn new(database: &'static str, engine: Engine, text: &str) -> Self {
        let operation = operation(text);
        let span = tracing::info_span!(
            target: "otel",
            "sql",
            otel.name = Empty,
            otel.kind = "client",
            otel.status_code = Empty,
            db.system.name = engine.name(),
            db.namespace = database,
            db.operation.name = operation,
            db.query.summary = Empty,
            db.query.text = text,
            "error.type" = Empty,
        );
        if !span.is_disabled() {
            let summary = summary(operation, text);
            span.record("otel.name", &*summary).record("db.query.summary", &*summary);
        }
        Self { span, database, operation }
    }

    /// Runs the statement, which is `work`.
    pub(crate) async fn run<T>(
        self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let begun = OBSERVER.get().map(|observer| (observer, Instant::now()));
        let result = work.instrument(self.span.clone()).await;
        if let Err(error) = &result {
            self.span.record("otel.status_code", "error").record("error.type", error.class());
        }
        if let Some((observer, begun)) = begun {
            (observer.statement)(self.database, self.operation, result.is_err(), begun.elapsed());
        }
        result
    }
}

/// What a statement does: one of few words, whatever its text is.
fn operation(text: &str) -> &'static str {
    const OPERATIONS: [&str; 7] = ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "BEGIN", "COMMIT"];
    let word = text.split_whitespace().next().unwrap_or_default();
    OPERATIONS.into_iter().find(|operation| word.eq_ignore_ascii_case(operation)).unwrap_or("OTHER")
}

/// The operation and the first table it names, which is neither a query nor a function: `INSERT claims`.
fn summary(operation: &'static str, text: &str) -> String {
    let words = || text.split_whitespace();
    for (before, word) in words().zip(words().skip(1)) {
        let [from, into, update] = ["FROM", "INTO", "UPDATE"].map(|known| before.eq_ignore_ascii_case(known));
        let end = word.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(word.len());
        let (table, rest) = word.split_at(end);
        let is_table = into || update || from && !rest.starts_with('(');
        if is_table && !table.is_empty() {
            return format!("{operation} {table}");
        }
    }
    operation.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_summed_up_by_operation_and_table() {
        for (text, expected) in [
            ("SELECT a, b FROM claims WHERE c = $1", "SELECT claims"),
            ("insert into claims(a) VALUES ($1) ON CONFLICT DO UPDATE SET a = 2", "INSERT claims"),
            ("INSERT INTO claims (a) SELECT a FROM holds", "INSERT claims"),
            ("UPDATE halls SET x = 1", "UPDATE halls"),
            ("\n  DELETE FROM halls;", "DELETE halls"),
            ("WITH won AS (SELECT 1 FROM claims) SELECT 2", "WITH claims"),
            ("SELECT pg_advisory_xact_lock($1)", "SELECT"),
            ("SELECT x FROM (SELECT 1)", "SELECT"),
            ("WITH a AS (SELECT * FROM (SELECT unnest($1) LIMIT 1)) UPDATE halls SET x = 1", "WITH halls"),
            ("COMMIT", "COMMIT"),
            ("VACUUM", "OTHER"),
            ("", "OTHER"),
        ] {
            assert_eq!(summary(operation(text), text), expected, "{text}");
        }
    }
}
