//! Asks for a refund: checks that it may be, writes it down with its share of the payment, and has it run.

use moviebooking_auth::Caller;
use moviebooking_domain::{
    id::{PaymentId, TicketId, UserId},
    money::Money,
};
use moviebooking_proto::{Problem, Reason};
use moviebooking_store::{StoreError, idempotency::IdempotencyError};

use super::{Refund, State};
use crate::{
    Service,
    payment::{BoughtTicket, Key, Payment},
    runner::Pending,
    saga,
    step::Failure,
};

/// What to refund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sum {
    /// These tickets, which become void and free their seats.
    Tickets(Vec<TicketId>),
    /// So much, and nothing becomes void.
    Amount(Money),
    /// All that is left, with every ticket.
    Everything,
}

/// A request to refund.
#[derive(Clone, Debug)]
pub(crate) struct NewRefund {
    pub(crate) payment_id: PaymentId,
    pub(crate) sum: Sum,
    /// For people; empty when none was given.
    pub(crate) reason: String,
    pub(crate) requested_by: UserId,
    pub(crate) key: Key,
}

/// A ticket of a payment that is to be refunded.
#[derive(Clone, Debug)]
pub(crate) struct Ticket {
    pub(crate) bought: BoughtTicket,
    /// Whether a refund takes it back already.
    pub(crate) refunded: bool,
}

/// What a refund does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Minor units of the payment's currency.
    pub(crate) amount: i64,
    pub(crate) tickets: Vec<TicketId>,
}

/// Why a refund is not written down.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RefundRefused {
    #[error("the payment is {}", .0.name())]
    NotCompleted(saga::State),
    #[error("only {left} are left")]
    TooLarge { left: Money },
    #[error("the payment is in {}", paid.currency)]
    Currency { paid: Money },
    #[error("ticket {0} is not one of the payment's")]
    ForeignTicket(usize),
    #[error("ticket {0} was refunded")]
    RefundedTicket(usize),
    #[error("nothing is left")]
    NothingLeft,
    #[error("the idempotency key was used")]
    KeyTaken,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why nothing was refunded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RefundError {
    #[error("no such payment that the caller may see")]
    NotFound,
    #[error("not theirs to refund")]
    Caller(Problem),
    #[error(transparent)]
    Refused(#[from] RefundRefused),
    #[error("tickets refused: {0:?}")]
    NotVoided(Failure),
    #[error(transparent)]
    Key(#[from] IdempotencyError),
    #[error(transparent)]
    Pending(#[from] Pending),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What to do for a refund of `sum`.
pub(crate) fn plan(sum: &Sum, payment: &Payment, tickets: &[Ticket]) -> Result<Plan, RefundRefused> {
    use saga::State::{Completed, PartiallyRefunded, Refunded};
    if !matches!(payment.state, Completed | PartiallyRefunded | Refunded) || payment.failure.is_some() {
        return Err(RefundRefused::NotCompleted(payment.state));
    }
    let left = payment.amount.minor.saturating_sub(payment.refund_reserved);
    let plan = match sum {
        Sum::Amount(amount) if amount.currency != payment.amount.currency => {
            return Err(RefundRefused::Currency { paid: payment.amount });
        }
        Sum::Amount(amount) => Plan { amount: amount.minor, tickets: Vec::new() },
        Sum::Everything => {
            let open = tickets.iter().filter(|ticket| !ticket.refunded);
            let tickets: Vec<TicketId> = open.map(|ticket| ticket.bought.id).collect();
            if tickets.is_empty() && left == 0 {
                return Err(RefundRefused::NothingLeft);
            }
            Plan { amount: left, tickets }
        }
        Sum::Tickets(named) => {
            let mut amount: i64 = 0;
            for (index, id) in named.iter().enumerate() {
                let ticket = tickets
                    .iter()
                    .find(|ticket| ticket.bought.id == *id)
                    .ok_or(RefundRefused::ForeignTicket(index))?;
                if ticket.refunded {
                    return Err(RefundRefused::RefundedTicket(index));
                }
                amount = amount.saturating_add(ticket.bought.price);
            }
            Plan { amount, tickets: named.clone() }
        }
    };
    if plan.amount > left {
        return Err(RefundRefused::TooLarge { left: Money::new(left, payment.amount.currency) });
    }
    Ok(plan)
}

impl Service {
    /// Refunds, and answers with the payment once the money is on its way back.
    pub(crate) async fn refund(&self, caller: &Caller, new: &NewRefund) -> Result<Payment, RefundError> {
        let payment = self.store.payment(new.payment_id).await?;
        let payment = payment.filter(|payment| payment.visible_to(caller)).ok_or(RefundError::NotFound)?;
        caller.must_run(payment.theater_id).map_err(RefundError::Caller)?;
        let ended = match self.store.request_refund(new, self.clock.now()).await {
            Ok(refund) => self.refunds.finish(refund).await?,
            // It may be refused because this very request was carried out before.
            Err(refusal) => {
                let earlier = self.store.refund_of_key(new.requested_by, &new.key.request_id).await?;
                let Some(earlier) = earlier else { return Err(refusal.into()) };
                if earlier.key != new.key {
                    return Err(IdempotencyError::Reused.into());
                }
                self.refunds.follow(earlier).await?
            }
        };
        outcome(payment, ended)
    }
}

/// What is answered to a refund that has ended: the same however often it is asked for.
fn outcome(payment: Payment, refund: Refund) -> Result<Payment, RefundError> {
    match (refund.failure, refund.refunded_after) {
        (None, Some(refunded)) => Ok(payment.when_refunded(refunded, refund.updated_at)),
        (Some(failure), _) if refund.state == State::Refused => Err(RefundError::NotVoided(failure)),
        _ => Err(RefundError::Pending(Pending::Later)),
    }
}

impl From<RefundError> for Problem {
    fn from(error: RefundError) -> Self {
        match error {
            RefundError::NotFound => crate::read::not_found("payment_id"),
            RefundError::Caller(problem) => problem,
            RefundError::Refused(refused) => refused.into(),
            RefundError::NotVoided(failure) if failure.reason == Reason::TicketAlreadyCheckedIn => Self::new(
                Reason::TicketAlreadyCheckedIn,
                "A ticket was let in at the door, so nothing was refunded: leave that ticket out, or refund by amount.",
            ),
            RefundError::NotVoided(failure) => {
                Self::new(failure.reason, "The tickets could not be voided, so nothing was refunded.")
            }
            RefundError::Key(error) => error.into(),
            RefundError::Pending(pending) => pending.into(),
            RefundError::Store(error) => error.into(),
        }
    }
}

impl From<RefundRefused> for Problem {
    fn from(refused: RefundRefused) -> Self {
        let ticket = |index: usize| format!("ticket_ids[{index}]");
        match refused {
            RefundRefused::NotCompleted(state) => {
                Self::new(Reason::FailedPrecondition, "Only a payment that was completed can be refunded.")
                    .meta("state", state.name())
            }
            RefundRefused::TooLarge { left } => {
                Self::new(Reason::RefundTooLarge, format!("Only {left} of the payment are left to refund."))
                    .meta("left", left.to_string())
            }
            RefundRefused::NothingLeft => {
                Self::new(Reason::RefundTooLarge, "All of the payment was refunded already.")
            }
            RefundRefused::Currency { paid } => {
                Self::invalid("amount.currency_code", format!("use {}, in which it was paid", paid.currency))
            }
            RefundRefused::ForeignTicket(index) => {
                Self::invalid(ticket(index), "use a ticket of this payment")
            }
            RefundRefused::RefundedTicket(index) => {
                Self::new(Reason::TicketVoid, "One of the tickets was refunded already.")
                    .field(ticket(index), "leave it out")
            }
            RefundRefused::KeyTaken => IdempotencyError::Reused.into(),
            RefundRefused::Store(error) => error.into(),
        }
    }
}
