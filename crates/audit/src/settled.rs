//! Nothing is left to be done.

use crate::{Findings, Invariant::Settled, books::Books};

pub(crate) fn check(books: &Books, found: &mut Findings) {
    for payment in books.payments.values() {
        let ended = payment.is_captured() || payment.is_free();
        found.must(ended && !payment.due, Settled, || {
            format!(
                "payment {} is {} and {}",
                payment.id,
                payment.state,
                if payment.due { "due" } else { "forgotten" }
            )
        });
        found.must(payment.reserved == payment.refunded, Settled, || {
            format!(
                "payment {}: {} are promised to refunds, {} were paid",
                payment.id, payment.reserved, payment.refunded
            )
        });
    }
    for refund in &books.refunds {
        let ended = matches!(refund.state.as_str(), "REFUNDED" | "REFUSED");
        found.must(ended && !refund.due, Settled, || format!("refund {} is {}", refund.id, refund.state));
    }
}
