//! Payment providers, behind one small trait.

pub mod sandbox;
mod settle;

use std::fmt;

use moviebooking_domain::{
    id::{PaymentId, RefundId},
    money::Money,
};
use secrecy::SecretString;

pub(crate) use settle::{Order, Settled};

/// Moves money, by our keys: every operation is carried out at most once for its [`Operation`], however often it is
/// asked for. Card numbers never come here, only what the provider gave the buyer's browser for them.
#[tonic::async_trait]
pub trait Provider: Send + Sync {
    /// Its name in the database and in answers: "sandbox".
    fn name(&self) -> &'static str;

    /// Holds `amount` of the buyer's money without taking it.
    ///
    /// # Errors
    /// [`ProviderError`]
    async fn authorise(
        &self,
        payment: PaymentId,
        amount: Money,
        token: &SecretString,
    ) -> Result<(), ProviderError>;

    /// Takes what was authorised.
    ///
    /// # Errors
    /// [`ProviderError`]; [`ProviderError::Declined`] also for more than was authorised.
    async fn capture(&self, payment: PaymentId, amount: Money) -> Result<(), ProviderError>;

    /// Gives an authorisation back that was not captured.
    ///
    /// # Errors
    /// [`ProviderError`]
    async fn void(&self, payment: PaymentId) -> Result<(), ProviderError>;

    /// Pays back a part of what was captured, or all of it.
    ///
    /// # Errors
    /// [`ProviderError`]; [`ProviderError::Declined`] also for more than is left.
    async fn refund(&self, payment: PaymentId, refund: RefundId, amount: Money) -> Result<(), ProviderError>;

    /// What became of an operation whose answer was not received.
    ///
    /// # Errors
    /// [`ProviderError::Unknown`]
    async fn look_up(&self, operation: Operation) -> Result<Found, ProviderError>;
}

/// Names one movement of money, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It never arrived, so it may be sent again.
    Nothing,
    /// It was carried out.
    Done,
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
    /// No answer came, so nobody knows whether it was carried out. The text is for the log.
    #[error("outcome unknown: {0}")]
    Unknown(String),
}
