//! What a payment is, and what happened to it.

use jiff::Timestamp;
use moviebooking_domain::{
    id::{PaymentId, RefundId, ReservationId, ShowtimeId, TheaterId, TicketId, UserId},
    money::Money,
};
use moviebooking_proto::{
    Reason,
    payments::v1::{ExchangeFacts, Offer, RefundFacts},
    tickets::v1::IssueTicketsRequest,
};
use prost::Message as _;
use secrecy::SecretString;
use uuid::Uuid;

use crate::{
    confirmation, ledger::Moved, provider::BuyerAction, runner::Item, saga::State, step::Failure,
    store::Lease,
};

/// A payment.
#[derive(Clone, Debug)]
pub(crate) struct Payment {
    pub(crate) id: PaymentId,
    pub(crate) reservation_id: ReservationId,
    /// The buyer.
    pub(crate) user_id: UserId,
    pub(crate) theater_id: TheaterId,
    pub(crate) showtime_id: ShowtimeId,
    pub(crate) state: State,
    pub(crate) amount: Money,
    /// Minor units that were paid back.
    pub(crate) refunded: i64,
    /// Minor units that are promised to refunds, whether or not these have ended.
    pub(crate) refund_reserved: i64,
    /// Minor units that were kept of the prices of returned tickets.
    pub(crate) fees: i64,
    /// What it replaces, when it is for an exchange.
    pub(crate) exchange: Option<Exchange>,
    /// Minor units of what the exchanged tickets were worth that are promised to refunds of the new ones.
    pub(crate) carried_back: i64,
    /// Minor units that have paid for tickets of other payments, by exchange.
    pub(crate) carried_out: i64,
    /// The provider's name.
    pub(crate) provider: String,
    /// The provider's own id of it; empty until it has given one.
    pub(crate) provider_reference: String,
    /// What the buyer pays with; forgotten once the provider has answered.
    pub(crate) token: Option<SecretString>,
    /// What the buyer has to do before the money is held.
    pub(crate) confirmation: Option<Confirmation>,
    /// What to ask of tickets once the money is taken.
    pub(crate) ticket_order: IssueTicketsRequest,
    /// Why it was declined or voided.
    pub(crate) failure: Option<Failure>,
    pub(crate) key: Key,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    /// When the tickets were issued.
    pub(crate) completed_at: Option<Timestamp>,
    /// Who works on it.
    pub(crate) lease: Lease,
    pub(crate) ticket_ids: Vec<TicketId>,
    /// What was offered instead of seats that were gone. Kept as the API shows it: protobuf keeps old rows readable.
    pub(crate) offers: Vec<Offer>,
    /// Why it, or a refund of it, is parked; none where nothing is.
    pub(crate) parked: Option<String>,
}

impl Payment {
    /// Enters a state, and keeps the lease where there is a step to do at once.
    pub(crate) fn enter(&mut self, state: State, now: Timestamp) {
        self.state = state;
        self.updated_at = now;
        // The provider has answered.
        self.token = None;
        if state != State::ActionRequired {
            self.confirmation = None;
        }
        let waits = self.confirmation.as_ref().is_some_and(|waiting| waiting.until.is_some());
        self.lease = match self.ended() {
            true => Lease::default(),
            false if waits => Lease::pausing(now, confirmation::ASK_AGAIN),
            false => self.lease.kept(now),
        };
        match state {
            State::Completed => {
                self.completed_at = Some(now);
                // A person may have given it up in vain.
                self.failure = None;
            }
            State::Refunded => {
                self.refunded = self.amount.minor;
                self.refund_reserved = self.amount.minor;
            }
            _ => {}
        }
    }

    /// Whether its seats were gone when the money came.
    pub(crate) fn came_too_late(&self) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.reason == Reason::HoldExpired)
    }

    /// The payment as it was when its tickets had been issued, whatever was refunded since.
    pub(crate) fn when_completed(self) -> Self {
        let updated_at = self.completed_at.unwrap_or(self.updated_at);
        Self {
            state: State::Completed,
            refunded: 0,
            fees: 0,
            carried_back: 0,
            parked: None,
            updated_at,
            ..self
        }
    }

    /// Minor units of it that can still be refunded.
    pub(crate) fn left(&self) -> i64 {
        self.amount.minor.saturating_sub(self.refund_reserved).saturating_sub(self.carried_out)
    }

    /// Minor units of what was paid, here and by the exchanged tickets, that were kept for returned tickets.
    pub(crate) fn fees_kept(&self) -> i64 {
        let paid = self.amount.minor.saturating_add(self.carried_in());
        self.fees.min(paid.saturating_sub(self.refunded).saturating_sub(self.carried_back))
    }

    /// Minor units of the exchanged tickets' worth that can still be refunded.
    pub(crate) fn carried_left(&self) -> i64 {
        self.carried_in().saturating_sub(self.carried_back)
    }

    /// What exchanged tickets are worth in it, in minor units.
    pub(crate) fn carried_in(&self) -> i64 {
        self.exchange.map_or(0, |exchange| exchange.carried)
    }

    /// The payment as it was when so much of it had been paid back and kept.
    pub(crate) fn when_refunded(
        self,
        Returned { refunded, fees, carried }: Returned,
        updated_at: Timestamp,
    ) -> Self {
        let all = self.amount.minor.saturating_add(self.carried_in());
        let state = match refunded.saturating_add(carried) {
            sum if sum == all => State::Refunded,
            0 => State::Completed,
            _ => State::PartiallyRefunded,
        };
        Self { state, refunded, fees, carried_back: carried, parked: None, updated_at, ..self }
    }
}

impl Item for Payment {
    fn id(&self) -> Uuid {
        self.id.uuid()
    }

    fn payment(&self) -> Option<PaymentId> {
        Some(self.id)
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

/// What a payment waits for.
#[derive(Clone, Debug)]
pub(crate) struct Confirmation {
    pub(crate) action: BuyerAction,
    /// Until when the seats are held for it; none until the hold was extended for it.
    pub(crate) until: Option<Timestamp>,
}

/// What the payment for an exchange replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exchange {
    /// The payment for the old tickets.
    pub(crate) of: PaymentId,
    /// The refund of that payment which takes the old tickets back.
    pub(crate) refund: RefundId,
    /// What the old tickets are worth in this payment, in minor units of its currency.
    pub(crate) carried: i64,
}

/// What was paid back and kept of a payment in all, in minor units of its currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Returned {
    pub(crate) refunded: i64,
    pub(crate) fees: i64,
    /// Paid back by the payment that it was exchanged from.
    pub(crate) carried: i64,
}

/// The idempotency key of a request and what tells the request from another one with the same key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) request_id: String,
    pub(crate) fingerprint: Vec<u8>,
}

/// A ticket that a payment bought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BoughtTicket {
    pub(crate) id: TicketId,
    /// Label of its seat.
    pub(crate) seat: String,
    /// Minor units of the payment's currency.
    pub(crate) price: i64,
    /// None where only staff pays back.
    pub(crate) terms: Option<ReturnTerms>,
}

/// How the buyer may return a ticket: the theater's refund policy when it was issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReturnTerms {
    pub(crate) until: Timestamp,
    /// Minor units that are kept of the price.
    pub(crate) fee: i64,
}

/// Something that happens to a payment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Event {
    /// In the past tense.
    pub(crate) kind: &'static str,
    /// Money that moved, which is booked with the event.
    pub(crate) moved: Option<Moved>,
    /// For people; never a secret.
    pub(crate) detail: String,
    /// What else it is about, for those outside.
    pub(crate) about: About,
}

/// What an event is about besides the payment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum About {
    #[default]
    Nothing,
    Refund(RefundFacts),
    Exchange(ExchangeFacts),
}

impl About {
    /// As it is kept.
    pub(crate) fn encode(&self) -> Option<Vec<u8>> {
        match self {
            Self::Nothing => None,
            Self::Refund(facts) => Some(facts.encode_to_vec()),
            Self::Exchange(facts) => Some(facts.encode_to_vec()),
        }
    }
}

/// Something that happened to a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PastEvent {
    pub(crate) time: Timestamp,
    pub(crate) kind: String,
    pub(crate) amount: Option<i64>,
    pub(crate) detail: String,
}
