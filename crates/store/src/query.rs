//! A statement, its values, and where it runs.

use std::borrow::Cow;
use std::fmt;

use sqlx::AssertSqlSafe;

use crate::db::Pools;
use crate::observe::Statement;
use crate::row::Row;
use crate::tx::Open;
use crate::value::{postgres_arguments, sqlite_arguments};
use crate::{Db, Engine, Kind, StoreError, Tx, Value};

/// A statement with its values. Its text is made of parts of this program alone, never of input.
///
/// A fixed statement names its placeholders, `$1` and on, and binds a value to each:
/// `sql("SELECT name FROM halls WHERE id = $1").bind(id)`. One with optional parts goes on with
/// [`push`](Self::push), [`push_bind`](Self::push_bind), [`push_list`](Self::push_list) and
/// [`push_rows`](Self::push_rows), which number the placeholders themselves:
///
/// ```
/// # use moviebooking_store::sql;
/// # let (theater, states) = (Some("north"), ["HELD", "SOLD"]);
/// let mut query = sql("SELECT id FROM claims WHERE showtime = $1").bind(7_i64);
/// if let Some(theater) = theater {
///     query.push(" AND theater = ").push_bind(theater);
/// }
/// query.push(" AND state IN ").push_list(states);
/// assert_eq!(
///     query.text(),
///     "SELECT id FROM claims WHERE showtime = $1 AND theater = $2 AND state IN ($3, $4)"
/// );
/// ```
#[must_use = "a statement does nothing until it is executed"]
pub struct Sql {
    text: Cow<'static, str>,
    values: Vec<Value>,
}

/// Begins a statement.
pub fn sql(text: &'static str) -> Sql {
    Sql { text: Cow::Borrowed(text), values: Vec::new() }
}

impl Sql {
    /// The text so far.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Binds the next value to a placeholder that the text names.
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Appends text.
    pub fn push(&mut self, text: &'static str) -> &mut Self {
        self.text.to_mut().push_str(text);
        self
    }

    /// Appends the next placeholder and binds `value` to it.
    pub fn push_bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        let placeholder = format!("${}", self.values.len());
        self.text.to_mut().push_str(&placeholder);
        self
    }

    /// Appends a list in parentheses, `($3, $4)`, for `IN`. An empty one is `(NULL)`, which nothing is in
    /// (and `NOT IN (NULL)` holds for nothing either).
    pub fn push_list<V: Into<Value>>(&mut self, values: impl IntoIterator<Item = V>) -> &mut Self {
        let mut separator = "(";
        for value in values {
            self.push(separator).push_bind(value);
            separator = ", ";
        }
        if separator == "(" {
            self.push("(NULL");
        }
        self.push(")")
    }

    /// Appends rows for `VALUES`: `($3, $4), ($5, $6)`. There must be at least one.
    pub fn push_rows<const N: usize>(&mut self, rows: impl IntoIterator<Item = [Value; N]>) -> &mut Self {
        let mut separator = "";
        for row in rows {
            self.push(separator).push_list(row);
            separator = ", ";
        }
        self
    }

    /// Appends `(SELECT unnest($3), unnest($4))`: rows whose columns are of these types, one array for each column, so that
    /// the text is the same for any number of rows. For PostgreSQL alone, which would write down what each function in a
    /// `FROM` returns before it reads the first row.
    pub fn push_unnest<const N: usize>(
        &mut self,
        kinds: [Kind; N],
        rows: impl IntoIterator<Item = [Value; N]>,
    ) -> &mut Self {
        self.push_columns(kinds.into_iter().zip(columns(kinds, rows))).push(")")
    }

    /// Appends a table of such rows, called `name` (`step (id, state, number)`), whose last column numbers them from 1. It
    /// is to be joined with a table that has an index for it. PostgreSQL cannot know how many rows an array will have, and
    /// takes a table without statistics for small: so it would rather read all of that than look a few rows up. It does not
    /// look into a limit that is a query either, and expects a tenth of the rows then.
    pub fn push_few<const N: usize>(
        &mut self,
        name: &'static str,
        kinds: [Kind; N],
        rows: impl IntoIterator<Item = [Value; N]>,
    ) -> &mut Self {
        let columns = columns(kinds, rows);
        let many = columns.first().map_or(0, Vec::len);
        let numbers = (1_i64..).take(many).map(Value::from).collect();
        self.push_columns(kinds.into_iter().zip(columns).chain([(Kind::I64, numbers)]));
        self.push(" LIMIT (SELECT 1000000)) AS ").push(name)
    }

    /// Appends `(SELECT unnest($3), unnest($4)`, without its end.
    fn push_columns(&mut self, columns: impl IntoIterator<Item = (Kind, Vec<Value>)>) -> &mut Self {
        let mut separator = "(SELECT unnest(";
        for (kind, values) in columns {
            self.push(separator).push_bind(Value::List(kind, values)).push(")");
            separator = ", unnest(";
        }
        self
    }

    /// All rows.
    ///
    /// # Errors
    /// [`StoreError`], classified.
    pub async fn fetch_all(self, on: impl Into<Executor<'_>>) -> Result<Vec<Row>, StoreError> {
        let on = on.into();
        Statement::new(on.name(), on.engine(), &self.text).run(self.rows(on)).await
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// [`StoreError`], classified.
    pub async fn fetch_optional(self, on: impl Into<Executor<'_>>) -> Result<Option<Row>, StoreError> {
        Ok(self.fetch_all(on).await?.into_iter().next())
    }

    /// The first row of a statement that always has one.
    ///
    /// # Errors
    /// [`StoreError::NoRow`] when there is none; else [`StoreError`], classified.
    pub async fn fetch_one(self, on: impl Into<Executor<'_>>) -> Result<Row, StoreError> {
        self.fetch_optional(on).await?.ok_or(StoreError::NoRow)
    }

    /// Runs the statement and returns how many rows it inserted, updated or deleted.
    ///
    /// # Errors
    /// [`StoreError`], classified.
    pub async fn execute(self, on: impl Into<Executor<'_>>) -> Result<u64, StoreError> {
        let on = on.into();
        Statement::new(on.name(), on.engine(), &self.text).run(self.affected(on)).await
    }

    /// Whether the statement can run on SQLite's readers.
    fn only_reads(&self) -> bool {
        let word = self.text.split_whitespace().next().unwrap_or_default();
        ["SELECT", "WITH", "VALUES"].iter().any(|read| word.eq_ignore_ascii_case(read))
    }

    async fn rows(self, on: Executor<'_>) -> Result<Vec<Row>, StoreError> {
        let only_reads = self.only_reads();
        let text = AssertSqlSafe(self.text);
        let rows = match on {
            Executor::Db(db) => match db.pools() {
                Pools::Postgres(leases) => {
                    let query = sqlx::query_with(text, postgres_arguments(self.values)?);
                    let mut lease = leases.take().await?;
                    let rows = query.fetch_all(lease.connection()).await;
                    lease.end(rows)?.into_iter().map(Row::from).collect()
                }
                Pools::Sqlite(pools) => {
                    let query = sqlx::query_with(text, sqlite_arguments(self.values)?);
                    query
                        .fetch_all(pools.for_statement(only_reads))
                        .await?
                        .into_iter()
                        .map(Row::from)
                        .collect()
                }
            },
            Executor::Tx(tx) => match tx.open() {
                Open::Postgres(tx) => {
                    let query = sqlx::query_with(text, postgres_arguments(self.values)?);
                    query.fetch_all(tx.connection()?).await?.into_iter().map(Row::from).collect()
                }
                Open::Sqlite(tx) => {
                    let query = sqlx::query_with(text, sqlite_arguments(self.values)?);
                    query.fetch_all(&mut **tx).await?.into_iter().map(Row::from).collect()
                }
            },
        };
        Ok(rows)
    }

    async fn affected(self, on: Executor<'_>) -> Result<u64, StoreError> {
        let only_reads = self.only_reads();
        let text = AssertSqlSafe(self.text);
        let affected = match on {
            Executor::Db(db) => match db.pools() {
                Pools::Postgres(leases) => {
                    let query = sqlx::query_with(text, postgres_arguments(self.values)?);
                    let mut lease = leases.take().await?;
                    let done = query.execute(lease.connection()).await;
                    lease.end(done)?.rows_affected()
                }
                Pools::Sqlite(pools) => {
                    let query = sqlx::query_with(text, sqlite_arguments(self.values)?);
                    query.execute(pools.for_statement(only_reads)).await?.rows_affected()
                }
            },
            Executor::Tx(tx) => match tx.open() {
                Open::Postgres(tx) => {
                    let query = sqlx::query_with(text, postgres_arguments(self.values)?);
                    query.execute(tx.connection()?).await?.rows_affected()
                }
                Open::Sqlite(tx) => {
                    let query = sqlx::query_with(text, sqlite_arguments(self.values)?);
                    query.execute(&mut **tx).await?.rows_affected()
                }
            },
        };
        Ok(affected)
    }
}

/// The values of rows, column by column.
fn columns<const N: usize>(kinds: [Kind; N], rows: impl IntoIterator<Item = [Value; N]>) -> [Vec<Value>; N] {
    let mut columns = kinds.map(|_| Vec::new());
    for row in rows {
        for (column, value) in columns.iter_mut().zip(row) {
            column.push(value);
        }
    }
    columns
}

/// Shows the text and not the values, which may be personal.
impl fmt::Debug for Sql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sql({})", self.text)
    }
}

/// Where a statement runs: `&db` (a statement by itself) or `&mut tx` (inside a transaction).
///
/// A function for both takes `on: impl Into<Executor<'_>>`; one that runs several statements calls
/// [`reborrow`](Self::reborrow) for each.
#[derive(Debug)]
pub enum Executor<'a> {
    /// By itself: committed when it has ended.
    Db(&'a Db),
    /// In a transaction.
    Tx(&'a mut Tx),
}

impl Executor<'_> {
    /// Which engine it runs on.
    pub fn engine(&self) -> Engine {
        match self {
            Self::Db(db) => db.engine(),
            Self::Tx(tx) => tx.engine(),
        }
    }

    /// What the database is called to observers.
    fn name(&self) -> &'static str {
        match self {
            Self::Db(db) => db.name(),
            Self::Tx(tx) => tx.name(),
        }
    }

    /// The same again for one more statement.
    pub fn reborrow(&mut self) -> Executor<'_> {
        match self {
            Self::Db(db) => Executor::Db(db),
            Self::Tx(tx) => Executor::Tx(tx),
        }
    }
}

impl<'a> From<&'a Db> for Executor<'a> {
    fn from(db: &'a Db) -> Self {
        Self::Db(db)
    }
}

impl<'a> From<&'a mut Tx> for Executor<'a> {
    fn from(tx: &'a mut Tx) -> Self {
        Self::Tx(tx)
    }
}
