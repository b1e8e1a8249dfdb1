//! The steps of a checkout that every booking makes, for PostgreSQL: one statement for all payments that make one at the
//! same time. A payment is changed where it still is what it was, and everything else is written from the row that was
//! changed, so where there is none, nothing is.

use moviebooking_domain::id::PaymentId;
use moviebooking_store::{Db, Kind, Running, Sql, StoreError, Value, by_number, sql};

use super::payments::{insert_into_payments, payment_values, step_values, ticket_values};
use crate::{
    ledger::{Movement, Posting},
    payment::{BoughtTicket, Event, Payment},
};

/// A new payment and its first event.
pub(super) struct Beginning([Value; 24]);

impl Beginning {
    pub(super) fn new(payment: &Payment, event: &Event) -> Self {
        Self(with_event(payment_values(payment), event))
    }
}

const BEGIN: &str = concat!(
    "), payment AS (",
    insert_into_payments!(),
    " SELECT id, reservation_id, user_id, theater_id, showtime_id, state, amount, currency, 0, 0, provider, payment_token, \
     ticket_order, '', '', request_id, fingerprint, 1, created_at, updated_at, TRUE, due_at, lease, 0, exchange_of, \
     exchange_refund_id, carried_in FROM new ON CONFLICT DO NOTHING RETURNING id), \
     event AS (INSERT INTO payment_events (payment_id, seq, happened_at, kind, amount, detail, facts) \
     SELECT id, 1, created_at, kind, moved, detail, facts FROM payment JOIN new USING (id)) \
     SELECT number FROM payment JOIN new USING (id)",
);

const BEGINNING: [Kind; 24] = {
    use Kind::{Bytes, I64, Text, Time, Uuid};
    [
        Uuid, Uuid, Uuid, Uuid, Uuid, Text, I64, Text, Text, Text, Bytes, Text, Bytes, Time, Time, Time,
        Uuid, Uuid, Uuid, I64, Text, I64, Text, Bytes,
    ]
};

/// Writes new payments. False for each that may not be.
pub(super) fn begin<'a>(db: &'a Db, batch: &'a [Beginning]) -> Running<'a, bool> {
    Box::pin(async move {
        let mut begin = sql("WITH new AS (SELECT * FROM ");
        let columns = "new (id, reservation_id, user_id, theater_id, showtime_id, state, amount, currency, provider, \
            payment_token, ticket_order, request_id, fingerprint, created_at, updated_at, due_at, lease, exchange_of, \
            exchange_refund_id, carried_in, kind, moved, detail, facts, number)";
        begin.push_few(columns, BEGINNING, batch.iter().map(|new| new.0.clone())).push(BEGIN);
        written(db, begin, batch.len()).await
    })
}

/// A payment that is one step on, and what the step brought.
pub(super) struct Step {
    values: [Value; 24],
    postings: Vec<[Value; 7]>,
    tickets: Vec<[Value; 7]>,
}

impl Step {
    /// The step from `before` to `after`; none where it brought more than [`advance`] writes.
    pub(super) fn new(
        before: &Payment,
        after: &Payment,
        event: &Event,
        tickets: &[BoughtTicket],
    ) -> Option<Self> {
        #[cfg(feature = "sabotage")]
        if moviebooking_sabotage::Fault::EventOutsideTransaction.is_on() {
            return None;
        }
        // What a void books depends on what was booked before.
        let voids = event.moved.is_some_and(|moved| moved.how == Movement::Voided);
        if after.exchange.is_some() || after.offers != before.offers || voids {
            return None;
        }
        let postings = event.moved.map(|moved| moved.postings()).unwrap_or_default();
        Some(Self {
            values: with_event(step_values(before, after), event),
            postings: postings
                .iter()
                .zip(1_i64..)
                .map(|(posting, line)| row(after.id, posting, line))
                .collect(),
            tickets: ticket_values(after.id, tickets).collect(),
        })
    }
}

const STEP: [Kind; 24] = {
    use Kind::{Bool, Bytes, I64, Text, Time, Uuid};
    [
        Uuid, Text, Uuid, Text, Time, Text, Text, Text, I64, I64, Time, Bool, Uuid, Time, I64, Text, Text,
        Text, Time, Bool, Text, I64, Text, Bytes,
    ]
};

const POSTING: [Kind; 7] = [Kind::Uuid, Kind::I64, Kind::Text, Kind::Text, Kind::Text, Kind::I64, Kind::Uuid];

const TICKET: [Kind; 7] = [Kind::Uuid, Kind::I64, Kind::Uuid, Kind::Text, Kind::I64, Kind::Time, Kind::I64];

/// Brings payments one step on. False for each that may not be what it was any more: the transaction that does the same
/// finds out.
pub(super) fn advance<'a>(db: &'a Db, batch: &'a [Step]) -> Running<'a, bool> {
    Box::pin(async move {
        let mut advance = sql(
            "WITH payment AS (UPDATE payments SET state = step.state, version = version + 1, \
             updated_at = step.updated_at, payment_token = step.payment_token, failure_reason = step.failure_reason, \
             failure_code = step.failure_code, refunded = step.refunded, refund_reserved = step.refund_reserved, \
             completed_at = step.completed_at, holds_reservation = step.holds_reservation, lease = step.lease, \
             due_at = CASE WHEN woken AND is_freed THEN step.updated_at ELSE step.due_at END, \
             woken = woken AND NOT is_freed, attempts = step.attempts, provider_reference = step.provider_reference, \
             action_url = step.action_url, action_secret = step.action_secret, confirm_by = step.confirm_by FROM ",
        );
        let columns = "step (id, from_state, from_lease, state, updated_at, payment_token, failure_reason, \
            failure_code, refunded, refund_reserved, completed_at, holds_reservation, lease, due_at, attempts, \
            provider_reference, action_url, action_secret, confirm_by, is_freed, kind, moved, detail, facts, number)";
        advance.push_few(columns, STEP, batch.iter().map(|step| step.values.clone()));
        advance.push(
            " WHERE payments.id = step.id AND payments.state = from_state AND payments.lease = from_lease \
             RETURNING payments.id, version, payments.updated_at, theater_id, provider, currency, kind, moved, detail, \
             facts, number), \
             event AS (INSERT INTO payment_events (payment_id, seq, happened_at, kind, amount, detail, facts) \
             SELECT id, version, updated_at, kind, moved, detail, facts FROM payment)",
        );
        if batch.iter().any(|step| !step.postings.is_empty()) {
            advance.push(
                ", booked AS (INSERT INTO ledger (payment_id, seq, line, booked_at, movement, theater_id, provider, \
                 currency, debit, credit, amount, refund_id) \
                 SELECT id, version, line, updated_at, movement, theater_id, provider, currency, debit, credit, amount, \
                 refund_id FROM payment JOIN ",
            );
            advance.push_unnest(POSTING, batch.iter().flat_map(|step| step.postings.iter().cloned()));
            advance.push(" AS posting (id, line, movement, debit, credit, amount, refund_id) USING (id))");
        }
        if batch.iter().any(|step| !step.tickets.is_empty()) {
            advance.push(
                ", bought AS (INSERT INTO payment_tickets (payment_id, ordinal, ticket_id, seat, price, \
                 returnable_until, return_fee) \
                 SELECT id, ordinal, ticket_id, seat, price, returnable_until, return_fee FROM payment JOIN ",
            );
            advance.push_unnest(TICKET, batch.iter().flat_map(|step| step.tickets.iter().cloned()));
            advance.push(
                " AS ticket (id, ordinal, ticket_id, seat, price, returnable_until, return_fee) USING (id))",
            );
        }
        advance.push(" SELECT number FROM payment");
        written(db, advance, batch.len()).await
    })
}

/// A row of a payment's values and of its event's.
fn with_event(payment: [Value; 20], event: &Event) -> [Value; 24] {
    let event = [
        event.kind.into(),
        event.moved.map(|moved| moved.amount).into(),
        (&event.detail).into(),
        event.about.encode().into(),
    ];
    let mut values = payment.into_iter().chain(event);
    std::array::from_fn(|_| values.next().unwrap_or(Value::Null(Kind::Text)))
}

fn row(payment: PaymentId, posting: &Posting, line: i64) -> [Value; 7] {
    [
        payment.into(),
        line.into(),
        posting.movement.into(),
        posting.debit.name().into(),
        posting.credit.name().into(),
        posting.amount.into(),
        posting.refund.into(),
    ]
}

/// Runs the statement, which answers the numbers of those payments that it wrote, and says for each whether it is one.
async fn written(db: &Db, statement: Sql, many: usize) -> Result<Vec<bool>, StoreError> {
    let rows = statement.fetch_all(db).await?;
    if !rows.is_empty() {
        db.wake_events();
    }
    Ok(by_number(&rows, many, |_row| Ok(()))?.iter().map(Option::is_some).collect())
}
