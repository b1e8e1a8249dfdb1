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
    /// Give tickets for others.
    Exchange,
    /// Cancel a showtime.
    Cancel,
}

/// How a booking ended, as its buyer sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Paid, with tickets.
    Paid,
    /// Paid after the hold had expired, with tickets.
    PaidLate,
    /// Paid, and refunded by staff: all of it or one ticket.
    Refunded,
    /// Paid, and returned by the buyer, less a fee: all of it or one ticket.
    Returned,
    /// Paid, and exchanged.
    Exchanged,
    /// Paid and exchanged, and what came of that returned.
    ExchangedAndReturned,
    /// The card was declined, and the seats given back.
    Declined,
    /// Authorised, and given back because the booking could not be completed.
    Voided,
    /// The showtime was cancelled before.
    Cancelled,
    /// The seats could not be had.
    NoSeats,
    /// Held, and given back or left to expire, before or while it was paid for.
    LetGo,
    /// No final answer came in time.
    Unanswered,
}

impl Outcome {
    /// For tables.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Paid => "paid",
            Self::PaidLate => "paid late",
            Self::Refunded => "refunded",
            Self::Returned => "returned for a fee",
            Self::Exchanged => "exchanged",
            Self::ExchangedAndReturned => "exchanged and returned",
            Self::Declined => "declined",
            Self::Voided => "voided",
            Self::Cancelled => "cancelled before",
            Self::NoSeats => "no such seats left",
            Self::LetGo => "let go",
            Self::Unanswered => "not answered in time",
        }
    }
}
