//! Domain values to messages.

use jiff::Timestamp;
use moviebooking_domain::{
    id::UserId,
    layout::{Row, Seat},
    money::Money,
    seating::SeatIndex,
};
use moviebooking_fields::{layout::kind_to_wire, time, to_money};
use moviebooking_proto::reservations::v1 as wire;

use crate::{
    board::Board,
    catalogue::Showtime,
    reservation::{Reservation, State},
};

/// A reservation as it is now: a hold whose time is over is shown as expired.
pub(crate) fn reservation(of: &Reservation, now: Timestamp) -> wire::Reservation {
    let state = match of.state {
        State::Held if of.is_active(now) => wire::ReservationState::Active,
        State::Held => wire::ReservationState::Expired,
        State::Confirmed => wire::ReservationState::Confirmed,
        State::Released => wire::ReservationState::Released,
    };
    wire::Reservation {
        id: of.id.to_string(),
        showtime_id: of.showtime.to_string(),
        user_id: of.user.to_string(),
        theater_id: of.theater.to_string(),
        state: state.into(),
        seats: of.seats.clone(),
        total: Some(to_money(of.total)),
        expire_time: Some(time::to_wire(of.expires_at)),
        create_time: Some(time::to_wire(of.created_at)),
        update_time: Some(time::to_wire(of.updated_at)),
        payment_id: of.payment.map(|payment| payment.to_string()).unwrap_or_default(),
        offered_for: of.offered_for.map(|payment| payment.to_string()).unwrap_or_default(),
    }
}

/// A seat of a new reservation.
pub(crate) fn reserved_seat(row: &Row, seat: &Seat, price: Money) -> wire::ReservedSeat {
    wire::ReservedSeat {
        label: seat.label.clone(),
        row: row.label.clone(),
        category: seat.category.clone(),
        kind: kind_to_wire(seat.kind).into(),
        price: Some(to_money(price)),
        freed: false,
    }
}

/// Every seat as it is now, for who looks at it.
pub(crate) fn seat_map(
    showtime: &Showtime,
    board: &Board,
    now: Timestamp,
    viewer: Option<UserId>,
) -> wire::SeatMap {
    let hall = &board.hall;
    let mut index = 0;
    let mut free_count = 0;
    let mut rows = Vec::with_capacity(hall.layout.rows.len());
    for row in &hall.layout.rows {
        let mut seats = Vec::with_capacity(row.seats.len());
        for seat in &row.seats {
            let state = seat_state(board, index, now);
            free_count += i32::from(state == wire::SeatState::Free);
            let mine = |claim: &crate::board::Claim| !claim.sold && Some(claim.user) == viewer;
            seats.push(wire::SeatMapSeat {
                label: seat.label.clone(),
                category: seat.category.clone(),
                kind: kind_to_wire(seat.kind).into(),
                x: seat.x,
                y: seat.y,
                companion_of: seat.companion_of.clone(),
                state: state.into(),
                price: showtime.price(&seat.category).map(to_money),
                held_by_me: board.claim(index, now).is_some_and(mine),
            });
            index += 1;
        }
        rows.push(wire::SeatMapRow { label: row.label.clone(), seats });
    }
    wire::SeatMap {
        showtime_id: showtime.id.to_string(),
        hall_id: hall.id.to_string(),
        layout_version: hall.version,
        rows,
        free_count: if showtime.cancelled || board.closed { 0 } else { free_count },
        sequence: board.sequence,
    }
}

/// The state of these seats, after the board's last change.
pub(crate) fn seat_changes(
    board: &Board,
    seats: impl IntoIterator<Item = SeatIndex>,
    now: Timestamp,
) -> wire::SeatsEvent {
    let seats = seats
        .into_iter()
        .map(|seat| wire::SeatChange {
            label: board.hall.label(seat).to_owned(),
            state: seat_state(board, seat, now).into(),
        })
        .collect();
    wire::SeatsEvent {
        sequence: board.sequence,
        event: Some(wire::seats_event::Event::Changes(wire::SeatChanges { seats })),
    }
}

pub(crate) fn seat_state(board: &Board, seat: SeatIndex, now: Timestamp) -> wire::SeatState {
    match board.claim(seat, now) {
        None => wire::SeatState::Free,
        Some(claim) if claim.sold => wire::SeatState::Sold,
        Some(_) => wire::SeatState::Held,
    }
}
