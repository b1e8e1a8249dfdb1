//! How a ticket ends: let in, or void. A ticket has one end, and each statement here changes only one that has none.

use jiff::Timestamp;
use moviebooking_domain::id::{PaymentId, TheaterId, TicketId};
use moviebooking_events::outbox;
use moviebooking_proto::tickets::v1::{TicketCheckedIn, TicketFacts, TicketVoided};
use moviebooking_store::{StoreError, Tx, sql};

use super::row::{columns, ticket};
use crate::ticket::{CheckIn, Ticket};

/// Lets a ticket in, at one of `theaters` if they are given. `None` means that it was not valid, or not for there.
pub(crate) async fn check_in(
    tx: &mut Tx,
    id: TicketId,
    theaters: Option<&[TheaterId]>,
    CheckIn { at, by }: CheckIn,
) -> Result<Option<Ticket>, StoreError> {
    let mut update = sql("UPDATE tickets SET checked_in_at = $2, checked_in_by = $3 \
         WHERE id = $1 AND checked_in_at IS NULL AND voided_at IS NULL")
    .bind(id)
    .bind(at)
    .bind(by);
    if let Some(theaters) = theaters {
        update.push(" AND theater_id IN ").push_list(theaters.iter().copied());
    }
    update.push(concat!(" RETURNING ", columns!()));
    let Some(row) = update.fetch_optional(&mut *tx).await? else { return Ok(None) };
    let ticket = ticket(&row)?;
    let told = TicketCheckedIn { ticket: Some(facts(&ticket)), checked_in_by: by.to_string() };
    outbox::append(tx, at, id, &told).await?;
    Ok(Some(ticket))
}

/// Voids a ticket. `None` means that it was not valid.
pub(crate) async fn void(
    tx: &mut Tx,
    id: TicketId,
    at: Timestamp,
    reason: &str,
) -> Result<Option<Ticket>, StoreError> {
    let row = sql(concat!(
        "UPDATE tickets SET voided_at = $2, void_reason = $3 \
         WHERE id = $1 AND checked_in_at IS NULL AND voided_at IS NULL RETURNING ",
        columns!()
    ))
    .bind(id)
    .bind(at)
    .bind(reason)
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let ticket = ticket(&row)?;
    outbox::append(tx, at, id, &TicketVoided { ticket: Some(facts(&ticket)) }).await?;
    Ok(Some(ticket))
}

/// Voids those of a payment's tickets that are valid; of `ids` alone if there are any.
pub(crate) async fn void_of_payment(
    tx: &mut Tx,
    payment: PaymentId,
    ids: &[TicketId],
    at: Timestamp,
    reason: &str,
) -> Result<usize, StoreError> {
    let mut update = sql("UPDATE tickets SET voided_at = $2, void_reason = $3 \
         WHERE payment_id = $1 AND checked_in_at IS NULL AND voided_at IS NULL")
    .bind(payment)
    .bind(at)
    .bind(reason);
    if !ids.is_empty() {
        update.push(" AND id IN ").push_list(ids.iter().copied());
    }
    update.push(concat!(" RETURNING ", columns!()));
    let voided = update.fetch_all(&mut *tx).await?;
    let voided = voided.iter().map(ticket).collect::<Result<Vec<_>, _>>()?;
    let told: Vec<TicketVoided> =
        voided.iter().map(|ticket| TicketVoided { ticket: Some(facts(ticket)) }).collect();
    outbox::append_all(tx, at, voided.iter().map(|ticket| ticket.id).zip(&told)).await?;
    Ok(voided.len())
}

/// What events tell of a ticket.
pub(super) fn facts(ticket: &Ticket) -> TicketFacts {
    TicketFacts {
        ticket_id: ticket.id.to_string(),
        payment_id: ticket.sale.payment.to_string(),
        reservation_id: ticket.sale.reservation.to_string(),
        showtime_id: ticket.sale.showtime.to_string(),
        theater_id: ticket.show.theater.to_string(),
        user_id: ticket.sale.user.to_string(),
        seat: ticket.seat.label.clone(),
    }
}
