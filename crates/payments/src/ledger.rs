//! The ledger: which accounts there are, and what each movement of money means for them.
//!
//! Every theater has the accounts once for each provider and currency. A movement takes from one account what it gives
//! to another, in one row, so the accounts always add up to zero. Balances are debit minus credit:
//!
//! | account | its balance |
//! |---|---|
//! | `provider_holds` | what the provider holds of buyers' money without having taken it; zero when nothing is under way |
//! | `buyer_holds` | the same with the other sign: whose it is |
//! | `provider_receivable` | what the provider has taken and neither given back nor kept: what it owes the theater |
//! | `sales` | what was sold (negative, as income is), but for what is in `return_fees` |
//! | `return_fees` | what was kept of the prices of returned tickets (negative) |
//! | `refunds` | what was paid back |
//! | `provider_fees` | what the provider has kept for itself |
//!
//! What the provider keeps is known from its own list alone, so it is booked when that is read (`reconcile.rs`), and in the
//! currency in which the provider keeps it.

mod read;
mod wire;

use moviebooking_domain::id::RefundId;

pub(crate) use read::{Balance, Entry, Filter};

use crate::named::named;

named! {
    /// An account of a theater with a provider in a currency.
    enum Account {
        /// See the table above, as for all of them.
        ProviderHolds = "provider_holds",
        /// Whose money it is that the provider holds.
        BuyerHolds = "buyer_holds",
        /// What the provider owes.
        ProviderReceivable = "provider_receivable",
        /// Income.
        Sales = "sales",
        /// Income from returned tickets.
        ReturnFees = "return_fees",
        /// What was paid back.
        Refunds = "refunds",
        /// What the provider keeps.
        ProviderFees = "provider_fees",
    }
}

/// What an event of a payment did with money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Movement {
    /// The provider holds it.
    Authorised,
    /// The provider took what it held.
    Captured,
    /// The provider let go of what it held, if it did hold something.
    Voided,
    /// The provider paid it back, and so many minor units are kept of the prices of its tickets.
    Refunded { refund: RefundId, fee: i64 },
}

/// Money that moved, in minor units of the payment's currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) how: Movement,
    pub(crate) amount: i64,
}

/// A row of the ledger but for what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Posting {
    pub(crate) movement: &'static str,
    pub(crate) debit: Account,
    pub(crate) credit: Account,
    pub(crate) amount: i64,
    pub(crate) refund: Option<RefundId>,
}

/// The names of movements that providers list as well.
pub(crate) const CAPTURED: &str = "captured";
pub(crate) const REFUNDED: &str = "refunded";
/// What providers list with these.
pub(crate) const PROVIDER_FEE: &str = "provider_fee";
/// What is kept of the prices of returned tickets.
pub(crate) const FEE_KEPT: &str = "fee_kept";

impl Moved {
    /// What is booked for it. The release of a void is booked only against a hold.
    pub(crate) fn postings(self) -> Vec<Posting> {
        use Account::{BuyerHolds, ProviderHolds, ProviderReceivable, Refunds, ReturnFees, Sales};
        let amount = self.amount;
        let posting = |movement, debit, credit| Posting { movement, debit, credit, amount, refund: None };
        let release = posting("released", BuyerHolds, ProviderHolds);
        let mut postings = match self.how {
            Movement::Authorised => vec![posting("authorised", ProviderHolds, BuyerHolds)],
            Movement::Captured => vec![release, posting(CAPTURED, ProviderReceivable, Sales)],
            Movement::Voided => vec![release],
            Movement::Refunded { refund, fee } => {
                let back = posting(REFUNDED, Refunds, ProviderReceivable);
                let kept = Posting { amount: fee, ..posting(FEE_KEPT, Sales, ReturnFees) };
                [back, kept].map(|posting| Posting { refund: Some(refund), ..posting }).to_vec()
            }
        };
        // Nothing is booked for nothing.
        postings.retain(|posting| posting.amount != 0);
        postings
    }
}

/// What is booked for a fee of the provider's, in minor units; a negative one is a fee that it gave back.
pub(crate) fn provider_fee(fee: i64, refund: Option<RefundId>) -> Posting {
    let (debit, credit) = match fee {
        0.. => (Account::ProviderFees, Account::ProviderReceivable),
        _ => (Account::ProviderReceivable, Account::ProviderFees),
    };
    Posting { movement: PROVIDER_FEE, debit, credit, amount: fee.saturating_abs(), refund }
}
