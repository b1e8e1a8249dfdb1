//! What the databases say, read once.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use moviebooking_store::{Row, StoreError, sql};
use uuid::Uuid;

use crate::Databases;

/// Everything that the checks look at.
pub(crate) struct Books {
    pub(crate) payments: BTreeMap<Uuid, Payment>,
    pub(crate) refunds: Vec<Refund>,
    /// The tickets service's tickets.
    pub(crate) tickets: Vec<Ticket>,
    /// Which reservation has bought a seat of a showtime.
    pub(crate) sold: BTreeMap<(Uuid, String), Uuid>,
    /// When a reservation was sold.
    pub(crate) sold_at: BTreeMap<Uuid, Timestamp>,
    pub(crate) accounts: BTreeMap<Uuid, Account>,
    pub(crate) operations: Vec<Operation>,
}

/// A payment, as payments has it.
pub(crate) struct Payment {
    pub(crate) id: Uuid,
    pub(crate) reservation: Uuid,
    pub(crate) state: String,
    pub(crate) amount: i64,
    pub(crate) refunded: i64,
    pub(crate) reserved: i64,
    pub(crate) currency: String,
    /// What tickets were worth that were exchanged for those of this payment.
    pub(crate) carried_in: i64,
    /// Whether something is left to do.
    pub(crate) due: bool,
    /// What it bought.
    pub(crate) bought: Vec<Bought>,
}

impl Payment {
    /// Whether its money was taken, wherever it is now.
    pub(crate) fn is_captured(&self) -> bool {
        matches!(self.state.as_str(), "COMPLETED" | "REFUNDED" | "PARTIALLY_REFUNDED")
    }

    /// Whether it ended without its money being taken.
    pub(crate) fn is_free(&self) -> bool {
        matches!(self.state.as_str(), "DECLINED" | "VOIDED")
    }
}

/// A ticket, as payments has it.
pub(crate) struct Bought {
    pub(crate) ticket: Uuid,
    pub(crate) seat: String,
    pub(crate) price: i64,
    /// The refund that takes it back.
    pub(crate) refund: Option<Uuid>,
}

pub(crate) struct Refund {
    pub(crate) id: Uuid,
    pub(crate) payment: Uuid,
    pub(crate) state: String,
    pub(crate) amount: i64,
    /// Whether something is left to do.
    pub(crate) due: bool,
}

/// A ticket, as tickets has it.
pub(crate) struct Ticket {
    pub(crate) id: Uuid,
    pub(crate) payment: Uuid,
    pub(crate) reservation: Uuid,
    pub(crate) showtime: Uuid,
    pub(crate) seat: String,
    pub(crate) price: i64,
    pub(crate) is_void: bool,
}

/// What the bank has made of a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) authorised: i64,
    pub(crate) captured: i64,
    pub(crate) refunded: i64,
    pub(crate) currency: String,
    pub(crate) voided: bool,
}

/// One line of the bank's ledger.
pub(crate) struct Operation {
    pub(crate) payment: Uuid,
    pub(crate) kind: String,
    pub(crate) amount: i64,
    pub(crate) at: Timestamp,
}

impl Books {
    pub(crate) async fn read(of: &Databases) -> Result<Self, StoreError> {
        let mut bought = bought(of).await?;
        let mut payments = BTreeMap::new();
        for row in sql("SELECT id, reservation_id, state, amount, refunded, refund_reserved, currency, carried_in, due_at FROM payments")
            .fetch_all(&of.payments)
            .await?
        {
            let payment = payment(&row, &mut bought)?;
            payments.insert(payment.id, payment);
        }
        let refunds =
            sql("SELECT id, payment_id, state, amount, due_at FROM refunds").fetch_all(&of.payments).await?;
        let tickets = sql(
            "SELECT id, payment_id, reservation_id, showtime_id, seat, price_minor, voided_at FROM tickets",
        )
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
            sql("SELECT payment_id, operation, amount, created_at FROM bank_operations WHERE decline_code IS NULL")
                .fetch_all(&of.bank)
                .await?;
        Ok(Self {
            payments,
            refunds: refunds.iter().map(refund).collect::<Result<_, _>>()?,
            tickets: tickets.iter().map(ticket).collect::<Result<_, _>>()?,
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
                .map(|row| Ok((row.get("payment_id")?, account(row)?)))
                .collect::<Result<_, StoreError>>()?,
            operations: operations.iter().map(operation).collect::<Result<_, _>>()?,
        })
    }

    /// The refunds of a payment that were carried out.
    pub(crate) fn refunds_of(&self, payment: Uuid) -> impl Iterator<Item = &Refund> {
        self.refunds.iter().filter(move |refund| refund.payment == payment && refund.state == "REFUNDED")
    }

    /// The refunds that were carried out, all of them.
    pub(crate) fn done_refunds(&self) -> BTreeSet<Uuid> {
        self.refunds.iter().filter(|refund| refund.state == "REFUNDED").map(|refund| refund.id).collect()
    }
}

async fn bought(of: &Databases) -> Result<BTreeMap<Uuid, Vec<Bought>>, StoreError> {
    let mut all: BTreeMap<Uuid, Vec<Bought>> = BTreeMap::new();
    for row in sql("SELECT payment_id, ticket_id, seat, price, refund_id FROM payment_tickets")
        .fetch_all(&of.payments)
        .await?
    {
        all.entry(row.get("payment_id")?).or_default().push(Bought {
            ticket: row.get("ticket_id")?,
            seat: row.get("seat")?,
            price: row.get("price")?,
            refund: row.get("refund_id")?,
        });
    }
    Ok(all)
}

fn payment(row: &Row, bought: &mut BTreeMap<Uuid, Vec<Bought>>) -> Result<Payment, StoreError> {
    let id = row.get("id")?;
    Ok(Payment {
        id,
        reservation: row.get("reservation_id")?,
        state: row.get("state")?,
        amount: row.get("amount")?,
        refunded: row.get("refunded")?,
        reserved: row.get("refund_reserved")?,
        currency: row.get("currency")?,
        carried_in: row.get("carried_in")?,
        due: row.get::<Option<Timestamp>>("due_at")?.is_some(),
        bought: bought.remove(&id).unwrap_or_default(),
    })
}

fn refund(row: &Row) -> Result<Refund, StoreError> {
    Ok(Refund {
        id: row.get("id")?,
        payment: row.get("payment_id")?,
        state: row.get("state")?,
        amount: row.get("amount")?,
        due: row.get::<Option<Timestamp>>("due_at")?.is_some(),
    })
}

fn ticket(row: &Row) -> Result<Ticket, StoreError> {
    Ok(Ticket {
        id: row.get("id")?,
        payment: row.get("payment_id")?,
        reservation: row.get("reservation_id")?,
        showtime: row.get("showtime_id")?,
        seat: row.get("seat")?,
        price: row.get("price_minor")?,
        is_void: row.get::<Option<Timestamp>>("voided_at")?.is_some(),
    })
}

fn account(row: &Row) -> Result<Account, StoreError> {
    Ok(Account {
        authorised: row.get("authorised")?,
        captured: row.get("captured")?,
        refunded: row.get("refunded")?,
        currency: row.get("currency")?,
        voided: row.get("voided")?,
    })
}

fn operation(row: &Row) -> Result<Operation, StoreError> {
    Ok(Operation {
        payment: row.get("payment_id")?,
        kind: row.get("operation")?,
        amount: row.get("amount")?,
        at: row.get("created_at")?,
    })
}
