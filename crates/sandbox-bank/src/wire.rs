//! What the bank is asked and what it answers, as JSON.

use jiff::Timestamp;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, Unexpected},
};
use uuid::Uuid;

/// Money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amount {
    /// In minor units of the currency; never negative.
    #[serde(deserialize_with = "not_negative")]
    pub minor: i64,
    /// An ISO 4217 code.
    pub currency: String,
}

fn not_negative<'de, D: Deserializer<'de>>(input: D) -> Result<i64, D::Error> {
    let minor = i64::deserialize(input)?;
    if minor < 0 {
        return Err(Error::invalid_value(Unexpected::Signed(minor), &"0 or more minor units"));
    }
    Ok(minor)
}

/// `POST /v1/payments`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewPayment {
    /// The merchant's id of the payment: whatever is asked of it twice is done once.
    pub id: Uuid,
    /// How much to hold.
    pub amount: Amount,
    /// What the buyer pays with.
    pub token: String,
}

/// `POST /v1/payments/{id}/capture`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capture {
    /// How much to take.
    pub amount: Amount,
}

/// `POST /v1/payments/{id}/refunds`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewRefund {
    /// The merchant's id of the refund.
    pub id: Uuid,
    /// How much to pay back.
    pub amount: Amount,
}

/// The answer to each of them, and to `GET /v1/payments/{id}/operations/{authorise|capture|void|refund:ID}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Answer {
    /// Carried out, now or before.
    Done,
    /// The buyer must confirm first.
    ActionRequired {
        /// On this page.
        url: String,
    },
    /// The bank's final no (HTTP status 402).
    Declined {
        /// Why: `insufficient_funds`.
        code: String,
    },
    /// The token is none of the bank's (422).
    UnknownToken,
    /// Never asked for; only where an operation is looked up.
    Nothing,
}

/// `GET /v1/transactions`: which page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransactionQuery {
    /// The first instant that is asked for.
    pub from: Timestamp,
    /// The first instant that is not.
    pub to: Timestamp,
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// A page of the money that the bank moved, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transactions {
    /// At most 100.
    pub transactions: Vec<Transaction>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// Money that the bank moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    /// The bank's id of it.
    pub id: String,
    /// The merchant's payment.
    pub payment_id: Uuid,
    /// The merchant's refund, if it is one; else it is a capture.
    pub refund_id: Option<Uuid>,
    /// How much.
    pub amount: Amount,
    /// What of it the bank keeps for itself: 1% of a capture, nothing of a refund.
    pub fee: Amount,
    /// When.
    pub time: Timestamp,
}

/// The body of a webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The same in every repetition.
    pub id: String,
    /// `payment.authorised`, `.declined`, `.captured`, `.voided` or `.refunded`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The merchant's payment.
    pub payment_id: Uuid,
    /// How much was moved.
    pub amount: Amount,
    /// Why it was declined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// When.
    pub time: Timestamp,
}
