//! A provider's own list of the money that it moved.

use jiff::Timestamp;
use moviebooking_domain::{
    id::{PaymentId, RefundId},
    money::Money,
};

/// Which page of the list to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionQuery {
    /// The first instant that is asked for.
    pub from: Timestamp,
    /// The first instant that is not.
    pub to: Timestamp,
    /// [`TransactionPage::next`] of the page before; nothing for the first one.
    pub after: Option<String>,
}

/// A page of the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransactionPage {
    /// In the provider's order.
    pub transactions: Vec<Transaction>,
    /// Where the next page begins; nothing when this is the last one.
    pub next: Option<String>,
}

/// Money that the provider moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The provider's own id of it.
    pub id: String,
    /// Our payment; nothing when the provider does not know of one, as for money that was moved by hand.
    pub payment: Option<PaymentId>,
    /// Which way it went.
    pub movement: Movement,
    /// What the buyer paid or was paid back; never negative.
    pub amount: Money,
    /// What the provider kept for it, in the currency in which it settles; nothing when it does not say.
    pub fee: Option<Money>,
    /// When.
    pub time: Timestamp,
}

/// Which way money went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Movement {
    /// From the buyer.
    Capture,
    /// Back to the buyer, with our refund where the provider knows of one.
    Refund(Option<RefundId>),
    /// A refund that did not reach the buyer: the provider has the money again.
    FailedRefund(Option<RefundId>),
}
