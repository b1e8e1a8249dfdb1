//! A step of a checkout, carried out and written down.

use jiff::Timestamp;
use moviebooking_domain::{
    clock::SharedClock,
    id::{PaymentId, RefundId},
    money::Money,
};
use moviebooking_fields as fields;
use moviebooking_proto::{
    Reason,
    payments::v1::{Offer, RefundFacts},
};
use moviebooking_store::{Row, StoreError};
use uuid::Uuid;

use super::{Action, State};
use crate::{
    confirmation,
    kind::Kind,
    ledger::{Moved, Movement},
    neighbours::Neighbours,
    payment::{About, BoughtTicket, Confirmation, Event, Payment},
    provider::{Authorisation, Carried, Operation, Order, Settled},
    runner::{Halt, Saga},
    step::{StepError, carry_out},
    store::Store,
};

/// What a step that was not refused brought.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Nothing but itself.
    Done,
    /// What the provider says of the authorisation.
    Authorised(Authorisation),
    /// The seats are held until then for the buyer to confirm.
    Kept(Timestamp),
    /// Nothing: the buyer has not confirmed yet.
    StillWaiting,
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

impl From<Carried> for Effect {
    fn from(carried: Carried) -> Self {
        match carried {
            Carried::Out => Self::Done,
            Carried::Authorised(authorisation) => Self::Authorised(authorisation),
        }
    }
}

impl Checkout {
    /// Asks for a step's effect, under the payment's id.
    pub(crate) async fn perform(&self, action: Action, payment: &Payment) -> Result<Effect, StepError> {
        let amount = payment.amount;
        #[cfg(feature = "sabotage")]
        if action == Action::Void && moviebooking_sabotage::Fault::LostVoid.is_on() {
            return Ok(Effect::Done);
        }
        let order = match action {
            Action::ConfirmSeats => {
                #[cfg(feature = "sabotage")]
                if moviebooking_sabotage::Fault::CaptureBeforeConfirm.is_on() {
                    self.provider.carry_out(payment, &Order::Capture { amount }, true).await?;
                }
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
            Action::VoidTickets => {
                self.neighbours.void(payment.id, &[], "the payment was given up", false).await?;
                return Ok(Effect::Done);
            }
            Action::FindAuthorisation => {
                let found = self.provider.find(payment, Operation::Authorise(payment.id)).await?;
                return Ok(found.into());
            }
            Action::FindCapture => {
                let found = self.provider.find(payment, Operation::Capture(payment.id)).await?;
                return Ok(found.into());
            }
            Action::AwaitBuyer => return self.await_buyer(payment).await,
            Action::VoidExchanged => return self.void_exchanged(payment).await,
            // What the exchanged tickets are worth is enough.
            _ if amount.minor == 0 => return Ok(Effect::Done),
            Action::Authorise => match &payment.token {
                Some(token) => Order::Authorise { amount, token },
                None => return Err(StepError::Later("the payment's token is gone".to_owned())),
            },
            Action::Capture => Order::Capture { amount },
            Action::Void => Order::Void,
            // There is one such refund, so the payment's id is its id.
            Action::Repay => Order::Refund { id: RefundId::from(payment.id.uuid()), amount },
        };
        Ok(self.provider.carry_out(payment, &order, payment.lease.retried()).await?.into())
    }

    /// Has the tickets voided that the payment's are exchanged for.
    async fn void_exchanged(&self, payment: &Payment) -> Result<Effect, StepError> {
        let Some(exchange) = payment.exchange else { return Ok(Effect::Done) };
        let tickets = self.store.tickets_of_refund(exchange.of, exchange.refund).await;
        let tickets = tickets.map_err(|error| StepError::Later(error.chain()))?;
        if tickets.is_empty() {
            // An empty list would mean all of the payment's tickets.
            return Err(StepError::Later("the exchanged tickets are gone".to_owned()));
        }
        #[cfg(feature = "sabotage")]
        if moviebooking_sabotage::Fault::ExchangedStayValid.is_on() {
            return Ok(Effect::Done);
        }
        self.neighbours.void(exchange.of, &tickets, "exchanged", false).await?;
        Ok(Effect::Done)
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
    const KIND: Kind = Kind::Checkout;

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
        let effect = || self.perform(step.action, payment);
        let done = carry_out(Self::KIND, payment.id.uuid(), payment.state.name(), effect).await;
        let (state, event) = match done {
            Ok(Effect::StillWaiting) => return Err(Halt::Waiting(confirmation::ASK_AGAIN)),
            Ok(effect) => {
                let mut reached = Some(step.done);
                let movement = movement(step.action, &effect, payment);
                match effect {
                    Effect::Done | Effect::StillWaiting => {}
                    Effect::Authorised(Authorisation { reference, action }) => {
                        after.provider_reference = reference;
                        if let (Some(action), Some(waiting)) = (action, step.waiting) {
                            after.confirmation = Some(Confirmation { action, until: None });
                            reached = Some(waiting);
                        }
                    }
                    Effect::Kept(until) => {
                        after.confirmation.iter_mut().for_each(|waiting| waiting.until = Some(until));
                        reached = step.waiting;
                    }
                    Effect::Issued(issued) => tickets = issued,
                    Effect::Offered(offers) => after.offers = offers,
                }
                let Some((state, kind)) = reached else {
                    return Err(Halt::Later(format!("{:?} waits for the buyer", step.action)));
                };
                let moved = movement.filter(|_| state == step.done.0);
                let moved = moved.map(|how| Moved { how, amount: payment.amount.minor });
                let about = match step.action {
                    Action::Repay => About::Refund(RefundFacts {
                        refund_id: payment.id.to_string(),
                        amount: Some(fields::to_money(payment.amount)),
                        fee_kept: Some(fields::to_money(Money::new(0, payment.amount.currency))),
                        ticket_ids: Vec::new(),
                    }),
                    _ => About::Nothing,
                };
                (state, Event { kind, moved, about, ..Event::default() })
            }
            Err(StepError::Refused(failure)) => {
                let Some((state, kind)) = step.refused else {
                    return Err(Halt::Later(format!("{:?} was refused: {failure:?}", step.action)));
                };
                let detail = if failure.code.is_empty() { failure.reason.name() } else { &failure.code };
                let event = Event { kind, detail: detail.to_owned(), ..Event::default() };
                after.failure.get_or_insert(failure);
                (state, event)
            }
            Err(StepError::Later(why)) => return Err(Halt::Later(why)),
        };
        let state = match (state, step.action) {
            (State::Captured, Action::Capture) if after.exchange.is_some() => State::Exchanging,
            (State::Offering, _) if !after.came_too_late() => State::Voided,
            (state, _) => state,
        };
        after.enter(state, self.clock.now());
        after.ticket_ids = tickets.iter().map(|ticket| ticket.id).collect();
        if self.store.advance_payment(payment, &after, &event, &tickets).await? {
            Ok(after)
        } else {
            Err(Halt::Lost)
        }
    }
}

/// How a step moved money.
fn movement(action: Action, effect: &Effect, payment: &Payment) -> Option<Movement> {
    match (action, effect) {
        // The buyer has to confirm it first.
        (_, Effect::Authorised(Authorisation { action: Some(_), .. })) => None,
        (Action::Authorise | Action::AwaitBuyer | Action::FindAuthorisation, _) => Some(Movement::Authorised),
        (Action::Capture | Action::FindCapture, _) => Some(Movement::Captured),
        (Action::Void, _) => Some(Movement::Voided),
        (Action::Repay, _) => Some(Movement::Refunded { refund: RefundId::from(payment.id.uuid()), fee: 0 }),
        (
            Action::ConfirmSeats
            | Action::IssueTickets
            | Action::FreeSeats
            | Action::VoidTickets
            | Action::VoidExchanged
            | Action::OfferSeats,
            _,
        ) => None,
    }
}
