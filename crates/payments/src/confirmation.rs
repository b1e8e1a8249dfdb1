//! A payment that its buyer has to confirm, as with 3-D Secure.
//!
//! The seats stay held meanwhile, as long as a hold may last. The provider is asked every few seconds, and at once when
//! its webhook comes or the buyer repeats the request. A buyer who does not confirm while the seats are held has
//! declined: the provider makes sure that they cannot confirm any more, and nothing is taken.

use jiff::{SignedDuration, Timestamp};
use moviebooking_proto::Reason;

use crate::{
    payment::Payment,
    provider::{Authorisation, Found, Order},
    saga::{Checkout, Effect},
    step::{Failure, StepError},
};

/// How often the provider is asked.
pub(crate) const ASK_AGAIN: SignedDuration = SignedDuration::from_secs(5);
/// A hold that ends sooner is extended.
const MARGIN: SignedDuration = SignedDuration::from_mins(2);
/// The longest that a buyer may take: no hold lasts longer.
const LONGEST: SignedDuration = SignedDuration::from_mins(30);
/// Why a payment is declined that was not confirmed.
const EXPIRED: &str = "confirmation_expired";

impl Checkout {
    /// Looks whether the buyer has confirmed, and keeps the seats for them while they have not.
    pub(crate) async fn await_buyer(&self, payment: &Payment) -> Result<Effect, StepError> {
        let until = payment.confirmation.as_ref().and_then(|waiting| waiting.until);
        // At first the provider has just said that it waits, and the seats come first.
        if until.is_some() {
            match self.provider.authorisation(payment).await? {
                Found::Authorisation(held @ Authorisation { action: None, .. }) => {
                    return Ok(Effect::Authorised(held));
                }
                Found::Authorisation(_) => {}
                Found::Declined(code) => {
                    return Err(StepError::Refused(Failure { reason: Reason::PaymentDeclined, code }));
                }
                other => {
                    return Err(StepError::Later(format!("of an authorisation the provider says {other:?}")));
                }
            }
        }
        let now = self.clock.now();
        let ends_soon = |end: Timestamp| end < later(now, MARGIN);
        match until {
            Some(end) if !ends_soon(end) => return Ok(Effect::StillWaiting),
            _ if now >= later(payment.created_at, LONGEST) => return self.give_up(payment).await,
            _ => {}
        }
        match self.neighbours.keep(payment.reservation_id, payment.id).await {
            Ok(end) if Some(end) == until && now < end => Ok(Effect::StillWaiting),
            Ok(end) if now < end => Ok(Effect::Kept(end)),
            Ok(_) | Err(StepError::Refused(_)) => self.give_up(payment).await,
            Err(later) => Err(later),
        }
    }

    /// Makes sure that the buyer cannot confirm any more.
    async fn give_up(&self, payment: &Payment) -> Result<Effect, StepError> {
        match self.provider.carry_out(payment, &Order::Void, true).await {
            Ok(_) => {
                let code = EXPIRED.to_owned();
                Err(StepError::Refused(Failure { reason: Reason::PaymentDeclined, code }))
            }
            Err(StepError::Refused(failure)) => Err(StepError::Later(format!("not withdrawn: {failure:?}"))),
            Err(later) => Err(later),
        }
    }
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}
