//! The rows that are read, as the checks see them. Amounts are in minor units of the payment's currency.

use jiff::Timestamp;
use moviebooking_store::{Row, StoreError};
use uuid::Uuid;

/// A payment, as payments has it.
pub(crate) struct Payment {
    pub(crate) id: Uuid,
    pub(crate) reservation: Uuid,
    pub(crate) showtime: Uuid,
    pub(crate) state: String,
    pub(crate) amount: i64,
    pub(crate) refunded: i64,
    pub(crate) reserved: i64,
    /// What was kept of the prices of returned tickets.
    pub(crate) fees: i64,
    pub(crate) currency: String,
    /// The payment whose tickets it replaces.
    pub(crate) exchange_of: Option<Uuid>,
    /// What these are worth in it, and how much of that refunds of it have had paid back by the other one.
    pub(crate) carried_in: i64,
    pub(crate) carried_back: i64,
    /// What it has paid for tickets of other payments.
    pub(crate) carried_out: i64,
    /// Whether its tickets were issued.
    pub(crate) completed: bool,
    /// Whether something is left to do.
    pub(crate) due: bool,
    /// What it bought.
    pub(crate) bought: Vec<Bought>,
}

impl Payment {
    pub(super) fn read(row: &Row, bought: Vec<Bought>) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get("id")?,
            reservation: row.get("reservation_id")?,
            showtime: row.get("showtime_id")?,
            state: row.get("state")?,
            amount: row.get("amount")?,
            refunded: row.get("refunded")?,
            reserved: row.get("refund_reserved")?,
            fees: row.get("fees")?,
            currency: row.get("currency")?,
            exchange_of: row.get("exchange_of")?,
            carried_in: row.get("carried_in")?,
            carried_back: row.get("carried_back")?,
            carried_out: row.get("carried_out")?,
            completed: is_set(row, "completed_at")?,
            due: is_set(row, "due_at")?,
            bought,
        })
    }

    /// Whether its money was taken, wherever it is now.
    pub(crate) fn is_captured(&self) -> bool {
        matches!(self.state.as_str(), "COMPLETED" | "REFUNDED" | "PARTIALLY_REFUNDED")
    }

    /// Whether it ended without its money being taken.
    pub(crate) fn is_free(&self) -> bool {
        matches!(self.state.as_str(), "DECLINED" | "VOIDED")
    }

    /// Whether its checkout has paid all back because the tickets could not be had.
    pub(crate) fn is_repaid(&self) -> bool {
        self.state == "REFUNDED" && !self.completed && self.refunded == self.amount
    }
}

/// A ticket, as payments has it.
pub(crate) struct Bought {
    pub(crate) ticket: Uuid,
    pub(crate) seat: String,
    pub(crate) price: i64,
    /// What is kept of the price when the buyer returns it; none where the buyer may not.
    pub(crate) fee: Option<i64>,
    /// The refund that takes it back.
    pub(crate) refund: Option<Uuid>,
}

impl Bought {
    pub(super) fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            ticket: row.get("ticket_id")?,
            seat: row.get("seat")?,
            price: row.get("price")?,
            fee: row.get("return_fee")?,
            refund: row.get("refund_id")?,
        })
    }
}

pub(crate) struct Refund {
    pub(crate) id: Uuid,
    pub(crate) payment: Uuid,
    pub(crate) state: String,
    pub(crate) amount: i64,
    /// What is kept.
    pub(crate) fee: i64,
    /// What the payment pays back from which the tickets were exchanged.
    pub(crate) carried: i64,
    /// Whether tickets that were let in are left as they are.
    pub(crate) leaves_checked_in: bool,
    /// An account, or the payment whose returned tickets it pays a share of.
    pub(crate) requested_by: Uuid,
    /// Whether something is left to do.
    pub(crate) due: bool,
}

impl Refund {
    pub(super) fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get("id")?,
            payment: row.get("payment_id")?,
            state: row.get("state")?,
            amount: row.get("amount")?,
            fee: row.get("fee")?,
            carried: row.get("carried")?,
            leaves_checked_in: row.get("leave_checked_in")?,
            requested_by: row.get("requested_by")?,
            due: is_set(row, "due_at")?,
        })
    }

    /// Whether it was carried out.
    pub(crate) fn is_done(&self) -> bool {
        self.state == "REFUNDED"
    }
}

/// A ticket, as tickets has it.
pub(crate) struct Ticket {
    pub(crate) id: Uuid,
    pub(crate) payment: Uuid,
    pub(crate) reservation: Uuid,
    pub(crate) showtime: Uuid,
    pub(crate) seat: String,
    pub(crate) price: i64,
    /// Whether its holder was let in.
    pub(crate) checked_in: bool,
    pub(crate) is_void: bool,
}

impl Ticket {
    pub(super) fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get("id")?,
            payment: row.get("payment_id")?,
            reservation: row.get("reservation_id")?,
            showtime: row.get("showtime_id")?,
            seat: row.get("seat")?,
            price: row.get("price_minor")?,
            checked_in: is_set(row, "checked_in_at")?,
            is_void: is_set(row, "voided_at")?,
        })
    }
}

/// What the bank has made of a payment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) authorised: i64,
    pub(crate) captured: i64,
    pub(crate) refunded: i64,
    pub(crate) currency: String,
    pub(crate) voided: bool,
}

impl Account {
    pub(super) fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            authorised: row.get("authorised")?,
            captured: row.get("captured")?,
            refunded: row.get("refunded")?,
            currency: row.get("currency")?,
            voided: row.get("voided")?,
        })
    }
}

/// One line of the bank's ledger.
pub(crate) struct Operation {
    pub(crate) payment: Uuid,
    pub(crate) kind: String,
    pub(crate) amount: i64,
    pub(crate) at: Timestamp,
    /// Of a refund.
    pub(crate) refund: Option<Uuid>,
}

impl Operation {
    pub(super) fn read(row: &Row) -> Result<Self, StoreError> {
        let key: String = row.get("idempotency_key")?;
        Ok(Self {
            payment: row.get("payment_id")?,
            kind: row.get("operation")?,
            amount: row.get("amount")?,
            at: row.get("created_at")?,
            refund: key.split_once(":refund:").and_then(|(_, refund)| Uuid::try_parse(refund).ok()),
        })
    }
}

fn is_set(row: &Row, column: &str) -> Result<bool, StoreError> {
    Ok(row.get::<Option<Timestamp>>(column)?.is_some())
}
