//! The ledger says what the bank says: each refund, and what is in each account of a payment's, to the cent.

use std::collections::BTreeMap;

use moviebooking_store::{StoreError, sql};
use uuid::Uuid;

use crate::{
    Databases, Findings,
    Invariant::MoneyAgrees,
    books::{Account, Books},
};

/// Debit minus credit, by account.
type Balances = BTreeMap<String, i64>;

pub(crate) async fn check(of: &Databases, books: &Books, found: &mut Findings) -> Result<(), StoreError> {
    let mut balances: BTreeMap<Uuid, Balances> = BTreeMap::new();
    let mut refunds: BTreeMap<(Uuid, Uuid), i64> = BTreeMap::new();
    // What the provider keeps for itself is in its own list and moves nothing between it and buyers.
    for row in sql("SELECT payment_id, movement, debit, credit, amount, refund_id FROM ledger \
         WHERE movement <> 'provider_fee'")
    .fetch_all(&of.payments)
    .await?
    {
        let (payment, amount): (Uuid, i64) = (row.get("payment_id")?, row.get("amount")?);
        let movement: String = row.get("movement")?;
        let of_payment = balances.entry(payment).or_default();
        *of_payment.entry(row.get("debit")?).or_default() += amount;
        *of_payment.entry(row.get("credit")?).or_default() -= amount;
        let refund: Option<Uuid> = row.get("refund_id")?;
        if let Some(refund) = refund.filter(|_| movement == "refunded") {
            *refunds.entry((payment, refund)).or_default() += amount;
        }
    }
    let ended = |payment: &Uuid| {
        books.payments.get(payment).is_some_and(|payment| payment.is_captured() || payment.is_free())
    };
    for (id, payment) in books.payments.iter().filter(|(id, _)| ended(id)) {
        let booked = balances.remove(id).unwrap_or_default();
        let moved = moved(books.accounts.get(id).unwrap_or(&Account::default()), payment.fees);
        found.must(same(&booked, &moved), MoneyAgrees, || {
            format!("payment {id}: by the bank its accounts have {moved:?}, by the ledger {booked:?}")
        });
    }
    each_refund_is_booked(books, refunds, found);
    every_row_is_of_its_payment(of, found).await
}

/// What the accounts must have by what the bank has moved, and by what was kept of the prices of returned tickets.
fn moved(bank: &Account, fees: i64) -> Balances {
    let held = if bank.voided { 0 } else { bank.authorised - bank.captured };
    let balances = [
        ("provider_holds", held),
        ("buyer_holds", -held),
        ("provider_receivable", bank.captured - bank.refunded),
        ("sales", fees - bank.captured),
        ("return_fees", -fees),
        ("refunds", bank.refunded),
    ];
    balances.map(|(account, balance)| (account.to_owned(), balance)).into()
}

/// An account that is not there has nothing.
fn same(one: &Balances, other: &Balances) -> bool {
    one.keys()
        .chain(other.keys())
        .all(|account| one.get(account).unwrap_or(&0) == other.get(account).unwrap_or(&0))
}

fn each_refund_is_booked(books: &Books, mut booked: BTreeMap<(Uuid, Uuid), i64>, found: &mut Findings) {
    for operation in &books.operations {
        let Some(refund) = operation.refund else { continue };
        let entry = booked.remove(&(operation.payment, refund));
        found.must(entry == Some(operation.amount), MoneyAgrees, || {
            format!(
                "refund {refund} of payment {}: the bank paid {}, the ledger has {entry:?}",
                operation.payment, operation.amount
            )
        });
    }
    for ((payment, refund), amount) in booked {
        found.must(false, MoneyAgrees, || {
            format!("refund {refund} of payment {payment}: the ledger has {amount}, the bank paid nothing")
        });
    }
}

/// The accounts are kept for each theater, provider and currency: those of the payment.
async fn every_row_is_of_its_payment(of: &Databases, found: &mut Findings) -> Result<(), StoreError> {
    let rows = sql("SELECT DISTINCT l.payment_id FROM ledger l JOIN payments p ON p.id = l.payment_id \
         WHERE l.theater_id <> p.theater_id OR l.provider <> p.provider \
         OR l.currency <> p.currency AND l.movement <> 'provider_fee'")
    .fetch_all(&of.payments)
    .await?;
    for row in rows {
        let payment: Uuid = row.get("payment_id")?;
        found.must(false, MoneyAgrees, || {
            format!("payment {payment} is booked for another theater, provider or currency")
        });
    }
    Ok(())
}
