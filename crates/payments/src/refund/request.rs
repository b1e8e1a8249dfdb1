//! Asks for a refund: checks that it may be, writes it down with its share of the payment, and has it run.

use std::time::Duration;

use jiff::Timestamp;
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
    store::Lease,
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

/// On whose terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Terms {
    /// Of staff: as they say, without a fee.
    Staff,
    /// Of the buyer, by the policy under which the tickets were issued.
    Buyer,
    /// Of a cancelled showtime: the price of every ticket.
    Cancelled,
}

/// A request to refund.
#[derive(Clone, Debug)]
pub(crate) struct NewRefund {
    pub(crate) payment_id: PaymentId,
    pub(crate) sum: Sum,
    pub(crate) terms: Terms,
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
    /// Minor units that the payment pays back from which the tickets of this one were exchanged.
    pub(crate) carried: i64,
    /// Minor units that are kept.
    pub(crate) fee: i64,
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
    #[error("the provider moves multiples of {unit}")]
    Indivisible { unit: Money },
    #[error("only staff refunds by amount")]
    AmountByBuyer,
    #[error("buyers may not return ticket {0:?}")]
    NotReturnable(usize, Option<Timestamp>),
    #[error("another refund of the payment is under way")]
    UnderWay,
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

/// What to do for a refund that is asked for `now`, where the provider moves multiples of `unit`.
pub(crate) fn plan(
    new: &NewRefund,
    payment: &Payment,
    tickets: &[Ticket],
    unit: i64,
    now: Timestamp,
) -> Result<Plan, RefundRefused> {
    use saga::State::{Completed, PartiallyRefunded, Refunded};
    if !matches!(payment.state, Completed | PartiallyRefunded | Refunded) || payment.failure.is_some() {
        return Err(RefundRefused::NotCompleted(payment.state));
    }
    let left = payment.left().saturating_add(payment.carried_left());
    let chosen: Vec<&BoughtTicket> = match &new.sum {
        Sum::Amount(_) if new.terms == Terms::Buyer => return Err(RefundRefused::AmountByBuyer),
        Sum::Amount(amount) if amount.currency != payment.amount.currency => {
            return Err(RefundRefused::Currency { paid: payment.amount });
        }
        Sum::Amount(_) => Vec::new(),
        Sum::Everything => {
            tickets.iter().filter(|ticket| !ticket.refunded).map(|ticket| &ticket.bought).collect()
        }
        Sum::Tickets(named) => find(named, tickets)?,
    };
    let price = chosen.iter().fold(0_i64, |sum, ticket| sum.saturating_add(ticket.price));
    let mut fee = 0;
    let amount = match (&new.sum, new.terms) {
        (Sum::Amount(amount), _) if amount.minor % unit != 0 => {
            return Err(RefundRefused::Indivisible { unit: Money::new(unit, amount.currency) });
        }
        (Sum::Amount(amount), _) => amount.minor,
        (Sum::Everything, Terms::Staff) if chosen.is_empty() && left == 0 => {
            return Err(RefundRefused::NothingLeft);
        }
        (Sum::Everything, Terms::Staff) => left,
        // What cannot be paid back to the last digit is rounded in favour of the buyer.
        (Sum::Tickets(_), Terms::Staff) if price < left.saturating_add(unit) => {
            unit_up(price, unit).min(left)
        }
        (Sum::Tickets(_), Terms::Staff) => price,
        (_, Terms::Buyer | Terms::Cancelled) if chosen.is_empty() => return Err(RefundRefused::NothingLeft),
        // A part may have been refunded by amount before.
        (_, Terms::Cancelled) => unit_up(price, unit).min(left),
        (_, Terms::Buyer) => {
            fee = fees(&chosen, now)?;
            let amount = unit_up(price.saturating_sub(fee), unit).min(left);
            // No more is kept than is there.
            fee = fee.min(left - amount);
            amount
        }
    };
    if amount > left {
        return Err(RefundRefused::TooLarge { left: Money::new(left, payment.amount.currency) });
    }
    // First from the payment itself.
    let own = amount.min(payment.left());
    Ok(Plan {
        amount: own,
        carried: amount - own,
        fee,
        tickets: chosen.into_iter().map(|ticket| ticket.id).collect(),
    })
}

/// The least multiple of `unit` that is no less than `amount`; neither is negative.
pub(crate) fn unit_up(amount: i64, unit: i64) -> i64 {
    amount.saturating_add(unit - 1) / unit * unit
}

/// The named tickets of a payment, if none of them is refunded already.
pub(crate) fn find<'a>(
    named: &[TicketId],
    tickets: &'a [Ticket],
) -> Result<Vec<&'a BoughtTicket>, RefundRefused> {
    let mut found = Vec::with_capacity(named.len());
    for (index, id) in named.iter().enumerate() {
        let ticket = tickets.iter().find(|ticket| ticket.bought.id == *id);
        let ticket = ticket.ok_or(RefundRefused::ForeignTicket(index))?;
        if ticket.refunded {
            return Err(RefundRefused::RefundedTicket(index));
        }
        found.push(&ticket.bought);
    }
    Ok(found)
}

/// What is kept when the buyer returns these tickets now.
pub(crate) fn fees(tickets: &[&BoughtTicket], now: Timestamp) -> Result<i64, RefundRefused> {
    tickets.iter().enumerate().try_fold(0_i64, |fees, (index, ticket)| match ticket.terms {
        Some(terms) if now < terms.until => Ok(fees.saturating_add(terms.fee)),
        terms => Err(RefundRefused::NotReturnable(index, terms.map(|terms| terms.until))),
    })
}

impl Service {
    /// Refunds, and answers with the payment once the money is on its way back: for its buyer by the theater's policy,
    /// for staff of the theater without.
    pub(crate) async fn refund(&self, caller: &Caller, mut new: NewRefund) -> Result<Payment, RefundError> {
        let payment = self.store.payment(new.payment_id).await?;
        let payment = payment.filter(|payment| payment.visible_to(caller)).ok_or(RefundError::NotFound)?;
        new.terms = if caller.runs(payment.theater_id) { Terms::Staff } else { Terms::Buyer };
        let now = self.clock.now();
        let ended = match self.store.request_refund(&new, &*self.provider, Lease::new(now), now).await {
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
    match (refund.failure, refund.after) {
        (None, Some(returned)) => Ok(payment.when_refunded(returned, refund.updated_at)),
        (Some(failure), _) if refund.state == State::Refused => Err(RefundError::NotVoided(failure)),
        _ => Err(RefundError::Pending(Pending::Later)),
    }
}

impl From<RefundError> for Problem {
    fn from(error: RefundError) -> Self {
        match error {
            RefundError::NotFound => crate::read::not_found("payment_id"),
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
            RefundRefused::Indivisible { unit } => Self::invalid(
                "amount.amount_minor",
                format!("use a multiple of {}: the payment provider moves no less than {unit}", unit.minor),
            ),
            RefundRefused::ForeignTicket(index) => {
                Self::invalid(ticket(index), "use a ticket of this payment")
            }
            RefundRefused::RefundedTicket(index) => {
                Self::new(Reason::TicketVoid, "One of the tickets was refunded already.")
                    .field(ticket(index), "leave it out")
            }
            RefundRefused::AmountByBuyer => Self::new(
                Reason::PermissionDenied,
                "Only staff of the theater refunds by amount: return tickets.",
            )
            .field("amount", "leave it out"),
            RefundRefused::NotReturnable(index, until) => {
                not_returnable(until).field(ticket(index), "leave it out")
            }
            RefundRefused::UnderWay => Self::new(
                Reason::RequestInFlight,
                "Another refund of this payment is under way: wait for its end.",
            )
            .retry_after(Duration::from_secs(1)),
            RefundRefused::KeyTaken => IdempotencyError::Reused.into(),
            RefundRefused::Store(error) => error.into(),
        }
    }
}

/// Why a buyer may not return a ticket that they could return until then, if ever.
fn not_returnable(until: Option<Timestamp>) -> Problem {
    match until {
        Some(until) => Problem::new(
            Reason::RefundNotAllowed,
            format!("Tickets could be returned until {until}; ask the theater's staff."),
        )
        .meta("until", until.to_string()),
        None => Problem::new(
            Reason::RefundNotAllowed,
            "The theater takes no tickets back from buyers by itself: ask its staff.",
        ),
    }
}
