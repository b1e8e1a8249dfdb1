//! Exchanges tickets for others: one step for the buyer, who ends with the old tickets or with the new ones.
//!
//! The new seats, which the buyer holds, get a payment of their own, for what they cost more than the old ones are worth,
//! or for nothing. Its checkout (`saga.rs`) is that of any payment with one step more, EXCHANGING: once the new seats are
//! sold and the difference is captured, the old tickets are voided, all or none, and then the new ones are issued. The old
//! tickets are claimed by a refund of the old payment (`refund.rs`), which waits in its own EXCHANGING and is told in the
//! same transaction when the checkout has voided them, and how it ends:
//!
//! - completed: it frees the old seats and pays back what the new ones cost less;
//! - not completed, and the old tickets are not void: it lets go of them, and they stay valid;
//! - not completed although they are void, when the new showtime is cancelled in the same moment or a person gave the
//!   exchange up: it pays back all that they were worth.
//!
//! What the old tickets are worth in the new payment stays in the old one, as `carried_out`. When the new tickets are
//! returned, the new payment pays back first, and then the old one.

use jiff::Timestamp;
use moviebooking_auth::Caller;
use moviebooking_domain::{
    id::{PaymentId, ReservationId, TicketId},
    money::Money,
};
use moviebooking_proto::{Problem, Reason};
use moviebooking_store::{StoreError, idempotency::IdempotencyError};
use secrecy::SecretString;

use crate::{
    Service,
    charge::{ChargeError, outcome},
    payment::{Key, Payment},
    refund::{RefundRefused, Ticket, fees, find, unit_up},
    saga,
};

/// A request to exchange tickets.
#[derive(Clone, Debug)]
pub(crate) struct NewExchange {
    /// The payment for the old tickets.
    pub(crate) payment_id: PaymentId,
    /// The old tickets.
    pub(crate) tickets: Vec<TicketId>,
    /// The new seats.
    pub(crate) reservation_id: ReservationId,
    /// What the buyer agreed to pay in addition; none when nothing.
    pub(crate) amount: Option<Money>,
    /// What the buyer pays with; none when there is nothing to pay.
    pub(crate) token: Option<SecretString>,
    pub(crate) key: Key,
}

/// What an exchange costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    /// What the old tickets are worth in the new payment, in minor units.
    pub(crate) carried: i64,
    /// What they are worth more than the new ones, in minor units, and what is paid back.
    pub(crate) excess: i64,
    /// What the new ones cost more.
    pub(crate) difference: Money,
}

/// Why an exchange is not written down.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeRefused {
    #[error(transparent)]
    Tickets(#[from] RefundRefused),
    #[error("the tickets came out of an exchange")]
    Exchanged,
    #[error("the new seats are at another theater, or have another currency")]
    Elsewhere,
    #[error("it costs {difference}, not {offered}")]
    Mismatch { difference: Money, offered: Money },
    #[error("nothing to pay with")]
    NoToken,
    #[error("another payment for the new seats is under way")]
    InProgress,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why tickets were not exchanged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    #[error("no such payment that the caller may see")]
    NotFound,
    #[error("only the buyer exchanges tickets")]
    NotTheBuyer,
    #[error(transparent)]
    Refused(#[from] ExchangeRefused),
    #[error(transparent)]
    Charge(#[from] ChargeError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What it costs to exchange tickets of `old` for seats that cost `total`, `now`, where a provider moves multiples of
/// `unit`.
pub(crate) fn terms(
    new: &NewExchange,
    old: &Payment,
    tickets: &[Ticket],
    total: Money,
    unit: i64,
    now: Timestamp,
) -> Result<Terms, ExchangeRefused> {
    use saga::State::{Completed, PartiallyRefunded, Refunded};
    if !matches!(old.state, Completed | PartiallyRefunded | Refunded) || old.failure.is_some() {
        return Err(RefundRefused::NotCompleted(old.state).into());
    }
    if old.exchange.is_some() {
        return Err(ExchangeRefused::Exchanged);
    }
    if old.amount.currency != total.currency {
        return Err(ExchangeRefused::Elsewhere);
    }
    let chosen = find(&new.tickets, tickets)?;
    // The time to exchange tickets is the time to return them; the fee is not kept.
    fees(&chosen, now)?;
    let price = chosen.iter().fold(0_i64, |sum, ticket| sum.saturating_add(ticket.price));
    let worth = unit_up(price, unit).min(old.left());
    let carried = worth.min(total.minor);
    let difference = Money::new(total.minor - carried, total.currency);
    let offered = new.amount.unwrap_or(Money::new(0, total.currency));
    if offered != difference {
        return Err(ExchangeRefused::Mismatch { difference, offered });
    }
    if difference.minor > 0 && new.token.is_none() {
        return Err(ExchangeRefused::NoToken);
    }
    Ok(Terms { carried, excess: worth - carried, difference })
}

impl Service {
    /// Exchanges tickets of the caller's, and answers with the payment for the new ones once they are issued.
    pub(crate) async fn exchange(
        &self,
        caller: &Caller,
        new: &NewExchange,
    ) -> Result<Payment, ExchangeError> {
        let buyer = caller.user().map_err(ChargeError::Caller)?.id;
        let ended = match self.begin_exchange(caller, new).await {
            Ok(payment) => self.checkout.finish(payment).await.map_err(ChargeError::Pending)?,
            // It may be refused because this very request was carried out before.
            Err(refusal) => {
                let earlier = self.store.payment_of_key(buyer, &new.key.request_id).await?;
                let Some(earlier) = earlier else { return Err(refusal) };
                if earlier.key != new.key {
                    return Err(ChargeError::Key(IdempotencyError::Reused).into());
                }
                self.checkout.follow(earlier).await.map_err(ChargeError::Pending)?
            }
        };
        if let Some(exchange) = ended.exchange {
            // The old seats are freed by a worker in any case; the buyer sees it sooner this way.
            let taking_back = self.store.refund(exchange.refund).await?;
            if let Err(pending) = self.refunds.follow(taking_back).await {
                tracing::warn!(%pending, payment = %ended.id, "the seats of exchanged tickets are not freed yet");
            }
        }
        Ok(outcome(ended)?)
    }

    /// Checks the payment and the new seats and writes the exchange down, whose lease is then the caller's.
    pub(crate) async fn begin_exchange(
        &self,
        caller: &Caller,
        new: &NewExchange,
    ) -> Result<Payment, ExchangeError> {
        let old = self.store.payment(new.payment_id).await?;
        let old = old.filter(|payment| payment.visible_to(caller)).ok_or(ExchangeError::NotFound)?;
        if !caller.is(old.user_id) {
            return Err(ExchangeError::NotTheBuyer);
        }
        let (reservation, total) = self.payable(old.user_id, new.reservation_id).await?;
        let draft = self.draft(old.user_id, &reservation, total, new.token.clone(), &new.key)?;
        if draft.theater_id != old.theater_id {
            return Err(ExchangeRefused::Elsewhere.into());
        }
        Ok(self.store.begin_exchange(new, &draft, &*self.provider).await?)
    }
}

impl From<ExchangeError> for Problem {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::NotFound => crate::read::not_found("payment_id"),
            ExchangeError::NotTheBuyer => {
                Self::new(Reason::PermissionDenied, "Only the buyer of tickets exchanges them.")
            }
            ExchangeError::Refused(refused) => refused.into(),
            ExchangeError::Charge(error) => error.into(),
            ExchangeError::Store(error) => error.into(),
        }
    }
}

impl From<ExchangeRefused> for Problem {
    fn from(refused: ExchangeRefused) -> Self {
        match refused {
            ExchangeRefused::Tickets(refused) => refused.into(),
            ExchangeRefused::Exchanged => Self::new(
                Reason::RefundNotAllowed,
                "Tickets that came out of an exchange are not exchanged again: return them, and buy others.",
            ),
            ExchangeRefused::Elsewhere => {
                Self::invalid("reservation_id", "use seats at the theater of the tickets")
            }
            ExchangeRefused::Mismatch { difference, offered } => Self::new(
                Reason::AmountMismatch,
                format!("The exchange costs {difference} in addition, not {offered}."),
            )
            .field("amount", format!("use {} {}", difference.minor, difference.currency))
            .meta("total", difference.to_string())
            .meta("amount", offered.to_string()),
            ExchangeRefused::NoToken => {
                Self::invalid("payment_token", "give a token: there is something to pay")
            }
            ExchangeRefused::InProgress => ChargeError::InProgress.into(),
            ExchangeRefused::Store(error) => error.into(),
        }
    }
}
