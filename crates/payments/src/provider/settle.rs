//! Asks a provider until it is known what happened.

use std::{future::Future, sync::Arc, time::Duration};

use moviebooking_domain::{
    id::{PaymentId, RefundId},
    money::Money,
};
use moviebooking_proto::Reason;
use secrecy::SecretString;
use tokio::time::timeout;

use super::{Authorisation, Charged, Found, Operation, Provider, ProviderError};
use crate::{
    payment::Payment,
    step::{Failure, StepError},
};

/// How often an operation that had no effect is sent before it is left to a later attempt.
const TRIES: usize = 2;

/// What a provider is asked to do for a payment.
#[derive(Debug)]
pub(crate) enum Order<'a> {
    Authorise { amount: Money, token: &'a SecretString },
    Capture { amount: Money },
    Void,
    Refund { id: RefundId, amount: Money },
}

impl Order<'_> {
    fn operation(&self, payment: PaymentId) -> Operation {
        match self {
            Self::Authorise { .. } => Operation::Authorise(payment),
            Self::Capture { .. } => Operation::Capture(payment),
            Self::Void => Operation::Void(payment),
            Self::Refund { id, .. } => Operation::Refund(payment, *id),
        }
    }
}

/// What came of an order that was not refused.
#[derive(Clone, Debug)]
pub(crate) enum Carried {
    Out,
    Authorised(Authorisation),
}

/// A provider that is asked what became of an operation before the operation is sent a second time.
#[derive(Clone)]
pub(crate) struct Settled {
    provider: Arc<dyn Provider>,
    /// How long one answer may take.
    patience: Duration,
}

impl Settled {
    pub(crate) fn new(provider: Arc<dyn Provider>, patience: Duration) -> Self {
        Self { provider, patience }
    }

    /// Carries out `order` once. `sent_before` says that somebody may have tried already.
    pub(crate) async fn carry_out(
        &self,
        payment: &Payment,
        order: &Order<'_>,
        sent_before: bool,
    ) -> Result<Carried, StepError> {
        let charged = self.charged(payment)?;
        let mut unsure = sent_before.then(|| "tried before".to_owned());
        for _ in 0..TRIES {
            if unsure.is_some() {
                match self.look_up(&charged, order.operation(payment.id)).await? {
                    Found::Done => return Ok(Carried::Out),
                    Found::Authorisation(authorisation) => return Ok(Carried::Authorised(authorisation)),
                    Found::Declined(code) => return Err(final_word(ProviderError::Declined(code))),
                    Found::Nothing => {}
                }
            }
            match self.in_time(self.send(&charged, order)).await {
                Err(ProviderError::Unknown(why)) => unsure = Some(why),
                answer => return answer.map_err(final_word),
            }
        }
        Err(StepError::Later(unsure.unwrap_or_default()))
    }

    /// Whether an operation was carried out; refused where it was not.
    pub(crate) async fn find(&self, payment: &Payment, operation: Operation) -> Result<Carried, StepError> {
        match self.look_up(&self.charged(payment)?, operation).await? {
            Found::Done => Ok(Carried::Out),
            Found::Authorisation(authorisation) => Ok(Carried::Authorised(authorisation)),
            Found::Nothing | Found::Declined(_) => Err(StepError::Refused(Reason::PaymentParked.into())),
        }
    }

    /// What the provider says of a payment's authorisation now.
    pub(crate) async fn authorisation(&self, payment: &Payment) -> Result<Found, StepError> {
        self.look_up(&self.charged(payment)?, Operation::Authorise(payment.id)).await
    }

    /// The payment, if it is this provider's: another one must never be asked about it.
    fn charged(&self, payment: &Payment) -> Result<Charged, StepError> {
        if payment.provider == self.provider.name() {
            return Ok(Charged { id: payment.id, reference: payment.provider_reference.clone() });
        }
        let ours = self.provider.name();
        Err(StepError::Later(format!("it was paid through {}, and the provider is {ours}", payment.provider)))
    }

    async fn look_up(&self, charged: &Charged, operation: Operation) -> Result<Found, StepError> {
        self.in_time(self.provider.look_up(charged, operation)).await.map_err(final_word)
    }

    async fn send(&self, charged: &Charged, order: &Order<'_>) -> Result<Carried, ProviderError> {
        match order {
            Order::Authorise { amount, token } => {
                return self.provider.authorise(charged.id, *amount, token).await.map(Carried::Authorised);
            }
            Order::Capture { amount } => self.provider.capture(charged, *amount).await?,
            Order::Void => self.provider.void(charged).await?,
            Order::Refund { id, amount } => self.provider.refund(charged, *id, *amount).await?,
        }
        Ok(Carried::Out)
    }

    async fn in_time<T>(
        &self,
        answer: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        timeout(self.patience, answer)
            .await
            .unwrap_or_else(|_elapsed| Err(ProviderError::Unknown("no answer in time".to_owned())))
    }
}

fn final_word(error: ProviderError) -> StepError {
    match error {
        ProviderError::Declined(code) => {
            StepError::Refused(Failure { reason: Reason::PaymentDeclined, code })
        }
        ProviderError::InvalidToken => StepError::Refused(Reason::InvalidPaymentToken.into()),
        ProviderError::Unknown(why) => StepError::Later(why),
    }
}
