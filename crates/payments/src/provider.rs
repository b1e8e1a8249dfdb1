//! Payment providers, behind one small trait.

mod choice;
mod http_client;
pub mod sandbox;
mod settle;
mod signature;
pub mod stripe;
mod transaction;
mod webhook;

use std::{fmt, sync::Arc};

use moviebooking_domain::{
    id::{PaymentId, RefundId},
    money::{Currency, Money},
};
use moviebooking_sandbox_bank::Bank;
use moviebooking_serve::StartError;
use secrecy::SecretString;

pub use choice::ProviderArgs;
pub(crate) use settle::{Carried, Order, Settled};
pub use transaction::{Movement, Transaction, TransactionPage, TransactionQuery};
pub use webhook::{Happened, Notice, Webhook, WebhookRefused};

/// Moves money, by our keys: every operation is carried out at most once for its [`Operation`], however often it is
/// asked for. Card numbers never come here, only what the provider gave the buyer's browser for them.
#[tonic::async_trait]
pub trait Provider: Send + Sync {
    /// Its name in the database, in answers and in the path of its webhooks: "sandbox".
    fn name(&self) -> &'static str;

    /// The smallest amount of a currency that it moves, in minor units; every other one is a multiple of it.
    fn unit(&self, _currency: Currency) -> i64 {
        1
    }

    /// Holds `amount` of the buyer's money without taking it.
    ///
    /// # Errors
    /// [`ProviderError`]
    async fn authorise(
        &self,
        payment: PaymentId,
        amount: Money,
        token: &SecretString,
    ) -> Result<Authorisation, ProviderError>;

    /// Takes what was authorised.
    ///
    /// # Errors
    /// [`ProviderError`]; [`ProviderError::Declined`] also for more than was authorised.
    async fn capture(&self, payment: &Charged, amount: Money) -> Result<(), ProviderError>;

    /// Gives an authorisation back that was not captured, or makes sure that one which the buyer has not confirmed never
    /// comes about.
    ///
    /// # Errors
    /// [`ProviderError`]
    async fn void(&self, payment: &Charged) -> Result<(), ProviderError>;

    /// Pays back a part of what was captured, or all of it.
    ///
    /// # Errors
    /// [`ProviderError`]; [`ProviderError::Declined`] also for more than is left.
    async fn refund(&self, payment: &Charged, refund: RefundId, amount: Money) -> Result<(), ProviderError>;

    /// What became of an operation whose answer was not received. A declined authorisation stays declined, whatever the
    /// buyer does afterwards.
    ///
    /// # Errors
    /// [`ProviderError::Unknown`]
    async fn look_up(&self, payment: &Charged, operation: Operation) -> Result<Found, ProviderError>;

    /// A page of the provider's own list of the money that it moved, in an order of its own.
    ///
    /// # Errors
    /// [`ProviderError::Unknown`]
    async fn transactions(&self, query: &TransactionQuery) -> Result<TransactionPage, ProviderError>;

    /// Checks that a webhook comes from the provider and is fresh, and reads it.
    ///
    /// # Errors
    /// [`WebhookRefused`]
    fn read_webhook(&self, webhook: &Webhook<'_>) -> Result<Notice, WebhookRefused>;
}

/// The settings of one provider.
trait Open {
    /// The provider as it is set; `bank` is the sandbox bank of this process, where it has one.
    ///
    /// # Errors
    /// When a setting is missing or cannot be used.
    fn open(&self, bank: Option<&Bank>) -> Result<Arc<dyn Provider>, StartError>;
}

/// A payment that a provider was asked to authorise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charged {
    /// Our id of it.
    pub id: PaymentId,
    /// The provider's own; empty when none was received.
    pub reference: String,
}

/// What a provider answers to an authorisation that was not declined.
#[derive(Clone, Debug)]
pub struct Authorisation {
    /// The provider's own id of the payment.
    pub reference: String,
    /// What the buyer must do before the money is held; nothing when it is held.
    pub action: Option<BuyerAction>,
}

/// What a buyer must do to confirm a payment, as with 3-D Secure. One of the two is given, or both.
#[derive(Clone, Debug, Default)]
pub struct BuyerAction {
    /// A page to open; empty when there is none.
    pub url: String,
    /// What the provider's own code in the buyer's browser goes on with; for the buyer alone.
    pub client_secret: Option<SecretString>,
}

/// Names one movement of money, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// The payment's authorisation.
    Authorise(PaymentId),
    /// Its capture.
    Capture(PaymentId),
    /// The return of its authorisation.
    Void(PaymentId),
    /// One of its refunds.
    Refund(PaymentId, RefundId),
}

/// The idempotency key to send to the provider.
impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authorise(payment) => write!(f, "{payment}:authorise"),
            Self::Capture(payment) => write!(f, "{payment}:capture"),
            Self::Void(payment) => write!(f, "{payment}:void"),
            Self::Refund(payment, refund) => write!(f, "{payment}:refund:{refund}"),
        }
    }
}

/// What a provider knows of an operation.
#[derive(Clone, Debug)]
pub enum Found {
    /// It never arrived, so it may be sent again.
    Nothing,
    /// It was carried out.
    Done,
    /// An authorisation, as it would be answered now.
    Authorisation(Authorisation),
    /// It was declined, with the provider's code.
    Declined(String),
}

/// Why a provider did not carry out an operation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// The provider's final no, with its code: `insufficient_funds`.
    #[error("declined: {0}")]
    Declined(String),
    /// The provider does not know the buyer's token.
    #[error("unknown payment token")]
    InvalidToken,
    /// No answer came, or none that makes sense, so nobody knows whether it was carried out. The text is for the log.
    #[error("outcome unknown: {0}")]
    Unknown(String),
}
