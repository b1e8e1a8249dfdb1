//! The platform's ids as values and columns: each is a `UUID`.

use moviebooking_domain::id as domain;
use sqlx::error::BoxDynError;
use uuid::Uuid;

use crate::row::{Column, FromColumn};
use crate::value::{Bindable, Kind, Value};

macro_rules! ids {
    ($($id:ident)*) => {$(
        impl From<domain::$id> for Value {
            fn from(id: domain::$id) -> Self {
                Self::Uuid(id.uuid())
            }
        }

        impl Bindable for domain::$id {
            const KIND: Kind = Kind::Uuid;
        }

        impl FromColumn for domain::$id {
            fn from_column(column: Column<'_>) -> Result<Self, BoxDynError> {
                Uuid::from_column(column).map(Self::from)
            }
        }
    )*};
}

ids! { UserId SessionId MovieId ShowtimeId TheaterId HallId ReservationId PaymentId RefundId TicketId }
