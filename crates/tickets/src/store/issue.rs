//! Issuing the tickets of a payment, once.

use jiff::Timestamp;
use moviebooking_domain::id::{PaymentId, TicketId};
use moviebooking_events::outbox;
use moviebooking_proto::tickets::v1::TicketIssued;
use moviebooking_store::{Db, Engine, Sql, StoreError, sql};

use super::{
    ends::facts,
    of_payment,
    row::{issued_columns, values},
};
use crate::{metrics, ticket::Ticket};

macro_rules! insert_into {
    () => {
        concat!("INSERT INTO tickets (", issued_columns!(), ", first_of_payment) VALUES ")
    };
}

const INSERT: &str = insert_into!();

/// Why nothing was issued.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IssueError {
    /// One of the seats has a ticket of another payment that is not void.
    #[error("a seat has a ticket of another payment")]
    SeatSold,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Stores the tickets of a payment, at least one, unless it has tickets: then those are returned and nothing is
/// stored.
pub(crate) async fn issue(
    db: &Db,
    payment: PaymentId,
    wanted: &[Ticket],
    now: Timestamp,
) -> Result<Vec<Ticket>, IssueError> {
    #[cfg(feature = "sabotage")]
    if moviebooking_sabotage::Fault::TicketsNotKept.is_on() {
        return Ok(wanted.to_vec());
    }
    let told: Vec<TicketIssued> =
        wanted.iter().map(|ticket| TicketIssued { ticket: Some(facts(ticket)) }).collect();
    let told = wanted.iter().map(|ticket| ticket.id).zip(&told);
    if db.engine() == Engine::Postgres {
        match issue_at_once(db, wanted, now, told.clone()).await {
            // What there is already is looked at in turn.
            Err(StoreError::UniqueViolation { .. }) => {}
            issued => {
                issued?;
                metrics::issued(wanted.len());
                return Ok(wanted.to_vec());
            }
        }
    }
    let mut tx = db.begin().await?;
    tx.lock("payment", payment.uuid()).await?;
    let there = of_payment(&mut tx, payment).await?;
    if !there.is_empty() {
        return Ok(there);
    }
    insert(INSERT, wanted).execute(&mut tx).await.map_err(|error| {
        if error.is_unique("tickets_showtime_id_seat_key") { IssueError::SeatSold } else { error.into() }
    })?;
    outbox::append_all(&mut tx, now, told).await?;
    tx.commit().await?;
    metrics::issued(wanted.len());
    Ok(wanted.to_vec())
}

/// The same in one statement, for PostgreSQL.
///
/// # Errors
/// [`StoreError::UniqueViolation`] when the payment has tickets, or one of the seats has.
async fn issue_at_once<'a>(
    db: &Db,
    wanted: &[Ticket],
    now: Timestamp,
    told: impl Iterator<Item = (TicketId, &'a TicketIssued)>,
) -> Result<(), StoreError> {
    let mut issue = insert(concat!("WITH issued AS (", insert_into!()), wanted);
    issue.push(")");
    outbox::push_all(&mut issue, now, told)?;
    issue.push(" SELECT 1");
    issue.execute(db).await?;
    db.wake_events();
    Ok(())
}

fn insert(text: &'static str, wanted: &[Ticket]) -> Sql {
    let mut insert = sql(text);
    insert.push_rows(wanted.iter().enumerate().map(|(at, ticket)| values(ticket, at == 0)));
    insert
}
