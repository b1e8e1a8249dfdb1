//! Nothing is left to be done.

use moviebooking_store::{StoreError, sql};
use uuid::Uuid;

use crate::{Databases, Findings, Invariant::Settled, books::Books};

pub(crate) async fn check(of: &Databases, books: &Books, found: &mut Findings) -> Result<(), StoreError> {
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
    for row in
        sql("SELECT id, state FROM cancelled_showtimes WHERE state <> 'DONE'").fetch_all(&of.payments).await?
    {
        let (id, state): (Uuid, String) = (row.get("id")?, row.get("state")?);
        found.must(false, Settled, || format!("the refunds of the cancelled showtime {id} are {state}"));
    }
    for row in sql("SELECT payment_id, saga, reason FROM parked_sagas").fetch_all(&of.payments).await? {
        let (payment, saga, reason): (Uuid, String, String) =
            (row.get("payment_id")?, row.get("saga")?, row.get("reason")?);
        found.must(false, Settled, || {
            format!("payment {payment} waits for a person, parked in {saga}: {reason}")
        });
    }
    Ok(())
}
