//! Asks a provider until it is known what happened.

use std::{future::Future, sync::Arc, time::Duration};

use moviebooking_domain::{
    id::{PaymentId, RefundId},
    money::Money,
};
use moviebooking_proto::Reason;
use secrecy::SecretString;
use tokio::time::timeout;

use super::{Found, Operation, Provider, ProviderError};
use crate::step::{Failure, StepError};

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
        payment: PaymentId,
        order: &Order<'_>,
        sent_before: bool,
    ) -> Result<(), StepError> {
        let mut unsure = sent_before.then(|| "tried before".to_owned());
        for _ in 0..TRIES {
            if unsure.is_some() {
                let looked_up = self.provider.look_up(order.operation(payment));
                match self.in_time(looked_up).await.map_err(final_word)? {
                    Found::Done => return Ok(()),
                    Found::Declined(code) => return Err(final_word(ProviderError::Declined(code))),
                    Found::Nothing => {}
                }
            }
            match self.in_time(self.send(payment, order)).await {
                Err(ProviderError::Unknown(why)) => unsure = Some(why),
                answer => return answer.map_err(final_word),
            }
        }
        Err(StepError::Later(unsure.unwrap_or_default()))
    }

    async fn send(&self, payment: PaymentId, order: &Order<'_>) -> Result<(), ProviderError> {
        match order {
            Order::Authorise { amount, token } => self.provider.authorise(payment, *amount, token).await,
            Order::Capture { amount } => self.provider.capture(payment, *amount).await,
            Order::Void => self.provider.void(payment).await,
            Order::Refund { id, amount } => self.provider.refund(payment, *id, *amount).await,
        }
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
