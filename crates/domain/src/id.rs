//! One type per kind of id, so that a hall's id never stands where a theater's belongs. All are UUIDv7 (RFC 9562).

use std::fmt;

use jiff::Timestamp;
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id that sorts by the time it was made.
            pub fn new(now: Timestamp) -> Self {
                Self(version_7(now))
            }

            /// The bare UUID, for the database.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

ids! {
    /// An account.
    UserId;
    /// All the sessions that came from one login.
    SessionId;
    /// A movie of the catalogue.
    MovieId;
    /// A movie in a hall at a time.
    ShowtimeId;
    /// A theater.
    TheaterId;
    /// A hall of a theater.
    HallId;
    /// A hold of seats, or their sale.
    ReservationId;
    /// A payment.
    PaymentId;
    /// Money of a payment on its way back.
    RefundId;
    /// A ticket.
    TicketId;
}

/// A UUIDv7 for a moment: its first 48 bits are the milliseconds, the rest random.
pub fn version_7(now: Timestamp) -> Uuid {
    let seconds = u64::try_from(now.as_second()).unwrap_or(0);
    let nanoseconds = u32::try_from(now.subsec_nanosecond()).unwrap_or(0);
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanoseconds))
}
