//! Issuing the tickets of a payment, once.

use jiff::Timestamp;
use moviebooking_domain::id::PaymentId;
use moviebooking_events::outbox;
use moviebooking_proto::tickets::v1::TicketIssued;
use moviebooking_store::{Batches, Db, Engine, Kind, Running, StoreError, Value, sql};

use super::{
    ends::facts,
    of_payment,
    row::{issued_columns, values},
};
use crate::{metrics, ticket::Ticket};

const INSERT: &str = concat!("INSERT INTO tickets (", issued_columns!(), ", first_of_payment)");

/// Why nothing was issued.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IssueError {
    /// One of the seats has a ticket of another payment that is not void.
    #[error("a seat has a ticket of another payment")]
    SeatSold,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Issues tickets; a clone is a handle on the same.
#[derive(Clone, Debug)]
pub(crate) struct Issuer {
    db: Db,
    sales: Batches<Sold, ()>,
}

/// The tickets of a payment and what is told of them.
struct Sold {
    tickets: Vec<[Value; 23]>,
    told: Vec<[Value; 5]>,
}

impl Issuer {
    pub(crate) fn new(db: Db) -> Self {
        Self { sales: Batches::new(db.clone(), issue_at_once), db }
    }

    /// Stores the tickets of a payment, at least one, unless it has tickets: then those are returned and nothing is
    /// stored.
    pub(crate) async fn issue(
        &self,
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
        let tickets = wanted.iter().enumerate().map(|(at, ticket)| values(ticket, at == 0));
        if self.db.engine() == Engine::Postgres {
            let sold = Sold { tickets: tickets.clone().collect(), told: outbox::rows(now, told.clone())? };
            match self.sales.run(sold).await {
                // What there is already is looked at in turn.
                Err(StoreError::UniqueViolation { .. }) => {}
                issued => {
                    issued?;
                    metrics::issued(wanted.len());
                    return Ok(wanted.to_vec());
                }
            }
        }
        let mut tx = self.db.begin().await?;
        tx.lock("payment", payment.uuid()).await?;
        let there = of_payment(&mut tx, payment).await?;
        if !there.is_empty() {
            return Ok(there);
        }
        let mut insert = sql(INSERT);
        insert.push(" VALUES ").push_rows(tickets);
        insert.execute(&mut tx).await.map_err(|error| {
            if error.is_unique("tickets_showtime_id_seat_key") { IssueError::SeatSold } else { error.into() }
        })?;
        outbox::append_all(&mut tx, now, told).await?;
        tx.commit().await?;
        metrics::issued(wanted.len());
        Ok(wanted.to_vec())
    }
}

/// The types of what [`values`] gives.
const KINDS: [Kind; 23] = {
    use Kind::{I64, Text, Time, Uuid};
    [
        Uuid, Uuid, Uuid, Uuid, Uuid, Uuid, Text, Text, Text, I64, Text, Text, Text, Text, Text, Time, Text,
        Text, Time, I64, I64, I64, Uuid,
    ]
};

/// The same for several payments in one statement, for PostgreSQL.
///
/// # Errors
/// [`StoreError::UniqueViolation`] when one of the payments has tickets, or one of the seats has.
fn issue_at_once<'a>(db: &'a Db, batch: &'a [Sold]) -> Running<'a, ()> {
    Box::pin(async move {
        let mut issue = sql("WITH issued AS (");
        issue.push(INSERT).push(" SELECT * FROM ");
        issue.push_unnest(KINDS, batch.iter().flat_map(|sold| sold.tickets.iter().cloned()));
        issue.push(" AS ticket)");
        outbox::push_all(&mut issue, batch.iter().flat_map(|sold| sold.told.iter().cloned()));
        issue.push(" SELECT 1");
        issue.execute(db).await?;
        db.wake_events();
        Ok(batch.iter().map(|_sold| ()).collect())
    })
}
