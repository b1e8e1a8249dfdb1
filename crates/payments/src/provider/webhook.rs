//! What a provider tells on its own.

use http::HeaderMap;
use jiff::Timestamp;
use moviebooking_domain::id::{PaymentId, RefundId};

/// A webhook as it arrived.
#[derive(Clone, Copy, Debug)]
pub struct Webhook<'a> {
    /// The request's headers, of which one has the signature.
    pub headers: &'a HeaderMap,
    /// The body, byte for byte.
    pub body: &'a [u8],
    /// The time of its arrival.
    pub now: Timestamp,
}

/// An event that a provider told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The provider's id of the event: the same in every repetition.
    pub id: String,
    /// The provider's own word for what happened: `payment_intent.canceled`.
    pub kind: String,
    /// Our payment, where it is about one.
    pub payment: Option<PaymentId>,
    /// What it means here.
    pub happened: Happened,
}

/// What an event means for a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    /// Something became of the payment; its next step asks the provider what, so that the order of events does not
    /// matter.
    Changed,
    /// A refund that was said to be on its way did not reach the buyer.
    RefundFailed {
        /// Our refund, where the provider knows of it.
        refund: Option<RefundId>,
        /// Why, in the provider's words.
        code: String,
    },
    /// Nothing that matters here.
    Irrelevant,
}

/// Why a webhook is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookRefused {
    /// No signature, or none that the provider's secret makes.
    #[error("the signature is missing or wrong")]
    Signature,
    /// Signed too long ago, or in the future: somebody may repeat what they overheard.
    #[error("the signature's time is too far from now")]
    Stale,
    /// Signed, and yet not an event. The text says what is wrong.
    #[error("not an event: {0}")]
    Malformed(String),
    /// Webhooks of this provider cannot be checked: no secret for them is set.
    #[error("no webhook secret is set")]
    NotConfigured,
}
