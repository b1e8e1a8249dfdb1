//! Checks, over everything that ever happened to money, what must never be broken: the ledger says what the payments
//! say, and both say what their history says. It holds at any time, also for what is under way. For tests and for
//! operators; nobody may change payments meanwhile.

mod judge;

use std::{collections::HashMap, fmt};

use moviebooking_domain::id::PaymentId;
use moviebooking_store::{Db, StoreError, sql};
use uuid::Uuid;

use crate::{kind::Kind, ledger::Entry, payment::Payment};
use judge::{Facts, Moving, Seat};

/// Something that must never be so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Of which payment.
    pub payment: PaymentId,
    /// What is wrong, for people.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "payment {}: {}", self.payment, self.what)
    }
}

/// How many payments are read at once.
const PAGE: i64 = 500;

/// All violations, of all payments.
///
/// # Errors
/// [`StoreError`] when the tables cannot be read.
pub async fn audit(db: &Db) -> Result<Vec<Violation>, StoreError> {
    let mut violations = Vec::new();
    let mut last = PaymentId::from(Uuid::nil());
    loop {
        let rows = sql("SELECT * FROM payments WHERE id > $1 ORDER BY id LIMIT $2")
            .bind(last)
            .bind(PAGE)
            .fetch_all(db)
            .await?;
        let mut facts = Vec::with_capacity(rows.len());
        for row in &rows {
            facts.push(Facts::new(Payment::read(row)?, row.get("version")?));
        }
        let Some(end) = facts.last() else { return Ok(violations) };
        last = end.payment.id;
        gather(db, &mut facts).await?;
        for facts in &facts {
            let payment = facts.payment.id;
            violations.extend(facts.violations().into_iter().map(|what| Violation { payment, what }));
        }
    }
}

/// What somebody still has to do something about, workers or, where it is parked, people: each by its table and its id.
///
/// # Errors
/// [`StoreError`] when the tables cannot be read.
pub async fn unfinished(db: &Db) -> Result<Vec<(&'static str, Uuid)>, StoreError> {
    let mut unfinished = Vec::new();
    for table in Kind::ALL.iter().map(|kind| kind.table()) {
        let mut query = sql("SELECT id FROM ");
        query
            .push(table)
            .push(" WHERE due_at IS NOT NULL OR id IN (SELECT id FROM parked_sagas WHERE saga = ");
        query.push_bind(table).push(")");
        for row in query.fetch_all(db).await? {
            unfinished.push((table, row.get("id")?));
        }
    }
    Ok(unfinished)
}

/// Reads what belongs to the payments from the other tables.
async fn gather(db: &Db, facts: &mut [Facts]) -> Result<(), StoreError> {
    let places: HashMap<PaymentId, usize> =
        facts.iter().enumerate().map(|(place, facts)| (facts.payment.id, place)).collect();
    let rows = async |columns: &'static str| {
        let mut query = sql("SELECT * FROM ");
        query.push(columns).push(" WHERE payment_id IN ").push_list(places.keys().copied());
        query.fetch_all(db).await
    };
    let place = |id: &PaymentId| places.get(id).copied().ok_or(StoreError::NoRow);
    for row in rows("ledger").await? {
        let entry = Entry::read(&row)?;
        facts[place(&entry.payment)?].ledger.push(entry);
    }
    for row in rows("payment_events").await? {
        let moving = Moving { seq: row.get("seq")?, amount: row.get::<Option<i64>>("amount")?.unwrap_or(0) };
        facts[place(&row.get("payment_id")?)?].events.push(moving);
    }
    for row in rows("payment_tickets").await? {
        let seat = Seat { label: row.get("seat")?, price: row.get("price")? };
        facts[place(&row.get("payment_id")?)?].tickets.push(seat);
    }
    Ok(())
}
