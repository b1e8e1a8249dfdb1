//! Pays for a reservation: checks that it may be, writes the payment down, and has the checkout run.

use std::time::Duration;

use jiff::Timestamp;
use moviebooking_auth::Caller;
use moviebooking_domain::{
    id::{PaymentId, ReservationId, UserId},
    money::Money,
};
use moviebooking_proto::{
    Problem, Reason,
    payments::v1::Offer,
    reservations::v1::{Reservation, ReservationState},
    tickets::v1::{IssueTicketsRequest, SoldSeat},
};
use moviebooking_store::{StoreError, idempotency::IdempotencyError};
use secrecy::SecretString;

use crate::{
    Service,
    payment::{Event, Key, Payment},
    runner::Pending,
    saga::State,
    step::{Failure, StepError},
    store::Lease,
};

/// A request to pay for a reservation.
#[derive(Clone, Debug)]
pub(crate) struct NewCharge {
    pub(crate) reservation_id: ReservationId,
    /// What the buyer agreed to pay.
    pub(crate) amount: Money,
    pub(crate) token: SecretString,
    pub(crate) key: Key,
}

/// Why a reservation was not paid.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChargeError {
    #[error("not a buyer")]
    Caller(Problem),
    #[error("no such reservation of this buyer")]
    NoReservation,
    #[error("the reservation is {}", .0.name())]
    NotPayable(Reason),
    #[error("the reservation costs {total}, not {offered}")]
    Mismatch { total: Money, offered: Money },
    #[error("the provider moves multiples of {unit}, and not {total}")]
    Indivisible { total: Money, unit: Money },
    #[error("another payment for the reservation is under way")]
    InProgress,
    #[error("declined: {1:?}")]
    Declined(PaymentId, Failure),
    #[error("voided: {1:?}")]
    Voided(PaymentId, Failure, Vec<Offer>),
    #[error("reservations does not answer: {0}")]
    Unreachable(String),
    #[error("reservations answered nonsense")]
    Nonsense,
    #[error(transparent)]
    Key(#[from] IdempotencyError),
    #[error(transparent)]
    Pending(#[from] Pending),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Service {
    /// Pays for a reservation, and answers once its tickets are issued, or the buyer has to confirm.
    pub(crate) async fn charge(&self, caller: &Caller, charge: &NewCharge) -> Result<Payment, ChargeError> {
        let buyer = caller.user().map_err(ChargeError::Caller)?.id;
        let ended = match self.begin(buyer, charge).await {
            Ok(payment) => self.checkout.finish(payment).await?,
            // It may be refused because this very request was carried out before.
            Err(refusal) => {
                let earlier = self.store.payment_of_key(buyer, &charge.key.request_id).await?;
                let Some(earlier) = earlier else { return Err(refusal) };
                if earlier.key != charge.key {
                    return Err(IdempotencyError::Reused.into());
                }
                self.checkout.follow(earlier).await?
            }
        };
        outcome(ended)
    }

    /// Checks the reservation and writes the payment down, whose lease is then the caller's.
    pub(crate) async fn begin(&self, buyer: UserId, charge: &NewCharge) -> Result<Payment, ChargeError> {
        let (reservation, total) = self.payable(buyer, charge.reservation_id).await?;
        if total != charge.amount {
            return Err(ChargeError::Mismatch { total, offered: charge.amount });
        }
        let payment = self.draft(buyer, &reservation, total, Some(charge.token.clone()), &charge.key)?;
        let event = Event { kind: "created", ..Event::default() };
        if self.store.begin_payment(&payment, &event).await? {
            Ok(payment)
        } else {
            Err(ChargeError::InProgress)
        }
    }

    /// A reservation of the buyer's that is there to be paid, and what it costs.
    pub(crate) async fn payable(
        &self,
        buyer: UserId,
        id: ReservationId,
    ) -> Result<(Reservation, Money), ChargeError> {
        let reservation = self.neighbours.reservation(id).await.map_err(|error| match error {
            StepError::Refused(_) => ChargeError::NoReservation,
            StepError::Later(why) => ChargeError::Unreachable(why),
        })?;
        if reservation.user_id != buyer.to_string() {
            return Err(ChargeError::NoReservation);
        }
        let total = total_if_payable(&reservation)?;
        let unit = Money::new(self.provider.unit(total.currency), total.currency);
        if total.minor % unit.minor != 0 {
            return Err(ChargeError::Indivisible { total, unit });
        }
        Ok((reservation, total))
    }

    /// A payment of `amount` for a reservation, which is not written down yet.
    pub(crate) fn draft(
        &self,
        buyer: UserId,
        reservation: &Reservation,
        amount: Money,
        token: Option<SecretString>,
        key: &Key,
    ) -> Result<Payment, ChargeError> {
        let now = self.clock.now();
        let id = PaymentId::new(now);
        Ok(Payment {
            id,
            reservation_id: read_id(&reservation.id)?,
            user_id: buyer,
            theater_id: read_id(&reservation.theater_id)?,
            showtime_id: read_id(&reservation.showtime_id)?,
            state: State::Created,
            amount,
            refunded: 0,
            refund_reserved: 0,
            fees: 0,
            exchange: None,
            carried_back: 0,
            carried_out: 0,
            provider: self.provider.name().to_owned(),
            provider_reference: String::new(),
            token,
            confirmation: None,
            ticket_order: ticket_order(id, reservation),
            failure: None,
            key: key.clone(),
            created_at: now,
            updated_at: now,
            completed_at: None,
            lease: Lease::new(now),
            ticket_ids: Vec::new(),
            offers: Vec::new(),
            parked: None,
        })
    }
}

/// What a reservation costs that is there to be paid.
fn total_if_payable(reservation: &Reservation) -> Result<Money, ChargeError> {
    match reservation.state() {
        ReservationState::Active => {}
        ReservationState::Confirmed => return Err(ChargeError::NotPayable(Reason::AlreadyPaid)),
        ReservationState::Released => return Err(ChargeError::NotPayable(Reason::HoldReleased)),
        ReservationState::Expired => return Err(ChargeError::NotPayable(Reason::HoldExpired)),
        ReservationState::Unspecified => return Err(ChargeError::Nonsense),
    }
    let total = reservation.total.as_ref().ok_or(ChargeError::Nonsense)?;
    let currency = total.currency_code.parse().map_err(|_invalid| ChargeError::Nonsense)?;
    Ok(Money::new(total.amount_minor, currency))
}

fn ticket_order(payment: PaymentId, reservation: &Reservation) -> IssueTicketsRequest {
    let seats = reservation.seats.iter().map(|seat| SoldSeat {
        label: seat.label.clone(),
        row: seat.row.clone(),
        category: seat.category.clone(),
        price: seat.price.clone(),
    });
    IssueTicketsRequest {
        payment_id: payment.to_string(),
        reservation_id: reservation.id.clone(),
        showtime_id: reservation.showtime_id.clone(),
        user_id: reservation.user_id.clone(),
        seats: seats.collect(),
    }
}

fn read_id<T: From<uuid::Uuid>>(text: &str) -> Result<T, ChargeError> {
    uuid::Uuid::try_parse(text).map(T::from).map_err(|_malformed| ChargeError::Nonsense)
}

/// What the buyer is told of a checkout that has ended, the same however often they ask, or that waits for them.
pub(crate) fn outcome(payment: Payment) -> Result<Payment, ChargeError> {
    #[cfg(feature = "sabotage")]
    if payment.state == State::Declined && moviebooking_sabotage::Fault::DeclineToldAsPaid.is_on() {
        return Ok(payment.when_completed());
    }
    match payment.failure {
        None if payment.state == State::ActionRequired => Ok(payment),
        None => Ok(payment.when_completed()),
        Some(failure) if payment.state == State::Declined => Err(ChargeError::Declined(payment.id, failure)),
        Some(failure) => Err(ChargeError::Voided(payment.id, failure, payment.offers)),
    }
}

impl From<ChargeError> for Problem {
    fn from(error: ChargeError) -> Self {
        match error {
            ChargeError::Caller(problem) => problem,
            ChargeError::NoReservation => {
                Self::new(Reason::ReservationNotFound, "You have no reservation with this id.")
                    .field("reservation_id", "use the id of a reservation of yours")
            }
            ChargeError::NotPayable(reason) => Self::new(reason, not_payable(reason)),
            ChargeError::Mismatch { total, offered } => {
                Self::new(Reason::AmountMismatch, format!("The reservation costs {total}, not {offered}."))
                    .field("amount", format!("use {} {}", total.minor, total.currency))
                    .meta("total", total.to_string())
                    .meta("amount", offered.to_string())
            }
            ChargeError::Indivisible { total, unit } => Self::new(
                Reason::FailedPrecondition,
                format!(
                    "The payment provider moves multiples of {unit}, and the seats cost {total}: their price must change."
                ),
            )
            .field("reservation_id", "use seats that can be paid"),
            ChargeError::InProgress => Self::new(
                Reason::PaymentInProgress,
                "Another payment for this reservation is under way: wait for its end.",
            )
            .retry_after(Duration::from_secs(1)),
            ChargeError::Declined(payment, failure) => {
                declined(&failure).meta("payment_id", payment.to_string())
            }
            ChargeError::Voided(payment, failure, offers) => {
                voided(&offers).meta("payment_id", payment.to_string()).meta("cause", failure.reason.name())
            }
            ChargeError::Unreachable(why) => {
                tracing::warn!(why, "a reservation cannot be read");
                Self::unavailable(
                    "Reservations cannot be reached; nothing was charged. Try again in a second.",
                )
            }
            ChargeError::Nonsense => {
                tracing::error!("reservations answered with a reservation that cannot be read");
                Self::internal()
            }
            ChargeError::Key(error) => error.into(),
            ChargeError::Pending(pending) => pending.into(),
            ChargeError::Store(error) => error.into(),
        }
    }
}

fn not_payable(reason: Reason) -> &'static str {
    match reason {
        Reason::AlreadyPaid => "The reservation is paid already.",
        Reason::HoldReleased => "The seats were given back: reserve seats again.",
        _ => "The time to pay is over: reserve seats again.",
    }
}

fn voided(offers: &[Offer]) -> Problem {
    if offers.is_empty() {
        return Problem::new(
            Reason::PaymentVoided,
            "The booking could not be completed, and the money was given back: choose seats again.",
        );
    }
    let problem = Problem::new(
        Reason::PaymentVoided,
        "The seats were taken before the payment came, and the money was given back. Other seats are held for you for \
         five minutes: pay for one of the offers, or choose seats again.",
    );
    offers.iter().enumerate().fold(problem, |problem, (index, offer)| {
        let key = |name: &str| format!("offers[{index}].{name}");
        let total = offer.total.clone().unwrap_or_default();
        let expires = offer.expire_time.and_then(|time| Timestamp::new(time.seconds, time.nanos).ok());
        problem
            .meta(key("reservation_id"), &offer.reservation_id)
            .meta(key("showtime_id"), &offer.showtime_id)
            .meta(key("seats"), offer.seats.join(","))
            .meta(key("amount_minor"), total.amount_minor.to_string())
            .meta(key("currency_code"), total.currency_code)
            .meta(key("expire_time"), expires.map(|time| time.to_string()).unwrap_or_default())
    })
}

fn declined(failure: &Failure) -> Problem {
    if failure.reason == Reason::InvalidPaymentToken {
        let fix = "use a token that the payment provider gave the buyer";
        return Problem::new(
            Reason::InvalidPaymentToken,
            "The payment provider does not know this payment token.",
        )
        .field("payment_token", fix);
    }
    Problem::new(
        Reason::PaymentDeclined,
        "The payment was declined and nothing was taken. The seats stay held: pay in another way.",
    )
    .meta("decline_code", failure.code.clone())
}
