//! Events that wait to be published, in a table that services write in the transaction of the change.

use std::fmt::Display;

use jiff::Timestamp;
use moviebooking_domain::id::version_7;
use moviebooking_proto::event::Event as Data;
use moviebooking_store::{Db, Engine, Kind, Migration, Row, Sql, StoreError, Tx, Value, migration, sql};
use uuid::Uuid;

use crate::{Batch, Event, Source, event::json};

/// The table behind this module, for a service's list of migrations.
pub const MIGRATION: Migration = migration!(9003, "migrations/outbox.sql");

/// Tells that something happened to `subject`. The transaction has to keep others from changing the subject: what it
/// tells then comes after all that was told of it before.
///
/// # Errors
/// [`StoreError`]
pub async fn append<M: Data>(
    tx: &mut Tx,
    now: Timestamp,
    subject: impl Display,
    data: &M,
) -> Result<(), StoreError> {
    append_all(tx, now, [(subject, data)]).await
}

/// Like [`append`], for events of one type about several subjects.
///
/// # Errors
/// [`StoreError`]
pub async fn append_all<'a, M: Data + 'a>(
    tx: &mut Tx,
    now: Timestamp,
    events: impl IntoIterator<Item = (impl Display, &'a M)>,
) -> Result<(), StoreError> {
    let rows = rows(now, events)?;
    if rows.is_empty() {
        return Ok(());
    }
    let mut insert = sql(INSERT);
    insert.push(" VALUES ").push_rows(rows);
    insert.execute(&mut *tx).await?;
    tx.announce_events();
    Ok(())
}

/// Adds the insertion of [`rows`] to a statement that begins with `WITH`, for PostgreSQL. It is the caller who then says
/// that there are events, with [`Db::wake_events`].
pub fn push_all(statement: &mut Sql, rows: impl IntoIterator<Item = [Value; 5]>) {
    statement.push(", told AS (").push(INSERT).push(" SELECT * FROM ");
    statement
        .push_unnest([Kind::Uuid, Kind::Text, Kind::Text, Kind::Time, Kind::Text], rows)
        .push(" AS event)");
}

const INSERT: &str = "INSERT INTO outbox (id, type, subject, happened_at, data)";

/// Events of one type about several subjects, as [`push_all`] takes them.
///
/// # Errors
/// [`StoreError`] for what cannot be written.
pub fn rows<'a, M: Data + 'a>(
    now: Timestamp,
    events: impl IntoIterator<Item = (impl Display, &'a M)>,
) -> Result<Vec<[Value; 5]>, StoreError> {
    let row = |(subject, data): (_, &M)| {
        let subject = format!("{subject}");
        Ok([version_7(now).into(), M::TYPE.into(), subject.into(), now.into(), json(data)?.into()])
    };
    events.into_iter().map(row).collect()
}

/// The table as what a [`Relay`](crate::Relay) publishes.
#[derive(Clone, Copy, Debug)]
pub struct Outbox;

impl Source for Outbox {
    /// The rows that were read.
    type Receipt = Vec<Uuid>;

    async fn unpublished(&self, db: &Db, limit: i64) -> Result<Batch<Vec<Uuid>>, StoreError> {
        let query = match db.engine() {
            Engine::Postgres => {
                "SELECT id, type, subject, happened_at, data FROM outbox ORDER BY position LIMIT $1"
            }
            Engine::Sqlite => {
                "SELECT id, type, subject, happened_at, data FROM outbox ORDER BY rowid LIMIT $1"
            }
        };
        let rows = sql(query).bind(limit).fetch_all(db).await?;
        let receipt = rows.iter().map(|row| row.get("id")).collect::<Result<_, _>>()?;
        Ok(Batch { events: rows.iter().map(read).collect::<Result<_, _>>()?, receipt, rows: rows.len() })
    }

    async fn published(&self, db: &Db, receipt: Vec<Uuid>) -> Result<(), StoreError> {
        let delete = match db.engine() {
            Engine::Postgres => {
                let mut delete = sql("DELETE FROM outbox USING ");
                delete.push_few(
                    "published (its_id, at)",
                    [Kind::Uuid],
                    receipt.into_iter().map(|id| [id.into()]),
                );
                delete.push(" WHERE id = its_id");
                delete
            }
            Engine::Sqlite => {
                let mut delete = sql("DELETE FROM outbox WHERE id IN ");
                delete.push_list(receipt);
                delete
            }
        };
        delete.execute(db).await.map(drop)
    }
}

fn read(row: &Row) -> Result<Event, StoreError> {
    let subject: String = row.get("subject")?;
    Ok(Event {
        id: row.get::<Uuid>("id")?.to_string(),
        kind: row.get("type")?,
        partition_key: subject.clone(),
        subject,
        time: row.get("happened_at")?,
        data: row.get("data")?,
    })
}
