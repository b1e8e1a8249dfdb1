//! The seats were confirmed before the money was taken: by the times that reservations and the bank wrote down, whose
//! clocks must agree.

use std::collections::BTreeMap;

use crate::{Findings, Invariant::SeatsBeforeMoney, books::Books};

pub(crate) fn check(books: &Books, found: &mut Findings) {
    let captures: BTreeMap<_, _> = books
        .operations
        .iter()
        .filter(|operation| operation.kind == "capture")
        .map(|operation| (operation.payment, operation.at))
        .collect();
    for payment in books.payments.values() {
        let Some(captured) = captures.get(&payment.id) else { continue };
        match books.sold_at.get(&payment.reservation) {
            None => found.must(false, SeatsBeforeMoney, || {
                format!("payment {} was captured and its seats never sold", payment.id)
            }),
            Some(sold) => found.must(sold <= captured, SeatsBeforeMoney, || {
                format!("payment {} was captured at {captured}, its seats sold at {sold}", payment.id)
            }),
        }
    }
}
