//! A refund, whole: void the tickets, free their seats, pay the money back.
//!
//! Like the checkout, a state is written before its step's outside effect. The amount is taken from what is left of the
//! payment when the refund is written down, so that refunds side by side never exceed it; tickets refuse at once and
//! for all when one of them was let in, and then the refund gives its share back. Of a cancelled showtime tickets that
//! were let in are paid back as well, and left as they are.
//!
//! ```text
//! REQUESTED ──void tickets──▶ TICKETS_VOIDED ──free seats──▶ SEATS_FREED ──pay back──▶ REFUNDED
//!    │ refused
//!    ▼
//! REFUSED ◀──exchange refused── EXCHANGING ──tickets voided──▶ EXCHANGED ──exchange ended──▶ TICKETS_VOIDED
//! ```
//!
//! Tickets that are exchanged are taken back by a refund as well, of what the new ones cost less. It has no step of its own
//! until the exchange's payment, whose checkout voids the tickets, tells it how it ended (`exchange.rs`).

mod request;

use jiff::Timestamp;
use moviebooking_domain::{
    clock::SharedClock,
    id::{PaymentId, RefundId, ReservationId, TicketId},
    money::Money,
};
use moviebooking_fields as fields;
use moviebooking_proto::payments::v1::RefundFacts;
use moviebooking_store::{Row, StoreError};
use uuid::Uuid;

pub(crate) use request::{NewRefund, Plan, RefundRefused, Sum, Terms, Ticket, fees, find, plan, unit_up};

use crate::{
    kind::Kind,
    ledger::{Moved, Movement},
    named::named,
    neighbours::Neighbours,
    payment::{Event, Key, Payment, Returned},
    provider::{Order, Settled},
    runner::{Halt, Item, Saga},
    step::{Failure, StepError, carry_out},
    store::{Lease, Store},
};

/// A refund.
#[derive(Clone, Debug)]
pub(crate) struct Refund {
    pub(crate) id: RefundId,
    pub(crate) payment_id: PaymentId,
    pub(crate) reservation_id: ReservationId,
    pub(crate) state: State,
    pub(crate) amount: Money,
    /// Minor units that are kept of the prices of its tickets.
    pub(crate) fee: i64,
    /// Whether tickets that were let in stay as they are: the showtime was cancelled.
    pub(crate) leave_checked_in: bool,
    /// Why it was refused.
    pub(crate) failure: Option<Failure>,
    pub(crate) key: Key,
    /// Minor units that the payment pays back from which the tickets of this one were exchanged.
    pub(crate) carried: i64,
    /// What was paid back and kept of the payment in all once this refund was.
    pub(crate) after: Option<Returned>,
    pub(crate) updated_at: Timestamp,
    /// Who works on it.
    pub(crate) lease: Lease,
}

named! {
    /// How far a refund is.
    enum State {
        /// The tickets are to be voided.
        Requested = "REQUESTED",
        /// The seats are to be freed.
        TicketsVoided = "TICKETS_VOIDED",
        /// The money is to be paid back. A refund by amount begins here.
        SeatsFreed = "SEATS_FREED",
        /// The provider pays the money back.
        Refunded = "REFUNDED",
        /// The tickets could not be voided; nothing was done.
        Refused = "REFUSED",
        /// The tickets are being exchanged, and still valid.
        Exchanging = "EXCHANGING",
        /// The tickets are void; what they are exchanged for is not there yet.
        Exchanged = "EXCHANGED",
    }
}

/// What a step asks of whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Tickets: make them void.
    VoidTickets,
    /// Reservations: take the seats back.
    FreeSeats,
    /// The provider: pay back.
    PayBack,
}

/// Where a step leads, and what the history calls that.
type Transition = (State, &'static str);

/// One step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) action: Action,
    pub(crate) done: Transition,
    /// What a refusal leads to; where it leads nowhere, the step is tried until it is done.
    pub(crate) refused: Option<Transition>,
}

impl State {
    /// What is to be done next; nothing when the refund has ended.
    pub(crate) const fn step(self) -> Option<Step> {
        use State::{Exchanged, Exchanging, Refunded, Refused, Requested, SeatsFreed, TicketsVoided};
        let (action, done, refused) = match self {
            Requested => {
                (Action::VoidTickets, (TicketsVoided, "tickets_voided"), Some((Refused, "refund_refused")))
            }
            TicketsVoided => {
                (Action::FreeSeats, (SeatsFreed, "seats_freed"), Some((SeatsFreed, "seats_not_freed")))
            }
            SeatsFreed => (Action::PayBack, (Refunded, "refunded"), None),
            Refunded | Refused | Exchanging | Exchanged => return None,
        };
        Some(Step { action, done, refused })
    }

    /// Whether nothing more becomes of it.
    pub(crate) const fn is_end(self) -> bool {
        matches!(self, Self::Refunded | Self::Refused)
    }
}

impl Refund {
    /// A refund that was just asked for.
    pub(crate) fn new(new: &NewRefund, payment: &Payment, plan: &Plan, lease: Lease, now: Timestamp) -> Self {
        Self {
            id: RefundId::new(now),
            payment_id: payment.id,
            reservation_id: payment.reservation_id,
            state: if plan.tickets.is_empty() { State::SeatsFreed } else { State::Requested },
            amount: Money::new(plan.amount, payment.amount.currency),
            fee: plan.fee,
            leave_checked_in: new.terms == Terms::Cancelled,
            failure: None,
            key: new.key.clone(),
            carried: plan.carried,
            after: None,
            updated_at: now,
            lease,
        }
    }
}

impl Refund {
    /// What events tell of it and of the tickets that it takes back.
    pub(crate) fn facts(&self, tickets: &[TicketId]) -> RefundFacts {
        RefundFacts {
            refund_id: self.id.to_string(),
            amount: Some(fields::to_money(self.amount)),
            fee_kept: Some(fields::to_money(Money::new(self.fee, self.amount.currency))),
            ticket_ids: tickets.iter().map(ToString::to_string).collect(),
        }
    }
}

/// A refund's parties.
pub(crate) struct Refunding {
    pub(crate) store: Store,
    pub(crate) provider: Settled,
    pub(crate) neighbours: Neighbours,
    pub(crate) clock: SharedClock,
}

impl Refunding {
    /// Asks for a step's effect, under the payment's or the refund's id.
    pub(crate) async fn perform(&self, action: Action, refund: &Refund) -> Result<(), StepError> {
        match action {
            Action::VoidTickets => {
                let tickets = self.tickets(refund).await?;
                self.neighbours.void(refund.payment_id, &tickets, "refunded", refund.leave_checked_in).await
            }
            Action::FreeSeats => {
                let tickets = self.tickets(refund).await?;
                let seats = tickets.into_iter().map(|ticket| ticket.seat).collect();
                self.neighbours.free(refund.reservation_id, refund.payment_id, seats).await
            }
            // Tickets that cost nothing.
            Action::PayBack if refund.amount.minor == 0 => Ok(()),
            Action::PayBack => {
                let payment = self.store.payment(refund.payment_id).await;
                let payment = payment.and_then(|payment| payment.ok_or(StoreError::NoRow));
                let payment = payment.map_err(|error| StepError::Later(error.chain()))?;
                #[cfg(feature = "sabotage")]
                if moviebooking_sabotage::Fault::RefundTwice.is_on() {
                    let again = Order::Refund { id: RefundId::new(refund.updated_at), amount: refund.amount };
                    // Of a full refund the second is declined, whichever that is.
                    let _declined = self.provider.carry_out(&payment, &again, false).await;
                }
                let order = Order::Refund { id: refund.id, amount: refund.amount };
                self.provider.carry_out(&payment, &order, refund.lease.retried()).await.map(drop)
            }
        }
    }

    async fn tickets(&self, refund: &Refund) -> Result<Vec<crate::payment::BoughtTicket>, StepError> {
        let tickets = self.store.tickets_of_refund(refund.payment_id, refund.id).await;
        // An empty list would mean all of the payment's tickets to those who are asked.
        match tickets {
            Ok(tickets) if tickets.is_empty() => {
                Err(StepError::Later("the refund's tickets are gone".to_owned()))
            }
            Ok(tickets) => Ok(tickets),
            Err(error) => Err(StepError::Later(error.chain())),
        }
    }
}

impl Saga for Refunding {
    const KIND: Kind = Kind::Refund;

    type Item = Refund;

    fn read(row: &Row) -> Result<Refund, StoreError> {
        Refund::read(row)
    }

    async fn load(&self, id: Uuid) -> Result<Refund, StoreError> {
        self.store.refund(RefundId::from(id)).await
    }

    async fn step(&self, refund: &Refund) -> Result<Refund, Halt> {
        let Some(step) = refund.state.step() else { return Ok(refund.clone()) };
        let mut after = refund.clone();
        let effect = || self.perform(step.action, refund);
        let done = carry_out(Self::KIND, refund.id.uuid(), refund.state.name(), effect).await;
        let event = match done {
            Ok(()) => {
                after.state = step.done.0;
                let paid = step.action == Action::PayBack;
                let fee = Money::new(refund.fee, refund.amount.currency);
                let detail = if paid && fee.minor > 0 { format!("{fee} were kept") } else { String::new() };
                let how = Movement::Refunded { refund: refund.id, fee: refund.fee };
                let moved = paid.then_some(Moved { how, amount: refund.amount.minor });
                Event { kind: step.done.1, moved, detail, ..Event::default() }
            }
            Err(StepError::Refused(failure)) => {
                let Some((state, kind)) = step.refused else {
                    return Err(Halt::Later(format!("{:?} was refused: {failure:?}", step.action)));
                };
                after.state = state;
                let event = Event { kind, detail: failure.reason.name().to_owned(), ..Event::default() };
                if state == State::Refused {
                    after.failure = Some(failure);
                }
                event
            }
            Err(StepError::Later(why)) => return Err(Halt::Later(why)),
        };
        let now = self.clock.now();
        after.updated_at = now;
        after.lease = if after.ended() { Lease::default() } else { refund.lease.kept(now) };
        self.store.advance_refund(refund, &after, &event).await?.ok_or(Halt::Lost)
    }
}

impl Item for Refund {
    fn id(&self) -> Uuid {
        self.id.uuid()
    }

    fn payment(&self) -> Option<PaymentId> {
        Some(self.payment_id)
    }

    fn lease(&self) -> Lease {
        self.lease
    }

    fn since(&self) -> Timestamp {
        self.updated_at
    }

    fn ended(&self) -> bool {
        self.state.step().is_none()
    }
}
