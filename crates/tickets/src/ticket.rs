//! A ticket: what was sold, as it was when it was issued, and what became of it.

use jiff::{Timestamp, Zoned, tz::TimeZone};
use moviebooking_domain::{
    id::{PaymentId, ReservationId, ShowtimeId, TheaterId, TicketId, UserId},
    money::Money,
    refund::RefundPolicy,
};

/// An issued ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) id: TicketId,
    pub(crate) sale: Sale,
    pub(crate) seat: Seat,
    pub(crate) show: Show,
    /// See [`code`](crate::code).
    pub(crate) code: String,
    pub(crate) issued: Timestamp,
    /// Never set together with `voided`.
    pub(crate) checked_in: Option<CheckIn>,
    pub(crate) voided: Option<Voided>,
}

/// What the tickets of one payment have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sale {
    pub(crate) payment: PaymentId,
    pub(crate) reservation: ReservationId,
    pub(crate) showtime: ShowtimeId,
    pub(crate) user: UserId,
}

/// The seat that was sold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seat {
    pub(crate) label: String,
    pub(crate) row: String,
    pub(crate) category: String,
    pub(crate) price: Money,
}

/// What is shown, where and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Show {
    pub(crate) movie_title: String,
    pub(crate) theater: TheaterId,
    pub(crate) theater_name: String,
    /// One line.
    pub(crate) theater_address: String,
    pub(crate) hall_name: String,
    pub(crate) start: Timestamp,
    /// IANA name.
    pub(crate) time_zone: String,
    /// How buyers may return tickets; none where only staff pays back.
    pub(crate) refund_policy: Option<RefundPolicy>,
}

impl Show {
    /// The start where the theater is; in UTC if this machine does not know the theater's time zone.
    pub(crate) fn local_start(&self) -> Zoned {
        let zone = TimeZone::get(&self.time_zone).unwrap_or_else(|error| {
            tracing::warn!(%error, "time zone not known here");
            TimeZone::UTC
        });
        self.start.to_zoned(zone)
    }
}

/// Who let it in, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CheckIn {
    pub(crate) at: Timestamp,
    pub(crate) by: UserId,
}

/// When it was made worthless, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Voided {
    pub(crate) at: Timestamp,
    pub(crate) reason: String,
}
