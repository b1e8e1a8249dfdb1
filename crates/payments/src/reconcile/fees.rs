//! What the provider keeps of what it moves.

use std::collections::HashMap;

use jiff::Timestamp;
use moviebooking_domain::{
    id::{PaymentId, RefundId},
    money::Money,
};
use moviebooking_store::{Db, StoreError};
use serde::Serialize;

use super::{Difference, Kind, Reconciliation, Sum};
use crate::{
    ledger::{Account, Entry, PROVIDER_FEE},
    provider::Transaction,
    store::Store,
};

/// How many payments' fees are read at once.
const CHUNK: usize = 500;

/// A fee that the provider kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fee {
    /// Our payment.
    pub payment: PaymentId,
    /// Our refund, when it is for one.
    pub refund: Option<RefundId>,
    /// The provider's own id of the movement.
    pub transaction: String,
    /// The fee; negative when the provider gave one back.
    pub fee: Sum,
    #[serde(skip)]
    money: Money,
    /// The entry of what the fee is for.
    #[serde(skip)]
    entry: Entry,
}

/// Compares the fees of movements that both the ledger and the provider have.
pub(super) async fn compare(
    store: &Store,
    movements: Vec<(&Transaction, Entry)>,
    result: &mut Reconciliation,
) -> Result<(), StoreError> {
    for movements in movements.chunks(CHUNK) {
        let booked = store.booked_fees(movements.iter().map(|(_, entry)| entry.payment)).await?;
        let booked: HashMap<_, _> = booked.iter().map(|fee| ((fee.payment, fee.refund), fee)).collect();
        for (transaction, entry) in movements {
            let Some(money) = transaction.fee else { continue };
            match booked.get(&(entry.payment, entry.refund)) {
                None if money.minor == 0 => {}
                None => result.new_fees.push(Fee {
                    payment: entry.payment,
                    refund: entry.refund,
                    transaction: transaction.id.clone(),
                    fee: money.into(),
                    money,
                    entry: entry.clone(),
                }),
                Some(fee) if signed(fee) == money => {}
                Some(fee) => result.differences.push(Difference {
                    kind: Kind::AmountDiffers,
                    movement: PROVIDER_FEE,
                    payment: Some(entry.payment),
                    refund: entry.refund,
                    ledger: Some(signed(fee).into()),
                    provider: Some(money.into()),
                    transaction: Some(transaction.id.clone()),
                    time: fee.booked_at,
                }),
            }
        }
    }
    Ok(())
}

/// Books the fees that a comparison has found. How often that is done, and by how many at once, does not matter.
///
/// # Errors
/// [`StoreError`]
pub async fn book(db: &Db, found: &Reconciliation, now: Timestamp) -> Result<(), StoreError> {
    let store = Store::new(db.clone());
    for fee in &found.new_fees {
        store.book_fee(&fee.entry, fee.money, now).await?;
    }
    Ok(())
}

/// A booked fee as providers list it.
fn signed(fee: &Entry) -> Money {
    match fee.debit {
        Account::ProviderFees => fee.amount,
        _ => Money::new(-fee.amount.minor, fee.amount.currency),
    }
}
