//! The ledger: one row for each operation, under the merchant's key.

use jiff::Timestamp;
use moviebooking_store::{Db, Executor, Row, StoreError, Tx, Value, sql};
use uuid::Uuid;

use crate::wire::{Amount, Answer, Transaction, TransactionQuery, Transactions};

/// How many transactions are in a page.
const PAGE: usize = 100;

/// What the merchant asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Authorise,
    Capture,
    Void,
    Refund(Uuid),
}

impl Operation {
    /// The operation of a name; nothing when there is none of that name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "authorise" => Some(Self::Authorise),
            "capture" => Some(Self::Capture),
            "void" => Some(Self::Void),
            _ => Some(Self::Refund(Uuid::try_parse(name.strip_prefix("refund:")?).ok()?)),
        }
    }

    /// The name without the refund's id.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Authorise => "authorise",
            Self::Capture => "capture",
            Self::Void => "void",
            Self::Refund(_) => "refund",
        }
    }

    /// The row's key.
    pub(crate) fn key(self, payment: Uuid) -> String {
        match self {
            Self::Refund(refund) => format!("{payment}:refund:{refund}"),
            _ => format!("{payment}:{}", self.name()),
        }
    }
}

/// A new row.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) payment: Uuid,
    pub(crate) operation: Operation,
    pub(crate) amount: Amount,
    pub(crate) decline_code: Option<&'static str>,
    pub(crate) now: Timestamp,
}

pub(crate) const INSERT_OPERATION: &str = "INSERT INTO bank_operations \
    (idempotency_key, payment_id, operation, amount, currency, decline_code, created_at)";

/// Adds the row as the transaction's first statement, so that requests with the same key take turns. If there was one,
/// its answer is the answer.
pub(crate) async fn add(tx: &mut Tx, entry: &Entry) -> Result<Option<Answer>, StoreError> {
    let mut insert = sql(INSERT_OPERATION);
    let values: [Value; 7] = [
        entry.operation.key(entry.payment).into(),
        entry.payment.into(),
        entry.operation.name().into(),
        entry.amount.minor.into(),
        (&entry.amount.currency).into(),
        entry.decline_code.into(),
        entry.now.into(),
    ];
    insert.push(" VALUES ").push_list(values).push(" ON CONFLICT (idempotency_key) DO NOTHING");
    let added = insert.execute(&mut *tx).await?;
    if added == 1 {
        return Ok(None);
    }
    let past = find(tx, entry.payment, entry.operation).await?.ok_or(StoreError::NoRow)?;
    if past.amount != entry.amount {
        return Ok(Some(Answer::Declined { code: "key_reused".to_owned() }));
    }
    Ok(Some(past.answer()))
}

/// A row that was there before.
pub(crate) struct Past {
    amount: Amount,
    decline_code: Option<String>,
}

impl Past {
    pub(crate) fn answer(self) -> Answer {
        self.decline_code.map_or(Answer::Done, |code| Answer::Declined { code })
    }
}

/// The row of an operation.
pub(crate) async fn find(
    on: impl Into<Executor<'_>>,
    payment: Uuid,
    operation: Operation,
) -> Result<Option<Past>, StoreError> {
    let row = sql("SELECT amount, currency, decline_code FROM bank_operations WHERE idempotency_key = $1")
        .bind(operation.key(payment))
        .fetch_optional(on)
        .await?;
    row.map(|row| Ok(Past { amount: amount(&row, "amount")?, decline_code: row.get("decline_code")? }))
        .transpose()
}

/// What a payment's authorisation holds.
pub(crate) async fn authorised(db: &Db, payment: Uuid) -> Result<Option<Amount>, StoreError> {
    let row = sql("SELECT authorised, currency FROM bank_payments WHERE payment_id = $1");
    row.bind(payment).fetch_optional(db).await?.map(|row| amount(&row, "authorised")).transpose()
}

/// Writes down that a payment's money is held.
pub(crate) async fn hold(tx: &mut Tx, payment: Uuid, token: &str, amount: &Amount) -> Result<(), StoreError> {
    let mut insert = sql(INSERT_PAYMENT);
    insert.push(" VALUES ($1, $2, $3, $4, 0, 0, FALSE)");
    let insert = insert.bind(payment).bind(token).bind(amount.minor).bind(&amount.currency);
    insert.execute(tx).await.map(drop)
}

pub(crate) const INSERT_PAYMENT: &str =
    "INSERT INTO bank_payments (payment_id, token, authorised, currency, captured, refunded, voided)";

/// The amount in a column, in the row's currency.
pub(crate) fn amount(row: &Row, column: &str) -> Result<Amount, StoreError> {
    Ok(Amount { minor: row.get(column)?, currency: row.get("currency")? })
}

/// A page of the money that was moved. The key of its last row is where the next page begins.
pub(crate) async fn transactions(db: &Db, query: &TransactionQuery) -> Result<Transactions, StoreError> {
    let from = match &query.after {
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
    .bind(from)
    .bind(query.after.as_deref().unwrap_or_default())
    .bind(query.to)
    .bind(i64::try_from(PAGE + 1).unwrap_or(i64::MAX))
    .fetch_all(db)
    .await?;
    let mut transactions = rows.iter().map(transaction).collect::<Result<Vec<_>, _>>()?;
    let more = transactions.len() > PAGE;
    transactions.truncate(PAGE);
    let next = transactions.last().filter(|_last| more).map(|last| last.id.clone());
    Ok(Transactions { transactions, next })
}

/// What the bank keeps of every capture for itself: one part in so many, rounded down.
const FEE: i64 = 100;

fn transaction(row: &Row) -> Result<Transaction, StoreError> {
    let id: String = row.get("idempotency_key")?;
    let refund_id = id.split_once(":refund:").and_then(|(_, refund)| Uuid::try_parse(refund).ok());
    let amount = amount(row, "amount")?;
    let fee = if refund_id.is_none() { amount.minor / FEE } else { 0 };
    Ok(Transaction {
        payment_id: row.get("payment_id")?,
        refund_id,
        fee: Amount { minor: fee, currency: amount.currency.clone() },
        amount,
        time: row.get("created_at")?,
        id,
    })
}
