//! The steps of a checkout that every booking makes, in one statement each, for PostgreSQL: the payment is changed where it
//! still is what it was, and everything else is written from the row that was changed, so where there is none, nothing is.

use moviebooking_store::{Db, Sql, StoreError, Value, sql};

use super::payments::{bind_payment, bind_step, insert_payment, ticket_rows, update_payment};
use crate::{
    ledger::{Movement, Posting},
    payment::{BoughtTicket, Event, Payment},
};

/// Writes a new payment with its first event. False when it may not be.
pub(super) async fn begin(db: &Db, payment: &Payment, event: &Event) -> Result<bool, StoreError> {
    let begin = sql(concat!(
        "WITH payment AS (",
        insert_payment!(),
        " RETURNING id), \
         event AS (INSERT INTO payment_events (payment_id, seq, happened_at, kind, amount, detail, facts) \
         SELECT id, 1, $14, $21, $22, $23, $24 FROM payment) \
         SELECT id FROM payment",
    ));
    run(db, bind_event(bind_payment(begin, payment), event)).await
}

/// Whether [`advance`] writes all that this step brought.
pub(super) fn writes_all_of(before: &Payment, after: &Payment, event: &Event) -> bool {
    #[cfg(feature = "sabotage")]
    if moviebooking_sabotage::Fault::EventOutsideTransaction.is_on() {
        return false;
    }
    // What a void books depends on what was booked before.
    let voids = event.moved.is_some_and(|moved| moved.how == Movement::Voided);
    after.exchange.is_none() && after.offers == before.offers && !voids
}

/// Replaces `before` by `after`, one step on, with the event and the tickets that the step brought. False when `before` is
/// no longer what the database has, or its lease was lost.
pub(super) async fn advance(
    db: &Db,
    before: &Payment,
    after: &Payment,
    event: &Event,
    tickets: &[BoughtTicket],
) -> Result<bool, StoreError> {
    let mut advance = bind_event(
        bind_step(
            sql(concat!(
                "WITH payment AS (",
                update_payment!(),
                " RETURNING id, version, theater_id, provider, currency), \
                 event AS (INSERT INTO payment_events (payment_id, seq, happened_at, kind, amount, detail, facts) \
                 SELECT id, version, $5, $21, $22, $23, $24 FROM payment)",
            )),
            before,
            after,
        ),
        event,
    );
    let postings = event.moved.map(|moved| moved.postings()).unwrap_or_default();
    if !postings.is_empty() {
        advance.push(
            ", booked AS (INSERT INTO ledger (payment_id, seq, line, booked_at, movement, theater_id, provider, \
             currency, debit, credit, amount, refund_id) \
             SELECT id, version, line, $5, movement, theater_id, provider, currency, debit, credit, amount, refund_id \
             FROM payment, (VALUES ",
        );
        advance.push_rows(postings.iter().zip(1_i64..).map(|(posting, line)| row(posting, line)));
        advance.push(") AS posting (line, movement, debit, credit, amount, refund_id))");
    }
    if !tickets.is_empty() {
        advance.push(
            ", bought AS (INSERT INTO payment_tickets (payment_id, ordinal, ticket_id, seat, price, returnable_until, \
             return_fee) \
             SELECT id, ordinal, ticket_id, seat, price, returnable_until, return_fee FROM payment, (VALUES ",
        );
        advance.push_rows(ticket_rows(tickets));
        advance.push(") AS ticket (ordinal, ticket_id, seat, price, returnable_until, return_fee))");
    }
    advance.push(" SELECT id FROM payment");
    run(db, advance).await
}

/// The values 21 to 24: the payment's event.
fn bind_event(statement: Sql, event: &Event) -> Sql {
    statement
        .bind(event.kind)
        .bind(event.moved.map(|moved| moved.amount))
        .bind(&event.detail)
        .bind(event.about.encode())
}

fn row(posting: &Posting, line: i64) -> [Value; 6] {
    [
        line.into(),
        posting.movement.into(),
        posting.debit.name().into(),
        posting.credit.name().into(),
        posting.amount.into(),
        posting.refund.into(),
    ]
}

async fn run(db: &Db, statement: Sql) -> Result<bool, StoreError> {
    let written = statement.fetch_optional(db).await?.is_some();
    if written {
        db.wake_events();
    }
    Ok(written)
}
