//! A ticket as a row.

use moviebooking_domain::{
    money::{InvalidCurrency, Money},
    refund::RefundPolicy,
};
use moviebooking_store::{Row, StoreError, Value};

use crate::ticket::{CheckIn, Sale, Seat, Show, Ticket, Voided};

/// The columns that are written when a ticket is issued and read again, in the order of [`values`].
macro_rules! issued_columns {
    () => {
        "id, payment_id, reservation_id, showtime_id, theater_id, user_id, seat, seat_row, category, price_minor, \
         currency, movie_title, theater_name, theater_address, hall_name, starts_at, time_zone, code, issued_at, \
         refund_until_minutes, refund_fee_basis_points, refund_fee_minor"
    };
}

/// All columns that [`ticket`] reads. By name: a `*` in a prepared statement breaks when a migration adds a column.
macro_rules! columns {
    () => {
        concat!(
            crate::store::row::issued_columns!(),
            ", checked_in_at, checked_in_by, voided_at, void_reason"
        )
    };
}

pub(super) use {columns, issued_columns};

/// What is written when the ticket is issued, and at the end the payment, if it is the first one of it.
pub(super) fn values(ticket: &Ticket, first: bool) -> [Value; 23] {
    let Ticket { id, sale, seat, show, code, issued, .. } = ticket;
    [
        (*id).into(),
        sale.payment.into(),
        sale.reservation.into(),
        sale.showtime.into(),
        show.theater.into(),
        sale.user.into(),
        (&seat.label).into(),
        (&seat.row).into(),
        (&seat.category).into(),
        seat.price.minor.into(),
        seat.price.currency.code().into(),
        (&show.movie_title).into(),
        (&show.theater_name).into(),
        (&show.theater_address).into(),
        (&show.hall_name).into(),
        show.start.into(),
        (&show.time_zone).into(),
        code.into(),
        (*issued).into(),
        show.refund_policy.map(|policy| i64::from(policy.until_minutes_before_start)).into(),
        show.refund_policy.map(|policy| i64::from(policy.fee_basis_points)).into(),
        show.refund_policy.map(|policy| policy.fee_minor).into(),
        first.then_some(sale.payment).into(),
    ]
}

pub(super) fn ticket(row: &Row) -> Result<Ticket, StoreError> {
    let checked_in = match (row.get("checked_in_at")?, row.get("checked_in_by")?) {
        (Some(at), Some(by)) => Some(CheckIn { at, by }),
        _ => None,
    };
    let voided = match (row.get("voided_at")?, row.get("void_reason")?) {
        (Some(at), Some(reason)) => Some(Voided { at, reason }),
        _ => None,
    };
    Ok(Ticket {
        id: row.get("id")?,
        sale: Sale {
            payment: row.get("payment_id")?,
            reservation: row.get("reservation_id")?,
            showtime: row.get("showtime_id")?,
            user: row.get("user_id")?,
        },
        seat: Seat {
            label: row.get("seat")?,
            row: row.get("seat_row")?,
            category: row.get("category")?,
            price: price(row)?,
        },
        show: Show {
            movie_title: row.get("movie_title")?,
            theater: row.get("theater_id")?,
            theater_name: row.get("theater_name")?,
            theater_address: row.get("theater_address")?,
            hall_name: row.get("hall_name")?,
            start: row.get("starts_at")?,
            time_zone: row.get("time_zone")?,
            refund_policy: refund_policy(row)?,
        },
        code: row.get("code")?,
        issued: row.get("issued_at")?,
        checked_in,
        voided,
    })
}

pub(super) fn tickets(rows: &[Row]) -> Result<Vec<Ticket>, StoreError> {
    rows.iter().map(ticket).collect()
}

fn refund_policy(row: &Row) -> Result<Option<RefundPolicy>, StoreError> {
    let parts: (Option<i32>, Option<i32>, Option<i64>) =
        (row.get("refund_until_minutes")?, row.get("refund_fee_basis_points")?, row.get("refund_fee_minor")?);
    Ok(match parts {
        (Some(until_minutes_before_start), Some(fee_basis_points), Some(fee_minor)) => {
            Some(RefundPolicy { until_minutes_before_start, fee_basis_points, fee_minor })
        }
        _ => None,
    })
}

fn price(row: &Row) -> Result<Money, StoreError> {
    let code: String = row.get("currency")?;
    let currency = code.parse().map_err(|source: InvalidCurrency| StoreError::Corrupt {
        column: "currency".to_owned(),
        source: source.into(),
    })?;
    Ok(Money::new(row.get("price_minor")?, currency))
}
