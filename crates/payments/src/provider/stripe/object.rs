//! Stripe's objects, as far as they matter here (<https://docs.stripe.com/api>).

use std::{collections::HashMap, fmt};

use jiff::Timestamp;
use moviebooking_domain::id::{PaymentId, RefundId};
use secrecy::SecretString;
use serde::Deserialize;
use uuid::Uuid;

use super::{PAYMENT, REFUND, amount, declined};
use crate::provider::{Movement, ProviderError, Transaction};

type Metadata = HashMap<String, String>;

/// A page of a list.
#[derive(Debug, Deserialize)]
pub(super) struct List<T> {
    pub(super) data: Vec<T>,
    #[serde(default)]
    pub(super) has_more: bool,
}

/// A payment, from its authorisation to its capture.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct PaymentIntent {
    pub(super) id: String,
    pub(super) status: Status,
    #[serde(default)]
    pub(super) client_secret: Option<SecretString>,
    #[serde(default)]
    pub(super) next_action: Option<NextAction>,
    #[serde(default)]
    pub(super) last_payment_error: Option<Box<Error>>,
    #[serde(default)]
    metadata: Metadata,
}

/// How far a payment intent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    RequiresPaymentMethod,
    RequiresConfirmation,
    RequiresAction,
    Processing,
    RequiresCapture,
    Canceled,
    Succeeded,
    /// One that came later than this code.
    #[serde(other)]
    Other,
}

/// What the buyer must do.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct NextAction {
    #[serde(default)]
    pub(super) redirect_to_url: Option<Redirect>,
}

/// Where the buyer must go.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Redirect {
    #[serde(default)]
    pub(super) url: String,
}

/// Money on its way back.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Refund {
    pub(super) id: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    failure_reason: Option<String>,
    #[serde(default)]
    metadata: Metadata,
}

/// A movement of the account's balance.
#[derive(Debug, Deserialize)]
pub(super) struct BalanceTransaction {
    pub(super) id: String,
    #[serde(rename = "type")]
    kind: String,
    currency: String,
    #[serde(default)]
    fee: i64,
    created: i64,
    #[serde(default)]
    source: Option<Source>,
}

/// What moved the balance: a charge or a refund, or the mere id of something else.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Source {
    Object {
        amount: i64,
        #[serde(default)]
        amount_captured: Option<i64>,
        currency: String,
        #[serde(default)]
        metadata: Metadata,
    },
    Other(serde::de::IgnoredAny),
}

/// `{"error": …}`
#[derive(Debug, Deserialize)]
pub(super) struct ErrorBody {
    pub(super) error: Error,
}

/// Why Stripe refused (<https://docs.stripe.com/api/errors>).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Error {
    #[serde(rename = "type")]
    kind: String,
    code: Option<String>,
    decline_code: Option<String>,
    param: Option<String>,
    payment_intent: Option<PaymentIntent>,
}

impl PaymentIntent {
    /// Our payment.
    pub(super) fn payment(&self) -> Option<PaymentId> {
        id_in(&self.metadata, PAYMENT)
    }
}

impl Refund {
    /// Our refund.
    pub(super) fn refund(&self) -> Option<RefundId> {
        id_in(&self.metadata, REFUND)
    }

    /// Our payment.
    pub(super) fn payment(&self) -> Option<PaymentId> {
        id_in(&self.metadata, PAYMENT)
    }

    /// Whether the money is on its way: a card's bank may take days, and Stripe tells when it fails after all.
    pub(super) fn verdict(&self) -> Result<(), ProviderError> {
        match self.status.as_str() {
            "succeeded" | "pending" | "requires_action" => Ok(()),
            "failed" | "canceled" => Err(declined(self.failure())),
            other => Err(ProviderError::Unknown(format!("the refund is {other:?}"))),
        }
    }

    /// Whether it did not reach the buyer.
    pub(super) fn has_failed(&self) -> bool {
        matches!(self.status.as_str(), "failed" | "canceled")
    }

    /// Why it did not.
    pub(super) fn failure(&self) -> &str {
        self.failure_reason.as_deref().unwrap_or(&self.status)
    }
}

impl BalanceTransaction {
    /// What a buyer paid or was paid back; nothing for what is the account's own, such as a payout.
    pub(super) fn transaction(self) -> Result<Option<Transaction>, ProviderError> {
        // https://docs.stripe.com/reports/balance-transaction-types
        let movement: fn(Option<RefundId>) -> Movement = match self.kind.as_str() {
            "charge" | "payment" => |_| Movement::Capture,
            "refund" | "payment_refund" => Movement::Refund,
            "refund_failure" | "payment_failure_refund" => Movement::FailedRefund,
            _ => return Ok(None),
        };
        let Some(Source::Object { amount: units, amount_captured, currency, metadata }) = self.source else {
            return Err(ProviderError::Unknown(format!("{} has no source", self.id)));
        };
        let amount = amount::from_stripe(amount_captured.unwrap_or(units), &currency)
            .ok_or_else(|| ProviderError::Unknown(format!("{} is in {currency}", self.id)))?;
        let time = Timestamp::from_second(self.created)
            .map_err(|error| ProviderError::Unknown(format!("{}: {error}", self.id)))?;
        Ok(Some(Transaction {
            payment: id_in(&metadata, PAYMENT),
            movement: movement(id_in(&metadata, REFUND)),
            amount,
            fee: amount::from_stripe(self.fee, &self.currency),
            time,
            id: self.id,
        }))
    }
}

impl Error {
    /// The most telling code that it has.
    pub(super) fn code(&self) -> &str {
        let code = self.decline_code.as_deref().or(self.code.as_deref());
        code.unwrap_or(if self.kind.is_empty() { "declined" } else { &self.kind })
    }

    pub(super) fn is_card_error(&self) -> bool {
        self.kind == "card_error"
    }

    /// Whether the key was used for something else, which the payment is not to blame for.
    pub(super) fn is_about_idempotency(&self) -> bool {
        self.kind == "idempotency_error"
    }

    /// Whether Stripe does not know what the buyer pays with.
    pub(super) fn is_about_payment_method(&self) -> bool {
        let method = matches!(self.param.as_deref(), Some("payment_method" | "confirmation_token"));
        self.kind == "invalid_request_error" && method
    }

    /// The intent that the request was about.
    pub(super) fn payment_intent(&self) -> Option<PaymentIntent> {
        self.payment_intent.clone()
    }

    /// The same where its state was what kept the request from being carried out.
    pub(super) fn unexpected_intent(&self) -> Option<PaymentIntent> {
        if self.code() == "payment_intent_unexpected_state" { self.payment_intent() } else { None }
    }

    /// What it means for the operation: a final no.
    pub(super) fn verdict(&self) -> ProviderError {
        declined(self.code())
    }
}

/// Without the message, which may quote what the request held.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.code())?;
        match &self.param {
            Some(param) => write!(f, " ({param})"),
            None => Ok(()),
        }
    }
}

fn id_in<T: From<Uuid>>(metadata: &Metadata, name: &str) -> Option<T> {
    metadata.get(name).and_then(|text| Uuid::try_parse(text).ok()).map(T::from)
}

/// The path of one object of a list.
pub(super) fn path(list: &str, id: &str) -> Result<String, ProviderError> {
    let plain = !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if plain {
        Ok(format!("{list}/{id}"))
    } else {
        Err(ProviderError::Unknown("no id of Stripe's".to_owned()))
    }
}
