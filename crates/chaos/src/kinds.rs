//! What a buyer asks for, and what comes of a booking.

use serde::Serialize;

/// A request that changes something, and so has an idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Hold seats.
    Hold,
    /// Pay for them.
    Charge,
    /// Give held seats back.
    Release,
    /// Pay money back.
    Refund,
}

/// How a booking ended, as its buyer sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Paid, with tickets.
    Paid,
    /// Paid, and all of it refunded.
    Refunded,
    /// Paid, and one ticket refunded.
    PartlyRefunded,
    /// The card was declined, and the seats given back.
    Declined,
    /// Authorised, and given back because the booking could not be completed.
    Voided,
    /// The seats could not be had.
    NoSeats,
    /// Held, and given back or left to expire.
    LetGo,
    /// No final answer came in time.
    Unanswered,
}

impl Outcome {
    /// For tables.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Paid => "paid",
            Self::Refunded => "refunded in full",
            Self::PartlyRefunded => "refunded in part",
            Self::Declined => "declined",
            Self::Voided => "voided",
            Self::NoSeats => "no such seats left",
            Self::LetGo => "let go",
            Self::Unanswered => "not answered in time",
        }
    }
}
