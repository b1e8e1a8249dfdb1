//! The history of payments as events.

use std::collections::BTreeMap;

use moviebooking_domain::id::PaymentId;
use moviebooking_events::{Batch, Event, Source};
use moviebooking_proto::{event::Event as Data, payments::v1 as wire};
use moviebooking_store::{Db, StoreError};

use crate::store::{self, Told};

/// The history as what a relay publishes.
#[derive(Clone, Copy, Debug)]
pub struct History;

impl Source for History {
    /// The last event that was read, by payment.
    type Receipt = BTreeMap<PaymentId, i64>;

    async fn unpublished(&self, db: &Db, limit: i64) -> Result<Batch<Self::Receipt>, StoreError> {
        let found = store::unpublished(db, limit).await?;
        let rows = found.len();
        let mut receipt = BTreeMap::new();
        let mut events = Vec::with_capacity(rows);
        for (payment, number, told) in found {
            receipt.insert(payment, number);
            if let Some(told) = told {
                events.extend(event(&told)?);
            }
        }
        Ok(Batch { events, receipt, rows })
    }

    async fn published(&self, db: &Db, receipt: Self::Receipt) -> Result<(), StoreError> {
        store::published(db, &receipt).await
    }
}

/// The event of a row of history; none where it is a step that is of no interest outside.
fn event(told: &Told) -> Result<Option<Event>, StoreError> {
    let Told { facts, reason, .. } = told;
    let payment = Some(facts.clone());
    let event = match told.kind.as_str() {
        "created" => of(told, &wire::PaymentCreated { payment }),
        "authorised" | "authorisation_found" => of(told, &wire::PaymentAuthorised { payment }),
        "declined" => of(told, &wire::PaymentDeclined { payment, reason: reason.clone() }),
        "captured" | "capture_found" => of(told, &wire::PaymentCaptured { payment }),
        "tickets_issued" => of(told, &wire::PaymentCompleted { payment }),
        "voided" => of(told, &wire::PaymentVoided { payment, reason: reason.clone() }),
        "parked" => of(told, &wire::PaymentParked { payment }),
        "refund_requested" => of(told, &wire::PaymentRefundRequested { payment }),
        "refunded" => {
            let refunded = told.moved.map(moviebooking_fields::to_money);
            of(told, &wire::PaymentRefunded { payment, refunded })
        }
        "refund_refused" => of(told, &wire::PaymentRefundRefused { payment }),
        _ => return Ok(None),
    };
    event.map(Some)
}

fn of(told: &Told, data: &impl Data) -> Result<Event, StoreError> {
    Event::new(format!("{}-{}", told.payment, told.sequence), told.payment, told.time, data)
}
