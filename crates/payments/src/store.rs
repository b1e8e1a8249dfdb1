//! The payments database: what is written together, in one transaction each.

mod at_once;
mod cancelled;
mod exchanges;
mod leases;
mod ledger;
mod notices;
mod parking;
mod payments;
mod publish;
mod queries;
mod refunds;
mod rows;
#[cfg(feature = "sabotage")]
mod sabotage;
mod unfinished;

use jiff::Timestamp;
use moviebooking_domain::{id::PaymentId, money::Currency};
use moviebooking_store::{Batches, Db, Row, StoreError, Tx, sql};

#[cfg(test)]
pub(crate) use leases::LEASE;
pub(crate) use leases::{Lease, Leases};
pub(crate) use parking::Compensated;
pub(crate) use publish::{Told, published, unpublished};
pub(crate) use queries::Listing;
pub(crate) use unfinished::Unfinished;

use crate::{kind::Kind, payment::Event};

/// The payments database.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    db: Db,
    beginnings: Batches<at_once::Beginning, bool>,
    steps: Batches<at_once::Step, bool>,
}

impl Store {
    pub(crate) fn new(db: Db) -> Self {
        Self {
            beginnings: Batches::new(db.clone(), at_once::begin),
            // A checkout has four of them, one after another.
            steps: Batches::side_by_side(2, db.clone(), at_once::advance),
            db,
        }
    }

    /// The leases on the sagas of a kind.
    pub(crate) fn leases(&self, kind: Kind) -> Leases {
        Leases::new(self.db.clone(), kind)
    }
}

/// Locks the payment's row by counting an event.
async fn lock_payment(tx: &mut Tx, payment: PaymentId, now: Timestamp) -> Result<Row, StoreError> {
    sql("UPDATE payments SET version = version + 1, updated_at = $2 WHERE id = $1 RETURNING *")
        .bind(payment)
        .bind(now)
        .fetch_one(tx)
        .await
}

/// Appends to the history of a payment, whose version was counted up to `seq` in the same transaction, and books the
/// money that moved.
async fn append(
    tx: &mut Tx,
    payment: PaymentId,
    seq: i64,
    now: Timestamp,
    event: &Event,
) -> Result<(), StoreError> {
    sql("INSERT INTO payment_events (payment_id, seq, happened_at, kind, amount, detail, facts) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)")
    .bind(payment)
    .bind(seq)
    .bind(now)
    .bind(event.kind)
    .bind(event.moved.map(|moved| moved.amount))
    .bind(&event.detail)
    .bind(event.about.encode())
    .execute(&mut *tx)
    .await?;
    tx.announce_events();
    match event.moved {
        Some(moved) => ledger::book(tx, payment, seq, now, moved).await,
        None => Ok(()),
    }
}

/// The column `currency`.
pub(crate) fn currency(row: &Row) -> Result<Currency, StoreError> {
    parsed(row, "currency")
}

/// A column that holds the text of something.
fn parsed<T>(row: &Row, column: &str) -> Result<T, StoreError>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    let text: String = row.get(column)?;
    text.parse().map_err(|error: T::Err| corrupt(column, error))
}

fn corrupt(column: &str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::Corrupt { column: column.to_owned(), source: source.into() }
}
