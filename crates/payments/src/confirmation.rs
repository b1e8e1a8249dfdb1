//! A payment that its buyer has to confirm, as with 3-D Secure.
//!
//! The seats stay held meanwhile, as long as a hold may last. The provider is asked every few seconds, and at once when
//! its webhook comes or the buyer repeats the request. A buyer who does not confirm while the seats are held has
//! declined: the provider makes sure that they cannot confirm any more, and nothing is taken. So has one who cancels, and
//! at once: the seats are then held for them to pay in another way.

use jiff::{SignedDuration, Timestamp};
use moviebooking_auth::Caller;
use moviebooking_domain::id::PaymentId;
use moviebooking_proto::{Problem, Reason};
use moviebooking_store::StoreError;

use crate::{
    Service,
    payment::Payment,
    provider::{Authorisation, Found, Order},
    read::not_found,
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
/// Why a payment is declined whose buyer has cancelled it.
const CANCELLED: &str = "confirmation_cancelled";

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

impl Service {
    /// Cancels a payment that waits for its buyer, for them, and answers once it is declined. Again: nothing changes.
    pub(crate) async fn cancel(&self, caller: &Caller, id: PaymentId) -> Result<Payment, Problem> {
        let payment = self.store.payment(id).await?.filter(|payment| payment.visible_to(caller));
        let payment = payment.ok_or_else(|| not_found("payment_id"))?;
        if !caller.is(payment.user_id) {
            return Err(Problem::new(Reason::PermissionDenied, "Only the buyer of a payment cancels it."));
        }
        if let Some(withdrawing) = self.withdraw(id).await? {
            return Ok(self.checkout.finish(withdrawing).await?);
        }
        let payment = self.store.payment(id).await?.ok_or_else(|| not_found("payment_id"))?;
        if payment.failure.as_ref().is_some_and(|failure| failure.code == CANCELLED) {
            return Ok(self.checkout.follow(payment).await?);
        }
        Err(Problem::new(
            Reason::FailedPrecondition,
            "Only a payment that waits for its buyer's confirmation can be cancelled.",
        )
        .meta("state", payment.state.name()))
    }

    /// Turns a payment round that waits for its buyer, whose lease is then the caller's. None when it does not wait.
    pub(crate) async fn withdraw(&self, id: PaymentId) -> Result<Option<Payment>, StoreError> {
        let failure = Failure { reason: Reason::PaymentDeclined, code: CANCELLED.to_owned() };
        self.store.withdraw(id, &failure, self.clock.now()).await
    }
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}
