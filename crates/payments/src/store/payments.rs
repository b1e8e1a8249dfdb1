//! What a checkout writes.

use jiff::Timestamp;
use moviebooking_domain::id::PaymentId;
use moviebooking_proto::payments::v1::Offer;
use moviebooking_store::{Engine, Row, Sql, StoreError, Tx, Value, retry, sql};
use prost::Message as _;
use secrecy::ExposeSecret as _;

use super::{Lease, Store, append, at_once, exchanges, rows::encode_offers};
use crate::{
    metrics,
    payment::{BoughtTicket, Event, Payment},
    saga::State,
    step::Failure,
};

impl Store {
    /// Writes a new payment with its first event. False when it may not be: the buyer has used the idempotency key, or
    /// another payment holds the reservation.
    pub(crate) async fn begin_payment(&self, payment: &Payment, event: &Event) -> Result<bool, StoreError> {
        retry(|| async {
            if self.db.engine() == Engine::Postgres {
                let begun = self.beginnings.run(at_once::Beginning::new(payment, event)).await?;
                if begun {
                    metrics::happened(event, payment.amount.currency);
                }
                return Ok(begun);
            }
            let mut tx = self.db.begin().await?;
            let begun = insert(&mut tx, payment).await?;
            if begun {
                append(&mut tx, payment.id, 1, payment.created_at, event).await?;
                tx.commit().await?;
                metrics::happened(event, payment.amount.currency);
            }
            Ok(begun)
        })
        .await
    }

    /// Turns a payment round that waits for its buyer, whoever works on it: they have lost it. Its lease is the caller's.
    /// None when it does not wait for its buyer.
    pub(crate) async fn withdraw(
        &self,
        id: PaymentId,
        failure: &Failure,
        now: Timestamp,
    ) -> Result<Option<Payment>, StoreError> {
        retry(|| async {
            let mut tx = self.db.begin().await?;
            let lease = Lease::new(now);
            let row = sql("UPDATE payments SET state = $3, version = version + 1, updated_at = $4, \
                 failure_reason = $5, failure_code = $6, action_url = NULL, action_secret = NULL, confirm_by = NULL, \
                 lease = $7, due_at = $8, attempts = $9 \
                 WHERE id = $1 AND state = $2 AND due_at IS NOT NULL RETURNING *")
            .bind(id)
            .bind(State::ActionRequired.name())
            .bind(State::Withdrawing.name())
            .bind(now)
            .bind(failure.reason.name())
            .bind(&failure.code)
            .bind(lease.token)
            .bind(lease.due_at)
            .bind(lease.attempts)
            .fetch_optional(&mut tx)
            .await?;
            let Some(row) = row else { return Ok(None) };
            let payment = Payment::read(&row)?;
            let event = Event { kind: "cancellation_requested", ..Event::default() };
            append(&mut tx, id, row.get("version")?, now, &event).await?;
            tx.commit().await?;
            metrics::happened(&event, payment.amount.currency);
            Ok(Some(payment))
        })
        .await
    }

    /// Replaces `before` by `after`, one step on, with the event, the tickets and the offers that the step brought. False when
    /// `before` is no longer what the database has, or its lease was lost: then nothing is written.
    pub(crate) async fn advance_payment(
        &self,
        before: &Payment,
        after: &Payment,
        event: &Event,
        tickets: &[BoughtTicket],
    ) -> Result<bool, StoreError> {
        retry(|| async {
            if self.db.engine() == Engine::Postgres
                && let Some(step) = at_once::Step::new(before, after, event, tickets)
                && self.steps.run(step).await?
            {
                metrics::happened(event, after.amount.currency);
                return Ok(true);
            }
            let mut tx = self.db.begin().await?;
            let Some(row) = update(&mut tx, before, after).await? else { return Ok(false) };
            append(&mut tx, after.id, row.get("version")?, after.updated_at, event).await?;
            #[cfg(feature = "sabotage")]
            if moviebooking_sabotage::Fault::EventOutsideTransaction.is_on() {
                self.tell_later(&mut tx, after, row.get("version")?, event).await?;
            }
            if !tickets.is_empty() {
                insert_tickets(&mut tx, after.id, tickets).await?;
            }
            if let Some(exchange) = &after.exchange {
                exchanges::follow(&mut tx, after, event, exchange).await?;
            }
            if after.offers != before.offers {
                insert_offers(&mut tx, after.id, &after.offers).await?;
            }
            tx.commit().await?;
            metrics::happened(event, after.amount.currency);
            Ok(true)
        })
        .await
    }
}

/// The beginning of a statement that inserts payments: these columns.
macro_rules! insert_into_payments {
    () => {
        "INSERT INTO payments (id, reservation_id, user_id, theater_id, showtime_id, state, amount, \
         currency, refunded, refund_reserved, provider, payment_token, ticket_order, failure_reason, failure_code, \
         request_id, fingerprint, version, created_at, updated_at, holds_reservation, due_at, lease, attempts, \
         exchange_of, exchange_refund_id, carried_in)"
    };
}

pub(super) use insert_into_payments;

pub(super) async fn insert(tx: &mut Tx, payment: &Payment) -> Result<bool, StoreError> {
    let insert = sql(concat!(
        insert_into_payments!(),
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, $9, $10, $11, '', '', $12, $13, 1, $14, $15, TRUE, $16, $17, 0, \
         $18, $19, $20) ON CONFLICT DO NOTHING"
    ));
    Ok(payment_values(payment).into_iter().fold(insert, Sql::bind).execute(tx).await? == 1)
}

async fn update(tx: &mut Tx, before: &Payment, after: &Payment) -> Result<Option<Row>, StoreError> {
    let update = sql(
        "UPDATE payments SET state = $4, version = version + 1, updated_at = $5, payment_token = $6, \
         failure_reason = $7, failure_code = $8, refunded = $9, refund_reserved = $10, completed_at = $11, \
         holds_reservation = $12, lease = $13, due_at = CASE WHEN woken AND $20 THEN $5 ELSE $14 END, \
         woken = woken AND NOT $20, attempts = $15, provider_reference = $16, action_url = $17, action_secret = $18, \
         confirm_by = $19 \
         WHERE id = $1 AND state = $2 AND lease = $3 RETURNING version",
    );
    step_values(before, after).into_iter().fold(update, Sql::bind).fetch_optional(tx).await
}

/// What is written of a new payment, in the order of its columns.
pub(super) fn payment_values(payment: &Payment) -> [Value; 20] {
    [
        payment.id.into(),
        payment.reservation_id.into(),
        payment.user_id.into(),
        payment.theater_id.into(),
        payment.showtime_id.into(),
        payment.state.name().into(),
        payment.amount.minor.into(),
        payment.amount.currency.code().into(),
        (&payment.provider).into(),
        token(payment).into(),
        payment.ticket_order.encode_to_vec().into(),
        (&payment.key.request_id).into(),
        payment.key.fingerprint.as_slice().into(),
        payment.created_at.into(),
        payment.updated_at.into(),
        payment.lease.due_at.into(),
        payment.lease.token.into(),
        payment.exchange.map(|exchange| exchange.of).into(),
        payment.exchange.map(|exchange| exchange.refund).into(),
        payment.carried_in().into(),
    ]
}

/// What a payment was, and what is written of it one step on.
pub(super) fn step_values(before: &Payment, after: &Payment) -> [Value; 20] {
    let failure = after.failure.as_ref();
    [
        before.id.into(),
        before.state.name().into(),
        before.lease.token.into(),
        after.state.name().into(),
        after.updated_at.into(),
        token(after).into(),
        failure.map_or("", |failure| failure.reason.name()).into(),
        failure.map_or("", |failure| failure.code.as_str()).into(),
        after.refunded.into(),
        after.refund_reserved.into(),
        after.completed_at.into(),
        after.state.holds_reservation().into(),
        after.lease.token.into(),
        after.lease.due_at.into(),
        after.lease.attempts.into(),
        (&after.provider_reference).into(),
        after.confirmation.as_ref().map(|confirmation| confirmation.action.url.as_str()).into(),
        action_secret(after).into(),
        after.confirmation.as_ref().and_then(|confirmation| confirmation.until).into(),
        // What was told while it was held is looked at as soon as it is not.
        (after.lease.token.is_none() && after.lease.due_at.is_some()).into(),
    ]
}

/// The rows of a payment's tickets.
pub(super) fn ticket_values(
    payment: PaymentId,
    tickets: &[BoughtTicket],
) -> impl Iterator<Item = [Value; 7]> {
    tickets.iter().zip(1_i64..).map(move |(ticket, ordinal)| {
        [
            payment.into(),
            ordinal.into(),
            ticket.id.into(),
            (&ticket.seat).into(),
            ticket.price.into(),
            ticket.terms.map(|terms| terms.until).into(),
            ticket.terms.map(|terms| terms.fee).into(),
        ]
    })
}

async fn insert_tickets(tx: &mut Tx, payment: PaymentId, tickets: &[BoughtTicket]) -> Result<(), StoreError> {
    let mut insert = sql("INSERT INTO payment_tickets \
         (payment_id, ordinal, ticket_id, seat, price, returnable_until, return_fee) VALUES ");
    insert.push_rows(ticket_values(payment, tickets));
    insert.execute(tx).await.map(drop)
}

async fn insert_offers(tx: &mut Tx, payment: PaymentId, offers: &[Offer]) -> Result<(), StoreError> {
    sql("INSERT INTO payment_offers (payment_id, offers) VALUES ($1, $2)")
        .bind(payment)
        .bind(encode_offers(offers))
        .execute(tx)
        .await
        .map(drop)
}

fn token(payment: &Payment) -> Option<&str> {
    payment.token.as_ref().map(|token| token.expose_secret())
}

fn action_secret(payment: &Payment) -> Option<&str> {
    let secret = payment.confirmation.as_ref()?.action.client_secret.as_ref()?;
    Some(secret.expose_secret())
}
