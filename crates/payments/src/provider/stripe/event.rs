//! Stripe's webhooks (<https://docs.stripe.com/api/events/types>).

use serde::Deserialize;

use super::object::{PaymentIntent, Refund};
use crate::provider::{Happened, Notice, WebhookRefused};

#[derive(Deserialize)]
struct Event {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    object: serde_json::Value,
}

/// Reads an event whose signature was checked.
pub(super) fn read(body: &[u8]) -> Result<Notice, WebhookRefused> {
    let malformed = |error: serde_json::Error| WebhookRefused::Malformed(error.to_string());
    let event: Event = serde_json::from_slice(body).map_err(malformed)?;
    let (payment, happened) = match event.kind.as_str() {
        "payment_intent.amount_capturable_updated"
        | "payment_intent.payment_failed"
        | "payment_intent.canceled"
        | "payment_intent.succeeded" => {
            let intent: PaymentIntent = serde_json::from_value(event.data.object).map_err(malformed)?;
            (intent.payment(), Happened::Changed)
        }
        "refund.failed" | "refund.updated" | "charge.refund.updated" => {
            let refund: Refund = serde_json::from_value(event.data.object).map_err(malformed)?;
            let failed =
                Happened::RefundFailed { refund: refund.refund(), code: refund.failure().to_owned() };
            (refund.payment(), if refund.has_failed() { failed } else { Happened::Irrelevant })
        }
        _ => (None, Happened::Irrelevant),
    };
    Ok(Notice { id: event.id, kind: event.kind, payment, happened })
}
