//! The checkout, whole: authorise, confirm the seats, capture, issue the tickets.
//!
//! [`State::step`] is the table. A state is written before its step's outside effect, so it says what is known to be
//! done and what may have been: who finds a payment in a state asks for that state's step, which its receiver carries
//! out once however often it is asked for, because every request is made under the payment's id.
//!
//! ```text
//! CREATED ──authorise──▶ AUTHORISED ──confirm──▶ CONFIRMED ──capture──▶ CAPTURED ──issue──▶ COMPLETED
//!    │ declined             │ refused               │ declined            │ refused
//!    ▼                      ▼                       ▼                     ▼
//! DECLINED               VOIDING ◀──free seats── FREEING              RETURNING ──free seats──▶ REPAYING
//!                           │ void                                                                 │ refund
//!                           ▼                                                                      ▼
//!                        OFFERING ──offer other seats──▶ VOIDED                                REFUNDED
//! ```
//!
//! Seats are offered only to who paid too late, which is when their confirmation is refused because the hold has expired
//! and its seats are gone; all others go from VOIDING to VOIDED. An offer is a favour: what keeps it from being made does
//! not keep the payment from ending.
//!
//! A compensation is never refused into giving up: seats that cannot be freed do not keep the money from going back, and
//! a void or refund that the provider does not carry out is tried again for ever, and logged each time.

use std::str::FromStr;

use moviebooking_domain::{
    clock::SharedClock,
    id::{PaymentId, RefundId},
};
use moviebooking_proto::{Reason, payments::v1::Offer};
use moviebooking_store::{Row, StoreError};
use uuid::Uuid;

use crate::{
    neighbours::Neighbours,
    payment::{BoughtTicket, Event, Payment},
    provider::{Authorisation, Carried, Order, Settled},
    runner::{Halt, Item, Saga},
    step::StepError,
    store::{Lease, Store},
};

/// How far a payment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing is known to have been asked of the provider.
    Created,
    /// The provider holds the money.
    Authorised,
    /// The seats are sold to this payment.
    Confirmed,
    /// The money is taken.
    Captured,
    /// The tickets are issued.
    Completed,
    /// The provider said no.
    Declined,
    /// The capture was declined: the seats are to be freed.
    Freeing,
    /// The authorisation is to be given back.
    Voiding,
    /// Nothing was taken; other seats are to be offered to who paid too late.
    Offering,
    /// Nothing was taken.
    Voided,
    /// No tickets can be had: the seats are to be freed.
    Returning,
    /// The money that was taken is to be paid back.
    Repaying,
    /// All was paid back.
    Refunded,
    /// Some was paid back.
    PartiallyRefunded,
}

/// What a step asks of whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// The provider: hold the money.
    Authorise,
    /// Reservations: turn the hold into a sale.
    ConfirmSeats,
    /// The provider: take the money.
    Capture,
    /// Tickets: one for each seat.
    IssueTickets,
    /// Reservations: undo the sale.
    FreeSeats,
    /// The provider: give the authorisation back.
    Void,
    /// Reservations: hold other seats instead of those that are gone.
    OfferSeats,
    /// The provider: pay all back.
    Repay,
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
    /// Every state.
    pub(crate) const ALL: [Self; 14] = [
        Self::Created,
        Self::Authorised,
        Self::Confirmed,
        Self::Captured,
        Self::Completed,
        Self::Declined,
        Self::Freeing,
        Self::Voiding,
        Self::Offering,
        Self::Voided,
        Self::Returning,
        Self::Repaying,
        Self::Refunded,
        Self::PartiallyRefunded,
    ];

    /// What is to be done next; nothing when the checkout has ended.
    pub(crate) const fn step(self) -> Option<Step> {
        use Action::{Authorise, Capture, ConfirmSeats, FreeSeats, IssueTickets, OfferSeats, Repay, Void};
        use State::{
            Authorised, Captured, Completed, Confirmed, Created, Declined, Freeing, Offering,
            PartiallyRefunded, Refunded, Repaying, Returning, Voided, Voiding,
        };
        let (action, done, refused) = match self {
            Created => (Authorise, (Authorised, "authorised"), Some((Declined, "declined"))),
            Authorised => (ConfirmSeats, (Confirmed, "seats_confirmed"), Some((Voiding, "seats_refused"))),
            Confirmed => (Capture, (Captured, "captured"), Some((Freeing, "capture_declined"))),
            Captured => (IssueTickets, (Completed, "tickets_issued"), Some((Returning, "tickets_refused"))),
            Freeing => (FreeSeats, (Voiding, "seats_freed"), Some((Voiding, "seats_not_freed"))),
            Voiding => (Void, (Offering, "voided"), None),
            Offering => (OfferSeats, (Voided, "seats_offered"), Some((Voided, "no_seats_offered"))),
            Returning => (FreeSeats, (Repaying, "seats_freed"), Some((Repaying, "seats_not_freed"))),
            Repaying => (Repay, (Refunded, "refunded"), None),
            Completed | Declined | Voided | Refunded | PartiallyRefunded => return None,
        };
        Some(Step { action, done, refused })
    }

    /// Whether no other payment for the reservation may begin.
    pub(crate) const fn holds_reservation(self) -> bool {
        !matches!(self, Self::Declined | Self::Offering | Self::Voided)
    }

    /// The name in the database.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Authorised => "AUTHORISED",
            Self::Confirmed => "CONFIRMED",
            Self::Captured => "CAPTURED",
            Self::Completed => "COMPLETED",
            Self::Declined => "DECLINED",
            Self::Freeing => "FREEING",
            Self::Voiding => "VOIDING",
            Self::Offering => "OFFERING",
            Self::Voided => "VOIDED",
            Self::Returning => "RETURNING",
            Self::Repaying => "REPAYING",
            Self::Refunded => "REFUNDED",
            Self::PartiallyRefunded => "PARTIALLY_REFUNDED",
        }
    }
}

/// The database has a state that this program does not know.
#[derive(Debug, thiserror::Error)]
#[error("unknown state")]
pub(crate) struct UnknownState;

impl FromStr for State {
    type Err = UnknownState;

    fn from_str(name: &str) -> Result<Self, UnknownState> {
        Self::ALL.into_iter().find(|state| state.name() == name).ok_or(UnknownState)
    }
}

/// What a step that was not refused brought.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Nothing but itself.
    Done,
    /// What the provider says of the authorisation.
    Authorised(Authorisation),
    /// The tickets.
    Issued(Vec<BoughtTicket>),
    /// Seats that are held instead of those that are gone.
    Offered(Vec<Offer>),
}

/// The checkout's parties.
pub(crate) struct Checkout {
    pub(crate) store: Store,
    pub(crate) provider: Settled,
    pub(crate) neighbours: Neighbours,
    pub(crate) clock: SharedClock,
}

impl Checkout {
    /// The table whose rows are checkouts.
    pub(crate) const TABLE: &'static str = "payments";

    /// Asks for a step's effect, under the payment's id.
    pub(crate) async fn perform(&self, action: Action, payment: &Payment) -> Result<Effect, StepError> {
        let amount = payment.amount;
        let order = match action {
            Action::ConfirmSeats => {
                self.neighbours.confirm(payment.reservation_id, payment.id).await?;
                return Ok(Effect::Done);
            }
            Action::FreeSeats => {
                self.neighbours.free(payment.reservation_id, payment.id, Vec::new()).await?;
                return Ok(Effect::Done);
            }
            Action::IssueTickets => {
                return self.neighbours.issue(&payment.ticket_order).await.map(Effect::Issued);
            }
            Action::OfferSeats => return self.offer(payment).await,
            Action::Authorise => match &payment.token {
                Some(token) => Order::Authorise { amount, token },
                None => return Err(StepError::Later("the payment's token is gone".to_owned())),
            },
            Action::Capture => Order::Capture { amount },
            Action::Void => Order::Void,
            // There is one such refund, so the payment's id is its id.
            Action::Repay => Order::Refund { id: RefundId::from(payment.id.uuid()), amount },
        };
        match self.provider.carry_out(payment, &order, payment.lease.retried()).await? {
            Carried::Out => Ok(Effect::Done),
            Carried::Authorised(authorisation) => Ok(Effect::Authorised(authorisation)),
        }
    }

    /// Has other seats held. Nobody waits for them longer than for one repetition.
    async fn offer(&self, payment: &Payment) -> Result<Effect, StepError> {
        match self.neighbours.offer(payment.reservation_id, payment.id).await {
            Ok(offers) if offers.is_empty() => Err(StepError::Refused(Reason::NotEnoughSeats.into())),
            Ok(offers) => Ok(Effect::Offered(offers)),
            Err(StepError::Later(why)) if payment.lease.retried() => {
                tracing::warn!(id = %payment.id, why, "no seats are offered to who paid too late");
                Err(StepError::Refused(Reason::Unavailable.into()))
            }
            Err(error) => Err(error),
        }
    }
}

impl Saga for Checkout {
    type Item = Payment;

    fn read(row: &Row) -> Result<Payment, StoreError> {
        Payment::read(row)
    }

    async fn load(&self, id: Uuid) -> Result<Payment, StoreError> {
        self.store.payment(PaymentId::from(id)).await?.ok_or(StoreError::NoRow)
    }

    async fn step(&self, payment: &Payment) -> Result<Payment, Halt> {
        let Some(step) = payment.state.step() else { return Ok(payment.clone()) };
        let mut after = payment.clone();
        let mut tickets = Vec::new();
        let (state, event) = match self.perform(step.action, payment).await {
            Ok(effect) => {
                match effect {
                    Effect::Done => {}
                    Effect::Authorised(authorisation) => after.provider_reference = authorisation.reference,
                    Effect::Issued(issued) => tickets = issued,
                    Effect::Offered(offers) => after.offers = offers,
                }
                let moved =
                    matches!(step.action, Action::Authorise | Action::Capture | Action::Void | Action::Repay);
                let amount = moved.then_some(payment.amount.minor);
                (step.done.0, Event { kind: step.done.1, amount, detail: String::new() })
            }
            Err(StepError::Refused(failure)) => {
                let Some((state, kind)) = step.refused else {
                    return Err(Halt::Later(format!("{:?} was refused: {failure:?}", step.action)));
                };
                let detail = if failure.code.is_empty() { failure.reason.name() } else { &failure.code };
                let event = Event { kind, amount: None, detail: detail.to_owned() };
                after.failure.get_or_insert(failure);
                (state, event)
            }
            Err(StepError::Later(why)) => return Err(Halt::Later(why)),
        };
        let state = if state == State::Offering && !after.came_too_late() { State::Voided } else { state };
        after.enter(state, self.clock.now());
        after.ticket_ids = tickets.iter().map(|ticket| ticket.id).collect();
        if self.store.advance_payment(payment, &after, &event, &tickets).await? {
            Ok(after)
        } else {
            Err(Halt::Lost)
        }
    }
}

impl Payment {
    fn enter(&mut self, state: State, now: jiff::Timestamp) {
        self.state = state;
        self.updated_at = now;
        // The provider has answered.
        self.token = None;
        self.lease = if self.ended() { Lease::default() } else { self.lease.kept(now) };
        match state {
            State::Completed => self.completed_at = Some(now),
            State::Refunded => {
                self.refunded = self.amount.minor;
                self.refund_reserved = self.amount.minor;
            }
            _ => {}
        }
    }
}

impl Item for Payment {
    fn id(&self) -> Uuid {
        self.id.uuid()
    }

    fn lease(&self) -> Lease {
        self.lease
    }

    fn ended(&self) -> bool {
        self.state.step().is_none()
    }
}
