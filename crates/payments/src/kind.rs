//! Which sagas there are.

use crate::named::named;

named! {
    /// The kinds of sagas, each with the table whose rows are such sagas.
    enum Kind {
        /// The checkout of a payment (`saga.rs`).
        Checkout = "payments",
        /// A refund (`refund.rs`).
        Refund = "refunds",
        /// The refunds of a cancelled showtime (`cancellation.rs`).
        Cancellation = "cancelled_showtimes",
    }
}

impl Kind {
    /// The table whose rows are such sagas.
    pub(crate) const fn table(self) -> &'static str {
        self.name()
    }

    /// What metrics call one.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Checkout => "payment",
            Self::Refund => "refund",
            Self::Cancellation => "cancelled_showtime",
        }
    }
}
