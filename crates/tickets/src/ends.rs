//! How a ticket ends: let in at the door, or void.

use moviebooking_auth::Caller;
use moviebooking_domain::id::{PaymentId, ShowtimeId, TicketId};
use moviebooking_proto::tickets::v1 as wire;
use moviebooking_store::{StoreError, idempotency::Request, retry};

use crate::{
    Service, TicketError,
    code::{self, InvalidCode},
    metrics, store,
    ticket::{CheckIn, Ticket},
};

impl Service {
    /// Lets in who carries this code, once. For staff of the ticket's theater.
    pub(crate) async fn check_in(
        &self,
        caller: &Caller,
        code: &str,
        showtime: Option<ShowtimeId>,
        request: &Request,
    ) -> Result<wire::Ticket, TicketError> {
        self.try_check_in(caller, code, showtime, request).await.inspect_err(metrics::refused)
    }

    async fn try_check_in(
        &self,
        caller: &Caller,
        code: &str,
        showtime: Option<ShowtimeId>,
        request: &Request,
    ) -> Result<wire::Ticket, TicketError> {
        let user = caller.user()?;
        let claims = match code::verify(self.keys.get().await?.public(), code) {
            // Another replica has looked at the keys later than this one.
            Err(InvalidCode::UnknownKey) => code::verify(self.keys.look().await?.public(), code)?,
            verified => verified?,
        };
        if showtime.is_some_and(|door| door != claims.showtime) {
            return Err(TicketError::WrongShowtime { showtime: claims.showtime, start: claims.start });
        }
        let theaters = (!user.admin).then_some(user.staff_of.as_slice());
        retry(|| async {
            let now = self.clock.now();
            let mut tx = self.db.begin().await?;
            if let Some(answer) = request.begin(&mut tx, now).await? {
                return Ok(answer);
            }
            let check_in = CheckIn { at: now, by: user.id };
            let Some(ticket) = store::check_in(&mut tx, claims.ticket, theaters, check_in).await? else {
                let ticket = store::get(&mut tx, claims.ticket).await?.ok_or(TicketError::NotFound)?;
                caller.must_run(ticket.show.theater)?;
                return Err(already_ended(&ticket));
            };
            let answer = wire::Ticket::from(&ticket);
            request.finish(&mut tx, &answer).await?;
            tx.commit().await?;
            metrics::checked_in();
            Ok(answer)
        })
        .await
    }

    /// Makes a ticket worthless; one that is already stays as it is. For staff of its theater.
    pub(crate) async fn void(
        &self,
        caller: &Caller,
        id: TicketId,
        reason: &str,
        request: &Request,
    ) -> Result<wire::Ticket, TicketError> {
        caller.user()?;
        retry(|| async {
            let now = self.clock.now();
            let mut tx = self.db.begin().await?;
            if let Some(answer) = request.begin(&mut tx, now).await? {
                return Ok(answer);
            }
            let before = store::get(&mut tx, id).await?.filter(|ticket| may_see(caller, ticket));
            caller.must_run(before.ok_or(TicketError::NotFound)?.show.theater)?;
            let voided = store::void(&mut tx, id, now, reason).await?;
            let count = usize::from(voided.is_some());
            let ticket = match voided {
                Some(ticket) => ticket,
                None => {
                    let ended = store::get(&mut tx, id).await?.ok_or(TicketError::NotFound)?;
                    if ended.voided.is_none() {
                        return Err(already_ended(&ended));
                    }
                    ended
                }
            };
            let answer = wire::Ticket::from(&ticket);
            request.finish(&mut tx, &answer).await?;
            tx.commit().await?;
            metrics::voided(count);
            Ok(answer)
        })
        .await
    }

    /// Voids these tickets of a payment, or all of them when none is named; if one was let in, none, unless those are to
    /// be left. Those that are void already stay as they are.
    pub(crate) async fn void_of_payment(
        &self,
        payment: PaymentId,
        ids: &[TicketId],
        reason: &str,
        leave_checked_in: bool,
    ) -> Result<Vec<Ticket>, TicketError> {
        retry(|| async {
            let mut tx = self.db.begin().await?;
            // First the update: from then on nobody is let in with one of these until the transaction ends.
            let voided = store::void_of_payment(&mut tx, payment, ids, self.clock.now(), reason).await?;
            let mut tickets = store::of_payment(&mut tx, payment).await?;
            let is_there = |id: &TicketId| tickets.iter().any(|ticket| ticket.id == *id);
            let unknown: Vec<usize> =
                (0..).zip(ids).filter(|(_, id)| !is_there(id)).map(|(at, _)| at).collect();
            if !unknown.is_empty() {
                return Err(TicketError::NotOfPayment(unknown));
            }
            tickets.retain(|ticket| ids.is_empty() || ids.contains(&ticket.id));
            let used = tickets.iter().find(|ticket| ticket.voided.is_none());
            if let Some(used) = used.filter(|_| !leave_checked_in) {
                return Err(already_ended(used));
            }
            tx.commit().await?;
            metrics::voided(voided);
            Ok(tickets)
        })
        .await
    }
}

/// Whether the caller may know that the ticket exists: its owner, staff of its theater, admins, other services.
pub(crate) fn may_see(caller: &Caller, ticket: &Ticket) -> bool {
    caller.is_service() || caller.is(ticket.sale.user) || caller.runs(ticket.show.theater)
}

/// Why a ticket that has ended cannot end again.
fn already_ended(ticket: &Ticket) -> TicketError {
    match (&ticket.checked_in, &ticket.voided) {
        (Some(check_in), _) => TicketError::CheckedIn(*check_in),
        (None, Some(voided)) => TicketError::Void { at: voided.at },
        // An update that wanted a valid ticket did not find one, and no ticket becomes valid again.
        (None, None) => StoreError::NoRow.into(),
    }
}
