//! Rows to values and back.

use moviebooking_domain::money::Money;
use moviebooking_proto::reservations::v1::ReservedSeat;
use moviebooking_store::{Row, StoreError};
use prost::Message;

use crate::{
    board::{Change, ChangeKind, Claim},
    reservation::{Reservation, State},
};

/// The column `reservations.seats`.
#[derive(Clone, PartialEq, Message)]
struct Seats {
    #[prost(message, repeated, tag = "1")]
    seats: Vec<ReservedSeat>,
}

pub(super) fn encode_seats(seats: &[ReservedSeat]) -> Vec<u8> {
    Seats { seats: seats.to_vec() }.encode_to_vec()
}

/// Labels in one column; none of them can have a line break.
pub(super) fn join_labels(labels: &[String]) -> String {
    labels.join("\n")
}

pub(super) fn reservation(row: &Row) -> Result<Reservation, StoreError> {
    let state: String = row.get("state")?;
    let currency: String = row.get("currency")?;
    let seats: Vec<u8> = row.get("seats")?;
    Ok(Reservation {
        id: row.get("id")?,
        showtime: row.get("showtime_id")?,
        theater: row.get("theater_id")?,
        user: row.get("user_id")?,
        state: State::from_name(&state).ok_or_else(|| corrupt("state", "unknown"))?,
        seats: Seats::decode(seats.as_slice()).map_err(|error| corrupt("seats", error))?.seats,
        total: Money::new(
            row.get("total_minor")?,
            currency.parse().map_err(|error| corrupt("currency", error))?,
        ),
        expires_at: row.get("expires_at")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
        payment: row.get("payment_id")?,
        offered_for: row.get("offered_for")?,
    })
}

pub(super) fn change(row: &Row) -> Result<Change, StoreError> {
    let kind: String = row.get("kind")?;
    let seats: String = row.get("seats")?;
    Ok(Change {
        sequence: row.get("sequence")?,
        kind: ChangeKind::from_name(&kind).ok_or_else(|| corrupt("kind", "unknown"))?,
        reservation: row.get("reservation_id")?,
        user: row.get("user_id")?,
        seats: seats.lines().map(str::to_owned).collect(),
        expires_at: row.get("expires_at")?,
        at: row.get("at")?,
    })
}

/// The columns of `seat_claims`.
pub(super) fn claim(row: &Row) -> Result<Claim, StoreError> {
    Ok(Claim {
        reservation: row.get("reservation_id")?,
        user: row.get("user_id")?,
        sold: row.get::<String>("state")? == "sold",
        expires_at: row.get("expires_at")?,
    })
}

fn corrupt(column: &str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::Corrupt { column: column.to_owned(), source: source.into() }
}
