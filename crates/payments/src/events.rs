//! The history of payments, and of the refunds of cancelled showtimes, as events.

use moviebooking_domain::id::PaymentId;
use moviebooking_events::{Batch, Event, Outbox, Source};
use moviebooking_proto::{event::Event as Data, payments::v1 as wire};
use moviebooking_store::{Db, StoreError};
use prost::Message;
use uuid::Uuid;

use crate::store::{self, Told};

/// The history of payments, and what is told of cancelled showtimes, as what a relay publishes.
#[derive(Clone, Copy, Debug)]
pub struct History;

impl Source for History {
    /// The events that were read, by payment and number, and the rows of the outbox.
    type Receipt = (Vec<(PaymentId, i64)>, Vec<Uuid>);

    async fn unpublished(&self, db: &Db, limit: i64) -> Result<Batch<Self::Receipt>, StoreError> {
        let Batch { mut events, receipt: showtimes, mut rows } = Outbox.unpublished(db, limit).await?;
        let mut payments = Vec::new();
        let left = limit - i64::try_from(rows).unwrap_or(limit);
        if left > 0 {
            let found = store::unpublished(db, left).await?;
            rows += found.len();
            for told in found {
                payments.push((told.payment, told.sequence));
                events.extend(event(&told)?);
            }
        }
        Ok(Batch { events, receipt: (payments, showtimes), rows })
    }

    async fn published(&self, db: &Db, (payments, showtimes): Self::Receipt) -> Result<(), StoreError> {
        if !showtimes.is_empty() {
            Outbox.published(db, showtimes).await?;
        }
        if !payments.is_empty() {
            store::published(db, &payments).await?;
        }
        Ok(())
    }
}

/// The event of a row of history; none where it is a step that is of no interest outside.
fn event(told: &Told) -> Result<Option<Event>, StoreError> {
    let Told { facts, reason, .. } = told;
    let payment = Some(facts.clone());
    let event = match told.kind.as_str() {
        "created" => of(told, &wire::PaymentCreated { payment }),
        "authorised" | "authorisation_found" => of(told, &wire::PaymentAuthorised { payment }),
        "declined" | "withdrawn" | "not_authorised" => {
            of(told, &wire::PaymentDeclined { payment, reason: reason.clone() })
        }
        "captured" | "capture_found" => of(told, &wire::PaymentCaptured { payment }),
        "tickets_issued" => of(told, &wire::PaymentCompleted { payment }),
        "voided" => of(told, &wire::PaymentVoided { payment, reason: reason.clone() }),
        "parked" => of(told, &wire::PaymentParked { payment }),
        "refund_requested" => of(told, &wire::PaymentRefundRequested { payment, refund: about(told)? }),
        "refunded" => {
            let refunded = told.moved.map(moviebooking_fields::to_money);
            of(told, &wire::PaymentRefunded { payment, refunded, refund: about(told)? })
        }
        "refund_refused" => of(told, &wire::PaymentRefundRefused { payment, refund: about(told)? }),
        "exchange_requested" => of(told, &wire::PaymentExchangeRequested { payment, exchange: about(told)? }),
        "tickets_exchanged" => of(told, &wire::PaymentExchanged { payment, exchange: about(told)? }),
        // The payment for the new tickets has a step of this name, which is of no interest outside.
        "exchange_refused" if told.about.is_some() => {
            of(told, &wire::PaymentExchangeRefused { payment, exchange: about(told)? })
        }
        "exchange_undone" => of(told, &wire::PaymentExchangeReversed { payment, exchange: about(told)? }),
        "seats_offered" => of(told, &wire::PaymentSeatsOffered { payment, offers: told.offers.clone() }),
        _ => return Ok(None),
    };
    event.map(Some)
}

/// What else it is about; none of an event of before this was kept.
fn about<M: Message + Default>(told: &Told) -> Result<Option<M>, StoreError> {
    let decoded = told.about.as_deref().map(M::decode).transpose();
    decoded.map_err(|error| StoreError::Corrupt { column: "facts".to_owned(), source: error.into() })
}

fn of(told: &Told, data: &impl Data) -> Result<Event, StoreError> {
    Event::new(format!("{}-{}", told.payment, told.sequence), told.payment, told.time, data)
}
