//! The ledger: which accounts there are, and what each movement of money means for them.
//!
//! Every theater has the accounts once for each provider and currency. A movement takes from one account what it gives
//! to another, in one row, so the accounts always add up to zero. Balances are debit minus credit:
//!
//! | account | its balance |
//! |---|---|
//! | `provider_holds` | what the provider holds of buyers' money without having taken it; zero when nothing is under way |
//! | `buyer_holds` | the same with the other sign: whose it is |
//! | `provider_receivable` | what the provider has taken and not given back: what it owes the theater, before its fees |
//! | `sales` | what was sold (negative, as income is) |
//! | `refunds` | what was paid back |

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
        /// What was paid back.
        Refunds = "refunds",
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
    /// The provider paid it back.
    Refunded(RefundId),
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
    pub(crate) refund: Option<RefundId>,
}

/// The names of movements that providers list as well.
pub(crate) const CAPTURED: &str = "captured";
pub(crate) const REFUNDED: &str = "refunded";

const HOLD: Posting = Posting {
    movement: "authorised",
    debit: Account::ProviderHolds,
    credit: Account::BuyerHolds,
    refund: None,
};
const RELEASE: Posting = Posting {
    movement: "released",
    debit: Account::BuyerHolds,
    credit: Account::ProviderHolds,
    refund: None,
};
const TAKE: Posting =
    Posting { movement: CAPTURED, debit: Account::ProviderReceivable, credit: Account::Sales, refund: None };
const GIVE_BACK: Posting = Posting {
    movement: REFUNDED,
    debit: Account::Refunds,
    credit: Account::ProviderReceivable,
    refund: None,
};

impl Movement {
    /// What is booked for it. The release of a void is booked only against a hold.
    pub(crate) fn postings(self) -> Vec<Posting> {
        match self {
            Self::Authorised => vec![HOLD],
            Self::Captured => vec![RELEASE, TAKE],
            Self::Voided => vec![RELEASE],
            Self::Refunded(refund) => vec![Posting { refund: Some(refund), ..GIVE_BACK }],
        }
    }
}
