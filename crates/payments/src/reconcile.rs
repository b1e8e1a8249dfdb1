//! Reconciliation: the ledger against the provider's own list of the money that it moved, and each difference by name.
//!
//! Both are asked for the same time. What one of them has and the other one has not, at that time, is looked for at all
//! times before it counts as a difference: the ledger books a movement when its answer has arrived, which is after it
//! happened, and long after if a process died in between.
//!
//! What the provider keeps for itself is known from its list alone, and [booked](book_fees) from there.

mod command;
mod fees;

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use moviebooking_domain::{
    id::{PaymentId, RefundId},
    money::Money,
};
use moviebooking_store::{Db, StoreError};
use serde::Serialize;

pub use command::Args;
pub use fees::{Fee, book as book_fees};

use crate::{
    ledger::{CAPTURED, Entry, Filter, REFUNDED},
    provider::{Charged, Found, Movement, Operation, Provider, ProviderError, Transaction, TransactionQuery},
    runner::Item as _,
    store::Store,
};

/// What is called a refund that did not reach the buyer.
const REFUND_FAILED: &str = "refund_failed";
/// How many rows of the ledger are read at once.
const PAGE: i64 = 1_000;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The ledger cannot be read.
    #[error("the ledger cannot be read")]
    Store(#[from] StoreError),
    /// The provider cannot be asked.
    #[error("{0} cannot be asked for its transactions: {1}")]
    Provider(&'static str, ProviderError),
}

/// What came of a comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reconciliation {
    /// The provider's name.
    pub provider: &'static str,
    /// The first instant that was compared.
    pub from: Timestamp,
    /// The first instant that was not.
    pub to: Timestamp,
    /// Movements that both have, with the same amount.
    pub equal: usize,
    /// Movements that the provider has, of payments whose next step is to book them.
    pub under_way: usize,
    /// Fees that the provider has kept for movements that both have, and that are not in the ledger yet.
    pub new_fees: Vec<Fee>,
    /// All others, oldest first.
    pub differences: Vec<Difference>,
}

/// What one of the two says and the other one does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Which way they differ.
    pub kind: Kind,
    /// "captured", "refunded", "refund_failed" or, for what the provider kept of these, "provider_fee".
    pub movement: &'static str,
    /// Our payment; nothing when the provider does not know of one.
    pub payment: Option<PaymentId>,
    /// Our refund.
    pub refund: Option<RefundId>,
    /// The amount in the ledger.
    pub ledger: Option<Sum>,
    /// The amount in the provider's list.
    pub provider: Option<Sum>,
    /// The provider's own id of the movement.
    pub transaction: Option<String>,
    /// When it was booked or, where it was not, when it happened.
    pub time: Timestamp,
}

/// Which way the ledger and the provider differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The provider moved money that is not in the ledger.
    MissingHere,
    /// The ledger has money moved that the provider knows nothing of.
    MissingThere,
    /// Both have it, with different amounts.
    AmountDiffers,
}

/// An amount in minor units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sum {
    /// Minor units of the currency.
    pub amount_minor: i64,
    /// ISO 4217.
    pub currency_code: String,
}

impl From<Money> for Sum {
    fn from(money: Money) -> Self {
        Self { amount_minor: money.minor, currency_code: money.currency.code().to_owned() }
    }
}

/// Names a movement to both.
type Key = (PaymentId, &'static str, Option<RefundId>);

/// Compares what moved from `from` until before `to`.
///
/// # Errors
/// [`ReconcileError`]
pub async fn reconcile(
    db: &Db,
    provider: &dyn Provider,
    from: Timestamp,
    to: Timestamp,
) -> Result<Reconciliation, ReconcileError> {
    let comparison = Comparison { store: Store::new(db.clone()), provider };
    let listed = comparison.transactions(from, to).await?;
    let booked = comparison.booked(from, to).await?;
    let mut result = Reconciliation {
        provider: provider.name(),
        from,
        to,
        equal: 0,
        under_way: 0,
        new_fees: Vec::new(),
        differences: Vec::new(),
    };
    let mut seen = HashSet::new();
    let mut equal = Vec::new();
    for transaction in &listed {
        let entry = comparison.judge_transaction(transaction, &booked, &mut seen, &mut result).await?;
        equal.extend(entry.map(|entry| (transaction, entry)));
    }
    result.equal = equal.len();
    fees::compare(&comparison.store, equal, &mut result).await?;
    for (key, entry) in &booked {
        if !seen.contains(key) {
            comparison.judge_entry(entry, &mut result).await?;
        }
    }
    result.differences.sort_by_key(|difference| (difference.time, difference.payment, difference.refund));
    Ok(result)
}

struct Comparison<'a> {
    store: Store,
    provider: &'a dyn Provider,
}

impl Comparison<'_> {
    async fn transactions(&self, from: Timestamp, to: Timestamp) -> Result<Vec<Transaction>, ReconcileError> {
        let mut listed = Vec::new();
        let mut query = TransactionQuery { from, to, after: None };
        loop {
            let page = self.provider.transactions(&query).await.map_err(|error| self.failed(error))?;
            listed.extend(page.transactions);
            match page.next {
                next @ Some(_) if next == query.after => {
                    let why = "its list goes round in a circle".to_owned();
                    return Err(self.failed(ProviderError::Unknown(why)));
                }
                Some(next) => query.after = Some(next),
                None => return Ok(listed),
            }
        }
    }

    async fn booked(&self, from: Timestamp, to: Timestamp) -> Result<HashMap<Key, Entry>, ReconcileError> {
        let mut booked = HashMap::new();
        let provider = Some(self.provider.name().to_owned());
        let mut filter =
            Filter { provider, from: Some(from), to: Some(to), limit: PAGE, ..Filter::default() };
        loop {
            let entries = self.store.ledger_entries(&filter).await?;
            let Some(last) = entries.last() else { return Ok(booked) };
            filter.after = Some((last.booked_at, last.payment, last.seq, last.line));
            booked.extend(entries.into_iter().filter_map(|entry| Some((key_of(&entry)?, entry))));
        }
    }

    /// What the ledger has of a movement, at whatever time.
    async fn booked_at_any_time(&self, key: &Key) -> Result<Option<Entry>, ReconcileError> {
        let filter = Filter { payment: Some(key.0), limit: PAGE, ..Filter::default() };
        let entries = self.store.ledger_entries(&filter).await?;
        Ok(entries.into_iter().find(|entry| key_of(entry).as_ref() == Some(key)))
    }

    /// Judges what is in the list. Answers the entry that says the same.
    async fn judge_transaction(
        &self,
        transaction: &Transaction,
        booked: &HashMap<Key, Entry>,
        seen: &mut HashSet<Key>,
        result: &mut Reconciliation,
    ) -> Result<Option<Entry>, ReconcileError> {
        let (movement, refund) = match transaction.movement {
            Movement::Capture => (CAPTURED, None),
            Movement::Refund(refund) => (REFUNDED, refund),
            // The ledger has no such rows: a person pays the buyer back in another way.
            Movement::FailedRefund(refund) => (REFUND_FAILED, refund),
        };
        let mut entry = None;
        if let Some(payment) = transaction.payment {
            let key = (payment, movement, refund);
            // What the provider lists twice is booked once, so the second time it is missing here.
            if seen.insert(key) {
                entry = match booked.get(&key) {
                    Some(entry) => Some(entry.clone()),
                    None => self.booked_at_any_time(&key).await?,
                };
                if entry.is_none() && self.is_under_way(payment).await? {
                    result.under_way += 1;
                    return Ok(None);
                }
            }
        }
        if entry.as_ref().is_some_and(|entry| entry.amount == transaction.amount) {
            return Ok(entry);
        }
        result.differences.push(Difference {
            kind: if entry.is_some() { Kind::AmountDiffers } else { Kind::MissingHere },
            movement,
            payment: transaction.payment,
            refund,
            ledger: entry.as_ref().map(|entry| entry.amount.into()),
            provider: Some(transaction.amount.into()),
            transaction: Some(transaction.id.clone()),
            time: entry.map_or(transaction.time, |entry| entry.booked_at),
        });
        Ok(None)
    }

    /// Judges what is in the ledger and not in the list.
    async fn judge_entry(&self, entry: &Entry, result: &mut Reconciliation) -> Result<(), ReconcileError> {
        let (movement, operation) = match entry.refund {
            Some(refund) => (REFUNDED, Operation::Refund(entry.payment, refund)),
            None => (CAPTURED, Operation::Capture(entry.payment)),
        };
        let payment = self.store.payment(entry.payment).await?.ok_or(StoreError::NoRow)?;
        let charged = Charged { id: payment.id, reference: payment.provider_reference };
        let found = self.provider.look_up(&charged, operation).await.map_err(|error| self.failed(error))?;
        if matches!(found, Found::Done) {
            // It happened before the time that was asked for, and was booked within it.
            result.equal += 1;
            return Ok(());
        }
        result.differences.push(Difference {
            kind: Kind::MissingThere,
            movement,
            payment: Some(entry.payment),
            refund: entry.refund,
            ledger: Some(entry.amount.into()),
            provider: None,
            transaction: None,
            time: entry.booked_at,
        });
        Ok(())
    }

    async fn is_under_way(&self, payment: PaymentId) -> Result<bool, ReconcileError> {
        let Some(payment) = self.store.payment(payment).await? else { return Ok(false) };
        Ok(!payment.ended() || payment.refunded < payment.refund_reserved)
    }

    fn failed(&self, error: ProviderError) -> ReconcileError {
        ReconcileError::Provider(self.provider.name(), error)
    }
}

/// The key of a row that a provider lists as well.
fn key_of(entry: &Entry) -> Option<Key> {
    let movement = [CAPTURED, REFUNDED].into_iter().find(|movement| *movement == entry.movement)?;
    Some((entry.payment, movement, entry.refund))
}
