//! What the databases say, read once.

mod rows;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use moviebooking_store::{StoreError, sql};
use uuid::Uuid;

use crate::Databases;

pub(crate) use rows::{Account, Bought, Operation, Payment, Refund, Ticket};

/// Everything that the checks look at.
pub(crate) struct Books {
    pub(crate) payments: BTreeMap<Uuid, Payment>,
    pub(crate) refunds: Vec<Refund>,
    /// The showtimes that payments knows to be cancelled.
    pub(crate) cancelled: BTreeSet<Uuid>,
    /// The tickets service's tickets.
    pub(crate) tickets: Vec<Ticket>,
    /// Which reservation has bought a seat of a showtime.
    pub(crate) sold: BTreeMap<(Uuid, String), Uuid>,
    /// When a reservation was sold.
    pub(crate) sold_at: BTreeMap<Uuid, Timestamp>,
    pub(crate) accounts: BTreeMap<Uuid, Account>,
    pub(crate) operations: Vec<Operation>,
}

impl Books {
    pub(crate) async fn read(of: &Databases) -> Result<Self, StoreError> {
        let refunds = sql(
            "SELECT id, payment_id, state, amount, fee, carried, leave_checked_in, requested_by, due_at FROM refunds",
        )
        .fetch_all(&of.payments)
        .await?;
        let cancelled = sql("SELECT id FROM cancelled_showtimes").fetch_all(&of.payments).await?;
        let tickets =
            sql("SELECT id, payment_id, reservation_id, showtime_id, seat, price_minor, checked_in_at, \
             voided_at FROM tickets")
            .fetch_all(&of.tickets)
            .await?;
        let sold = sql("SELECT showtime_id, seat, reservation_id FROM seat_claims WHERE state = 'sold'")
            .fetch_all(&of.reservations)
            .await?;
        let sold_at = sql("SELECT reservation_id, at FROM seat_history WHERE kind = 'sold'")
            .fetch_all(&of.reservations)
            .await?;
        let accounts =
            sql("SELECT payment_id, authorised, captured, refunded, currency, voided FROM bank_payments")
                .fetch_all(&of.bank)
                .await?;
        let operations =
            sql("SELECT payment_id, operation, amount, created_at, idempotency_key FROM bank_operations \
             WHERE decline_code IS NULL")
            .fetch_all(&of.bank)
            .await?;
        Ok(Self {
            payments: payments(of).await?,
            refunds: refunds.iter().map(Refund::read).collect::<Result<_, _>>()?,
            cancelled: cancelled.iter().map(|row| row.get("id")).collect::<Result<_, _>>()?,
            tickets: tickets.iter().map(Ticket::read).collect::<Result<_, _>>()?,
            sold: sold
                .iter()
                .map(|row| Ok(((row.get("showtime_id")?, row.get("seat")?), row.get("reservation_id")?)))
                .collect::<Result<_, StoreError>>()?,
            sold_at: sold_at
                .iter()
                .map(|row| Ok((row.get("reservation_id")?, row.get("at")?)))
                .collect::<Result<_, StoreError>>()?,
            accounts: accounts
                .iter()
                .map(|row| Ok((row.get("payment_id")?, Account::read(row)?)))
                .collect::<Result<_, StoreError>>()?,
            operations: operations.iter().map(Operation::read).collect::<Result<_, _>>()?,
        })
    }

    /// The refunds of a payment that were carried out.
    pub(crate) fn refunds_of(&self, payment: Uuid) -> impl Iterator<Item = &Refund> {
        self.refunds.iter().filter(move |refund| refund.payment == payment && refund.is_done())
    }
}

async fn payments(of: &Databases) -> Result<BTreeMap<Uuid, Payment>, StoreError> {
    let mut bought: BTreeMap<Uuid, Vec<Bought>> = BTreeMap::new();
    for row in sql("SELECT payment_id, ticket_id, seat, price, return_fee, refund_id FROM payment_tickets")
        .fetch_all(&of.payments)
        .await?
    {
        bought.entry(row.get("payment_id")?).or_default().push(Bought::read(&row)?);
    }
    let mut payments = BTreeMap::new();
    for row in sql(
        "SELECT id, reservation_id, showtime_id, state, amount, refunded, refund_reserved, fees, currency, \
         exchange_of, carried_in, carried_back, carried_out, completed_at, due_at FROM payments",
    )
    .fetch_all(&of.payments)
    .await?
    {
        let id = row.get("id")?;
        payments.insert(id, Payment::read(&row, bought.remove(&id).unwrap_or_default())?);
    }
    Ok(payments)
}
