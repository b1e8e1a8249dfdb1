//! The sandbox bank's ledger: one row for each operation, under the merchant's key.

use jiff::Timestamp;
use moviebooking_domain::{
    id::{PaymentId, RefundId},
    money::Money,
};
use moviebooking_store::{Db, Executor, Row, StoreError, Tx, sql};

use uuid::Uuid;

use crate::provider::{Movement, Operation, ProviderError, Transaction, TransactionPage, TransactionQuery};

/// How many transactions are in a page.
const PAGE: usize = 100;

/// A new row.
pub(super) struct Entry {
    pub(super) operation: Operation,
    pub(super) amount: Money,
    pub(super) decline_code: Option<&'static str>,
    pub(super) now: Timestamp,
}

/// A row that was there before.
pub(super) struct Past {
    amount: i64,
    currency: String,
    pub(super) decline_code: Option<String>,
}

/// Adds the row as the transaction's first statement, so that requests with the same key take turns. If there was one,
/// its answer is the answer.
pub(super) async fn add(tx: &mut Tx, entry: &Entry) -> Result<Option<Result<(), ProviderError>>, StoreError> {
    let (payment, operation) = match entry.operation {
        Operation::Authorise(payment) => (payment, "authorise"),
        Operation::Capture(payment) => (payment, "capture"),
        Operation::Void(payment) => (payment, "void"),
        Operation::Refund(payment, _) => (payment, "refund"),
    };
    let added = sql("INSERT INTO bank_operations \
         (idempotency_key, payment_id, operation, amount, currency, decline_code, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (idempotency_key) DO NOTHING")
    .bind(entry.operation.to_string())
    .bind(payment)
    .bind(operation)
    .bind(entry.amount.minor)
    .bind(entry.amount.currency.code())
    .bind(entry.decline_code)
    .bind(entry.now)
    .execute(&mut *tx)
    .await?;
    if added == 1 {
        return Ok(None);
    }
    let past = find(tx, entry.operation).await?.ok_or(StoreError::NoRow)?;
    let same = past.amount == entry.amount.minor && past.currency == entry.amount.currency.code();
    Ok(Some(match past.decline_code {
        _ if !same => Err(ProviderError::Declined("key_reused".to_owned())),
        Some(code) => Err(ProviderError::Declined(code)),
        None => Ok(()),
    }))
}

/// The row of an operation.
pub(super) async fn find(
    on: impl Into<Executor<'_>>,
    operation: Operation,
) -> Result<Option<Past>, StoreError> {
    let row = sql("SELECT amount, currency, decline_code FROM bank_operations WHERE idempotency_key = $1")
        .bind(operation.to_string())
        .fetch_optional(on)
        .await?;
    row.map(|row| {
        Ok(Past {
            amount: row.get("amount")?,
            currency: row.get("currency")?,
            decline_code: row.get("decline_code")?,
        })
    })
    .transpose()
}

/// What a payment's authorisation holds.
pub(super) async fn authorised(db: &Db, payment: PaymentId) -> Result<Option<Money>, StoreError> {
    let row = sql("SELECT authorised, currency FROM bank_payments WHERE payment_id = $1")
        .bind(payment)
        .fetch_optional(db)
        .await?;
    row.map(|row| Ok(Money::new(row.get("authorised")?, crate::store::currency(&row)?))).transpose()
}

/// A page of the money that was moved. The key of the last row is where the next page begins.
pub(super) async fn transactions(db: &Db, query: &TransactionQuery) -> Result<TransactionPage, StoreError> {
    let after = match &query.after {
        Some(key) => {
            let row = sql("SELECT created_at FROM bank_operations WHERE idempotency_key = $1").bind(key);
            row.fetch_one(db).await?.get("created_at")?
        }
        None => query.from,
    };
    let rows = sql(
        "SELECT * FROM bank_operations WHERE operation IN ('capture', 'refund') AND decline_code IS NULL \
         AND (created_at > $1 OR created_at = $1 AND idempotency_key > $2) AND created_at < $3 \
         ORDER BY created_at, idempotency_key LIMIT $4",
    )
    .bind(after)
    .bind(query.after.as_deref().unwrap_or_default())
    .bind(query.to)
    .bind(i64::try_from(PAGE + 1).unwrap_or(i64::MAX))
    .fetch_all(db)
    .await?;
    let mut transactions = rows.iter().map(transaction).collect::<Result<Vec<_>, _>>()?;
    let more = transactions.len() > PAGE;
    transactions.truncate(PAGE);
    let next = transactions.last().filter(|_last| more).map(|last| last.id.clone());
    Ok(TransactionPage { transactions, next })
}

fn transaction(row: &Row) -> Result<Transaction, StoreError> {
    let id: String = row.get("idempotency_key")?;
    let refund = id.split_once(":refund:").and_then(|(_, refund)| Uuid::try_parse(refund).ok());
    let movement = match row.get::<String>("operation")?.as_str() {
        "refund" => Movement::Refund(refund.map(RefundId::from)),
        _ => Movement::Capture,
    };
    Ok(Transaction {
        id,
        payment: Some(row.get("payment_id")?),
        movement,
        amount: Money::new(row.get("amount")?, crate::store::currency(row)?),
        fee: None,
        time: row.get("created_at")?,
    })
}
