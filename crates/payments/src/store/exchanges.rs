//! What an exchange writes besides its payment: the old payment's share of it, and the refund that takes the old tickets
//! back.

use jiff::Timestamp;
use moviebooking_domain::{
    id::{PaymentId, RefundId, TicketId},
    money::Money,
};
use moviebooking_proto::payments::v1::ExchangeFacts;
use moviebooking_store::{StoreError, Tx, retry, sql};

use super::{
    Lease, Store, append, lock_payment, payments,
    refunds::{claim_tickets, give_up, insert, tickets, tickets_of},
};
use crate::{
    exchange::{ExchangeRefused, NewExchange, Terms, terms},
    payment::{About, Event, Exchange, Key, Payment},
    provider::Provider,
    refund::{Refund, State},
    saga,
};

/// The key of the refund that takes exchanged tickets back, which their new payment asks for.
pub(super) const TAKING_BACK: &str = "exchange";

impl Store {
    /// Writes the payment of a new exchange, completed from `draft` by what is to be paid and carried over, and the refund
    /// that claims the old tickets.
    pub(crate) async fn begin_exchange(
        &self,
        new: &NewExchange,
        draft: &Payment,
        provider: &dyn Provider,
    ) -> Result<Payment, ExchangeRefused> {
        retry(|| async {
            let now = draft.created_at;
            let mut tx = self.db.begin().await?;
            let locked = lock_payment(&mut tx, new.payment_id, now).await?;
            let old = Payment::read(&locked)?;
            let unit = provider.unit(draft.amount.currency);
            let Terms { carried, excess, difference } =
                terms(new, &old, &tickets(&mut tx, old.id).await?, draft.amount, unit, now)?;
            let refund = taking_back(&old, excess, draft, now);
            let payment = Payment {
                amount: difference,
                exchange: Some(Exchange { of: old.id, refund: refund.id, carried }),
                ..draft.clone()
            };
            if !payments::insert(&mut tx, &payment).await? {
                return Err(ExchangeRefused::InProgress);
            }
            let created = Event { kind: "created", ..Event::default() };
            append(&mut tx, payment.id, 1, now, &created).await?;
            sql(
                "UPDATE payments SET carried_out = carried_out + $2, refund_reserved = refund_reserved + $3 \
                 WHERE id = $1",
            )
            .bind(old.id)
            .bind(carried)
            .bind(excess)
            .execute(&mut tx)
            .await?;
            insert(&mut tx, payment.id.uuid(), &refund, now).await?;
            claim_tickets(&mut tx, &refund, &new.tickets).await?;
            let requested = event("exchange_requested", payment.id, &new.tickets);
            append(&mut tx, old.id, locked.get("version")?, now, &requested).await?;
            tx.commit().await?;
            Ok(payment)
        })
        .await
    }
}

/// The refund that takes the old tickets back once the exchange is made, and waits for that.
fn taking_back(old: &Payment, excess: i64, draft: &Payment, now: Timestamp) -> Refund {
    Refund {
        id: RefundId::new(now),
        payment_id: old.id,
        reservation_id: old.reservation_id,
        state: State::Exchanging,
        amount: Money::new(excess, old.amount.currency),
        fee: 0,
        leave_checked_in: false,
        failure: None,
        key: Key { request_id: TAKING_BACK.to_owned(), fingerprint: draft.key.fingerprint.clone() },
        carried: 0,
        after: None,
        updated_at: now,
        lease: Lease::default(),
    }
}

/// Writes down for the old payment what a step of the exchange's payment means for it: that its tickets have become void,
/// or how the exchange has ended.
pub(super) async fn follow(
    tx: &mut Tx,
    after: &Payment,
    step: &Event,
    exchange: &Exchange,
) -> Result<(), StoreError> {
    use saga::State::{Completed, Declined, Refunded, Voided};
    let voided = step.kind == saga::EXCHANGED_VOIDED;
    if !voided && !matches!(after.state, Completed | Declined | Voided | Refunded) {
        return Ok(());
    }
    let now = after.updated_at;
    let version = lock_payment(tx, exchange.of, now).await?.get("version")?;
    let row = sql("SELECT * FROM refunds WHERE id = $1").bind(exchange.refund).fetch_one(&mut *tx).await?;
    let mut refund = Refund::read(&row)?;
    let exchanged = tickets_of(tx, &refund).await?;
    let kind = match (after.state, refund.state) {
        _ if voided => {
            refund.state = State::Exchanged;
            saga::EXCHANGED_VOIDED
        }
        // The old seats are freed, and what the new ones cost less is paid back.
        (Completed, _) => {
            (refund.state, refund.lease) = (State::TicketsVoided, Lease::free(now));
            "tickets_exchanged"
        }
        // The old tickets are void and the new ones cannot be had: all that they were worth is paid back.
        (_, State::Exchanged) => {
            (refund.state, refund.lease) = (State::TicketsVoided, Lease::free(now));
            refund.amount.minor = refund.amount.minor.saturating_add(exchange.carried);
            take_over(tx, exchange.of, exchange.carried, exchange.carried).await?;
            "exchange_undone"
        }
        // They stay valid.
        _ => {
            (refund.state, refund.failure) = (State::Refused, after.failure.clone());
            give_up(tx, &refund).await?;
            take_over(tx, exchange.of, exchange.carried, 0).await?;
            "exchange_refused"
        }
    };
    let failure = refund.failure.as_ref();
    sql("UPDATE refunds SET state = $2, amount = $3, updated_at = $4, due_at = $5, failure_reason = $6, \
         failure_code = $7 WHERE id = $1")
    .bind(refund.id)
    .bind(refund.state.name())
    .bind(refund.amount.minor)
    .bind(now)
    .bind(refund.lease.due_at)
    .bind(failure.map_or("", |failure| failure.reason.name()))
    .bind(failure.map_or("", |failure| failure.code.as_str()))
    .execute(&mut *tx)
    .await?;
    append(tx, exchange.of, version, now, &event(kind, after.id, &exchanged)).await
}

/// Has the payment `of` pay back what the tickets of a refund's payment that were exchanged from it were worth.
pub(super) async fn pay_back_carried(tx: &mut Tx, of: PaymentId, refund: &Refund) -> Result<(), StoreError> {
    let now = refund.updated_at;
    let locked = lock_payment(tx, of, now).await?;
    take_over(tx, of, refund.carried, refund.carried).await?;
    let payment = Payment::read(&locked)?;
    let share = Refund {
        id: RefundId::new(now),
        payment_id: of,
        reservation_id: payment.reservation_id,
        state: State::SeatsFreed,
        amount: Money::new(refund.carried, refund.amount.currency),
        fee: 0,
        leave_checked_in: false,
        failure: None,
        key: Key { request_id: refund.id.to_string(), fingerprint: Vec::new() },
        carried: 0,
        after: None,
        updated_at: now,
        lease: Lease::free(now),
    };
    insert(tx, refund.payment_id.uuid(), &share, now).await?;
    let requested = Event {
        kind: "refund_requested",
        detail: "tickets that were exchanged were returned".to_owned(),
        about: About::Refund(share.facts(&[])),
        ..Event::default()
    };
    append(tx, of, locked.get("version")?, now, &requested).await
}

/// Takes an amount out of what a payment pays for others, and promises a part of it to refunds.
async fn take_over(tx: &mut Tx, payment: PaymentId, carried: i64, refunds: i64) -> Result<(), StoreError> {
    sql("UPDATE payments SET carried_out = carried_out - $2, refund_reserved = refund_reserved + $3 WHERE id = $1")
        .bind(payment)
        .bind(carried)
        .bind(refunds)
        .execute(tx)
        .await
        .map(drop)
}

/// What happens to the payment for the old tickets.
fn event(kind: &'static str, new_payment: PaymentId, tickets: &[TicketId]) -> Event {
    let facts = ExchangeFacts {
        new_payment_id: new_payment.to_string(),
        ticket_ids: tickets.iter().map(ToString::to_string).collect(),
    };
    let (detail, about) = (new_payment.to_string(), About::Exchange(facts));
    Event { kind, detail, about, ..Event::default() }
}
