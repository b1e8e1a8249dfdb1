//! Webhooks and deliveries in the database.

mod deliveries;
mod webhooks;

pub(super) use deliveries::{
    NewDelivery, add, claim, deliveries, delivery, give_up_all, overfull, purge, replay, sent,
};
pub(super) use webhooks::{count, delete, disable, enabled, find, insert, list, succeeded, update};

use moviebooking_store::{Row, StoreError};

/// A column that holds the name of one of `all`.
fn named<T: Copy>(
    row: &Row,
    column: &str,
    all: &[T],
    name: impl Fn(T) -> &'static str,
) -> Result<T, StoreError> {
    let text: String = row.get(column)?;
    all.iter()
        .copied()
        .find(|one| name(*one) == text)
        .ok_or_else(|| StoreError::Corrupt { column: column.to_owned(), source: "unknown".into() })
}
