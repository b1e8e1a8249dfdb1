//! From a database URL to a pool: one SQL text for PostgreSQL and SQLite, migrations, error
//! classification, idempotency.
//!
//! Services do not see which engine they run on. They hold a [`Db`], write statements once with `$1`
//! placeholders, and read [`Row`]s:
//!
//! ```no_run
//! use moviebooking_store::{Db, StoreError, sql};
//! use uuid::Uuid;
//!
//! async fn rename(db: &Db, id: Uuid, name: &str) -> Result<String, StoreError> {
//!     let mut tx = db.begin().await?;
//!     let row = sql("UPDATE halls SET name = $2, version = version + 1 WHERE id = $1 RETURNING name")
//!         .bind(id)
//!         .bind(name)
//!         .fetch_one(&mut tx)
//!         .await?;
//!     tx.commit().await?;
//!     row.get("name")
//! }
//! ```
//!
//! # What one SQL text may use
//! - Column types `UUID`, `TIMESTAMPTZ`, `BIGINT`, `TEXT`, `BOOLEAN`, `BYTEA`. On SQLite they are a 16-byte
//!   blob, integer microseconds since 1970 UTC, integer, text, 0 or 1, and blob.
//! - `ON CONFLICT … DO UPDATE … WHERE … RETURNING`, `COUNT(*) FILTER`, `CAST(SUM(x) AS BIGINT)` (without
//!   the cast PostgreSQL answers `NUMERIC`), `IN` lists through [`Sql::push_list`].
//! - Not `= ANY($1)`, `unnest`, `::casts`, `FOR UPDATE`, `now()`, sequences, arrays, JSON columns; inside
//!   `match db.engine()` an engine's own SQL is allowed.
//! - Integer overflow in SQL is an error on PostgreSQL and turns into a float on SQLite: add in Rust, with
//!   checked arithmetic.
//!
//! # How constraints are named
//! [`StoreError::is_unique`] takes PostgreSQL's name of the constraint. SQLite tells only table and columns,
//! from which the same name is made, so migrations keep to PostgreSQL's default names:
//! - `PRIMARY KEY` is `{table}_pkey`; `UNIQUE (a, b)` is `{table}_a_b_key`; neither is named by hand;
//! - a `CREATE UNIQUE INDEX` (also a partial one) is called `{table}_{columns}_key`;
//! - a `CHECK` is named by hand, `CONSTRAINT {table}_{what}_check CHECK (…)`: then both engines report it;
//! - names stay below 64 bytes, where PostgreSQL cuts them.
//!
//! Of a row that violates several constraints each engine reports one of its own choice.

mod batches;
mod db;
mod error;
pub mod idempotency;
mod ids;
mod lease;
mod migrate;
pub mod observe;
mod postgres;
mod query;
mod row;
#[cfg(feature = "testing")]
pub mod testing;
mod tx;
mod url;
mod value;

pub use batches::{Batches, Run, Running, by_number};
pub use db::{ConnectError, Db, Engine, PoolOptions};
pub use error::StoreError;
pub use migrate::{MigrateError, Migration, Migrations};
pub use query::{Executor, Sql, sql};
pub use row::{FromColumn, Row};
pub use tx::{Tx, retry};
pub use url::{DatabaseUrl, DatabaseUrlError};
pub use value::{Bindable, Kind, Value};
