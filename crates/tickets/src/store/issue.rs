//! Issuing the tickets of a payment, once.

use jiff::Timestamp;
use moviebooking_domain::id::PaymentId;
use moviebooking_events::outbox;
use moviebooking_proto::tickets::v1::TicketIssued;
use moviebooking_store::{Db, StoreError, sql};

use super::{
    ends::facts,
    of_payment,
    row::{issued_columns, values},
};
use crate::{metrics, ticket::Ticket};

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
/// stored. Calls for one payment take turns.
pub(crate) async fn issue(
    db: &Db,
    payment: PaymentId,
    wanted: &[Ticket],
    now: Timestamp,
) -> Result<Vec<Ticket>, IssueError> {
    let mut tx = db.begin().await?;
    tx.lock("payment", payment.uuid()).await?;
    let there = of_payment(&mut tx, payment).await?;
    if !there.is_empty() {
        return Ok(there);
    }
    let mut insert = sql(concat!("INSERT INTO tickets (", issued_columns!(), ") VALUES "));
    insert.push_rows(wanted.iter().map(values));
    insert.execute(&mut tx).await.map_err(|error| {
        if error.is_unique("tickets_showtime_id_seat_key") { IssueError::SeatSold } else { error.into() }
    })?;
    let told: Vec<TicketIssued> =
        wanted.iter().map(|ticket| TicketIssued { ticket: Some(facts(ticket)) }).collect();
    outbox::append_all(&mut tx, now, wanted.iter().map(|ticket| ticket.id).zip(&told)).await?;
    #[cfg(feature = "sabotage")]
    if moviebooking_sabotage::Fault::TicketsNotKept.is_on() {
        return Ok(wanted.to_vec());
    }
    tx.commit().await?;
    metrics::issued(wanted.len());
    Ok(wanted.to_vec())
}
