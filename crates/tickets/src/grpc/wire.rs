//! From domain values to messages.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use moviebooking_fields::{refund, time, to_money};
use moviebooking_proto::tickets::v1 as wire;

use crate::{code::PublicKey, ticket::Ticket};

impl From<&Ticket> for wire::Ticket {
    fn from(ticket: &Ticket) -> Self {
        let Ticket { id, sale, seat, show, code, issued, checked_in, voided } = ticket;
        let state = match (checked_in, voided) {
            (_, Some(_)) => wire::TicketState::Void,
            (Some(_), None) => wire::TicketState::CheckedIn,
            (None, None) => wire::TicketState::Valid,
        };
        Self {
            id: id.to_string(),
            payment_id: sale.payment.to_string(),
            reservation_id: sale.reservation.to_string(),
            showtime_id: sale.showtime.to_string(),
            theater_id: show.theater.to_string(),
            user_id: sale.user.to_string(),
            state: state.into(),
            seat: seat.label.clone(),
            row: seat.row.clone(),
            category: seat.category.clone(),
            price: Some(to_money(seat.price)),
            movie_title: show.movie_title.clone(),
            theater_name: show.theater_name.clone(),
            theater_address: show.theater_address.clone(),
            hall_name: show.hall_name.clone(),
            start_time: Some(time::to_wire(show.start)),
            local_start_time: show.local_start().strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
            time_zone: show.time_zone.clone(),
            code: code.clone(),
            issue_time: Some(time::to_wire(*issued)),
            check_in_time: checked_in.map(|check_in| time::to_wire(check_in.at)),
            checked_in_by: checked_in.map_or_else(String::new, |check_in| check_in.by.to_string()),
            void_time: voided.as_ref().map(|voided| time::to_wire(voided.at)),
            refund_policy: show.refund_policy.map(refund::to_wire),
            void_reason: voided.as_ref().map_or_else(String::new, |voided| voided.reason.clone()),
        }
    }
}

impl From<&PublicKey> for wire::TicketKey {
    fn from(key: &PublicKey) -> Self {
        Self { id: key.id.into(), public_key: URL_SAFE_NO_PAD.encode(key.bytes) }
    }
}
