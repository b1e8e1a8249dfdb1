//! What a refund writes: always with a lock on its payment, whose amount is what all of its refunds share.

use jiff::Timestamp;
use moviebooking_domain::id::{PaymentId, TicketId};
use moviebooking_store::{StoreError, Tx, retry, sql};
use uuid::Uuid;

use super::{Lease, Store, append, exchanges, lock_payment};
use crate::{
    metrics,
    payment::{About, BoughtTicket, Event, Payment, Returned},
    provider::Provider,
    refund::{self, NewRefund, Refund, RefundRefused, State, Terms, plan},
};

impl Store {
    /// Writes a new refund with its share of the payment's amount and its tickets, and the event. `lease` says who works
    /// on it.
    pub(crate) async fn request_refund(
        &self,
        new: &NewRefund,
        provider: &dyn Provider,
        lease: Lease,
        now: Timestamp,
    ) -> Result<Refund, RefundRefused> {
        retry(|| async {
            let mut tx = self.db.begin().await?;
            let locked = lock_payment(&mut tx, new.payment_id, now).await?;
            if key_taken(&mut tx, new).await? {
                return Err(RefundRefused::KeyTaken);
            }
            let payment = Payment::read(&locked)?;
            if new.terms == Terms::Cancelled && is_under_way(&mut tx, new.payment_id).await? {
                return Err(RefundRefused::UnderWay);
            }
            let unit = provider.unit(payment.amount.currency);
            let plan = plan(new, &payment, &tickets(&mut tx, new.payment_id).await?, unit, now)?;
            let refund = Refund::new(new, &payment, &plan, lease, now);
            sql("UPDATE payments SET refund_reserved = refund_reserved + $2, carried_back = carried_back + $3 \
                 WHERE id = $1")
            .bind(payment.id)
            .bind(refund.amount.minor)
            .bind(refund.carried)
            .execute(&mut tx)
            .await?;
            if !insert(&mut tx, new.requested_by.uuid(), &refund, now).await? {
                return Err(RefundRefused::KeyTaken);
            }
            claim_tickets(&mut tx, &refund, &plan.tickets).await?;
            let event = Event {
                kind: "refund_requested",
                detail: new.reason.clone(),
                about: About::Refund(refund.facts(&plan.tickets)),
                ..Event::default()
            };
            append(&mut tx, payment.id, locked.get("version")?, now, &event).await?;
            tx.commit().await?;
            metrics::happened(&event, refund.amount.currency);
            Ok(refund)
        })
        .await
    }

    /// Replaces `before` by `after`, one step on, with the event and what the step means for the payment. None when
    /// `before` is no longer what the database has, or its lease was lost: then nothing is written.
    pub(crate) async fn advance_refund(
        &self,
        before: &Refund,
        after: &Refund,
        event: &Event,
    ) -> Result<Option<Refund>, StoreError> {
        retry(|| async {
            let mut tx = self.db.begin().await?;
            let locked = lock_payment(&mut tx, after.payment_id, after.updated_at).await?;
            let payment = Payment::read(&locked)?;
            let (mut after, mut event) = (after.clone(), event.clone());
            if after.state.is_end() {
                event.about = About::Refund(after.facts(&tickets_of(&mut tx, &after).await?));
            }
            match after.state {
                State::Refunded => {
                    after.after = Some(pay_back(&mut tx, payment, &after).await?);
                }
                State::Refused => give_up(&mut tx, &after).await?,
                State::Requested
                | State::TicketsVoided
                | State::SeatsFreed
                | State::Exchanging
                | State::Exchanged => {}
            }
            if !update(&mut tx, before, &after).await? {
                return Ok(None);
            }
            append(&mut tx, after.payment_id, locked.get("version")?, after.updated_at, &event).await?;
            tx.commit().await?;
            metrics::happened(&event, after.amount.currency);
            Ok(Some(after))
        })
        .await
    }
}

async fn key_taken(tx: &mut Tx, new: &NewRefund) -> Result<bool, StoreError> {
    let query = sql("SELECT id FROM refunds WHERE requested_by = $1 AND request_id = $2");
    let found = query.bind(new.requested_by).bind(&new.key.request_id).fetch_optional(tx).await?;
    Ok(found.is_some())
}

/// Whether a refund of the payment has not ended, which may give its tickets back.
async fn is_under_way(tx: &mut Tx, payment: PaymentId) -> Result<bool, StoreError> {
    let mut query = sql("SELECT id FROM refunds WHERE payment_id = $1 AND state IN ").bind(payment);
    query.push_list(State::ALL.iter().filter(|state| !state.is_end()).map(|state| state.name()));
    query.push(" LIMIT 1");
    Ok(query.fetch_optional(tx).await?.is_some())
}

/// The tickets that a refund takes back.
pub(super) async fn tickets_of(tx: &mut Tx, refund: &Refund) -> Result<Vec<TicketId>, StoreError> {
    let query = sql(
        "SELECT ticket_id FROM payment_tickets WHERE payment_id = $1 AND refund_id = $2 ORDER BY ordinal",
    );
    let rows = query.bind(refund.payment_id).bind(refund.id).fetch_all(tx).await?;
    rows.iter().map(|row| row.get("ticket_id")).collect()
}

/// All tickets of a payment; those with a refund are marked.
pub(super) async fn tickets(tx: &mut Tx, payment: PaymentId) -> Result<Vec<refund::Ticket>, StoreError> {
    let query =
        sql("SELECT ticket_id, seat, price, returnable_until, return_fee, refund_id FROM payment_tickets \
         WHERE payment_id = $1 ORDER BY ordinal");
    let rows = query.bind(payment).fetch_all(tx).await?;
    rows.iter()
        .map(|row| {
            let refund: Option<uuid::Uuid> = row.get("refund_id")?;
            Ok(refund::Ticket { bought: BoughtTicket::read(row)?, refunded: refund.is_some() })
        })
        .collect()
}

/// Writes a new refund that `requested_by` asked for: an account, or what else has the key.
pub(super) async fn insert(
    tx: &mut Tx,
    requested_by: Uuid,
    refund: &Refund,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let inserted = sql("INSERT INTO refunds (id, payment_id, reservation_id, state, amount, currency, failure_reason, \
         failure_code, requested_by, request_id, fingerprint, created_at, updated_at, due_at, lease, attempts, fee, \
         leave_checked_in, carried) \
         VALUES ($1, $2, $3, $4, $5, $6, '', '', $7, $8, $9, $10, $10, $11, $12, 0, $13, $14, $15) \
         ON CONFLICT DO NOTHING")
    .bind(refund.id)
    .bind(refund.payment_id)
    .bind(refund.reservation_id)
    .bind(refund.state.name())
    .bind(refund.amount.minor)
    .bind(refund.amount.currency.code())
    .bind(requested_by)
    .bind(&refund.key.request_id)
    .bind(refund.key.fingerprint.as_slice())
    .bind(now)
    .bind(refund.lease.due_at)
    .bind(refund.lease.token)
    .bind(refund.fee)
    .bind(refund.leave_checked_in)
    .bind(refund.carried)
    .execute(tx)
    .await?;
    Ok(inserted == 1)
}

pub(super) async fn claim_tickets(
    tx: &mut Tx,
    refund: &Refund,
    tickets: &[TicketId],
) -> Result<(), StoreError> {
    if tickets.is_empty() {
        return Ok(());
    }
    let mut claim = sql("UPDATE payment_tickets SET refund_id = $1 WHERE payment_id = $2 AND ticket_id IN ")
        .bind(refund.id)
        .bind(refund.payment_id);
    claim.push_list(tickets.iter().copied());
    claim.execute(tx).await.map(drop)
}

/// Books the money that was paid back and the fee that was kept, and has the rest paid back by the payment from which the
/// tickets were exchanged. Returns what was paid back and kept in all.
async fn pay_back(tx: &mut Tx, payment: Payment, refund: &Refund) -> Result<Returned, StoreError> {
    // `carried_back` has the shares of refunds that may yet be refused as well.
    let carried = sql("SELECT CAST(COALESCE(SUM(carried), 0) AS BIGINT) AS carried FROM refunds \
         WHERE payment_id = $1 AND state = $2")
    .bind(payment.id)
    .bind(State::Refunded.name())
    .fetch_one(&mut *tx)
    .await?
    .get::<i64>("carried")?;
    let returned = Returned {
        refunded: payment.refunded.saturating_add(refund.amount.minor),
        fees: payment.fees.saturating_add(refund.fee),
        carried: carried.saturating_add(refund.carried),
    };
    let exchange = payment.exchange;
    let payment = payment.when_refunded(returned, refund.updated_at);
    sql("UPDATE payments SET state = $2, refunded = $3, fees = $4 WHERE id = $1")
        .bind(payment.id)
        .bind(payment.state.name())
        .bind(returned.refunded)
        .bind(returned.fees)
        .execute(&mut *tx)
        .await?;
    if let Some(exchange) = exchange.filter(|_| refund.carried > 0) {
        exchanges::pay_back_carried(tx, exchange.of, refund).await?;
    }
    Ok(returned)
}

/// Returns the share of a refund that will not be.
pub(super) async fn give_up(tx: &mut Tx, refund: &Refund) -> Result<(), StoreError> {
    sql("UPDATE payments SET refund_reserved = refund_reserved - $2, carried_back = carried_back - $3 WHERE id = $1")
        .bind(refund.payment_id)
        .bind(refund.amount.minor)
        .bind(refund.carried)
        .execute(&mut *tx)
        .await?;
    sql("UPDATE payment_tickets SET refund_id = NULL WHERE payment_id = $1 AND refund_id = $2")
        .bind(refund.payment_id)
        .bind(refund.id)
        .execute(tx)
        .await
        .map(drop)
}

async fn update(tx: &mut Tx, before: &Refund, after: &Refund) -> Result<bool, StoreError> {
    let Lease { token, due_at, attempts } = after.lease;
    let failure = after.failure.as_ref();
    let updated =
        sql("UPDATE refunds SET state = $4, updated_at = $5, failure_reason = $6, failure_code = $7, \
         refunded_after = $8, lease = $9, due_at = $10, attempts = $11, fees_after = $12, \
         carried_after = $13 \
         WHERE id = $1 AND state = $2 AND lease = $3")
        .bind(before.id)
        .bind(before.state.name())
        .bind(before.lease.token)
        .bind(after.state.name())
        .bind(after.updated_at)
        .bind(failure.map_or("", |failure| failure.reason.name()))
        .bind(failure.map_or("", |failure| failure.code.as_str()))
        .bind(after.after.map(|returned| returned.refunded))
        .bind(token)
        .bind(due_at)
        .bind(attempts)
        .bind(after.after.map(|returned| returned.fees))
        .bind(after.after.map(|returned| returned.carried))
        .execute(tx)
        .await?;
    Ok(updated == 1)
}
