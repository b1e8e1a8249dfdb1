//! Issuing tickets: one for each sold seat, once.

use moviebooking_domain::id::TicketId;
use moviebooking_store::retry;

use crate::{
    Service, TicketError,
    code::Claims,
    store::{self, IssueError},
    ticket::{Sale, Seat, Ticket},
};

impl From<IssueError> for TicketError {
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::SeatSold => Self::SeatSold,
            IssueError::Store(error) => error.into(),
        }
    }
}

impl Service {
    /// The tickets for these seats, at least one; they are issued if the payment has none. What was issued before is
    /// answered whether or not others can be asked what to write on it.
    pub(crate) async fn issue(&self, sale: Sale, seats: &[Seat]) -> Result<Vec<Ticket>, TicketError> {
        let tickets = match self.write(sale, seats).await {
            Ok(wanted) => retry(|| self.issuer.issue(sale.payment, &wanted, self.clock.now())).await?,
            Err(error) => match store::of_payment(&self.db, sale.payment).await? {
                none if none.is_empty() => return Err(error),
                tickets => tickets,
            },
        };
        if same_sale(&tickets, sale, seats) { Ok(tickets) } else { Err(TicketError::IssuedOtherwise) }
    }

    async fn write(&self, sale: Sale, seats: &[Seat]) -> Result<Vec<Ticket>, TicketError> {
        let show = self.shows.get(sale.showtime).await?;
        let (keys, now) = (self.keys.get().await?, self.clock.now());
        let key = keys.signer(now)?;
        // Ids of one millisecond are random among themselves; sorted they keep the order of the seats.
        let mut ids: Vec<TicketId> = seats.iter().map(|_| TicketId::new(now)).collect();
        ids.sort_unstable();
        let ticket = |(id, seat): (TicketId, &Seat)| {
            let claims =
                Claims { ticket: id, showtime: sale.showtime, start: show.start, seat: seat.label.clone() };
            Ticket {
                id,
                sale,
                seat: seat.clone(),
                show: (*show).clone(),
                code: key.sign(&claims),
                issued: now,
                checked_in: None,
                voided: None,
            }
        };
        Ok(ids.into_iter().zip(seats).map(ticket).collect())
    }
}

/// Whether the tickets are what was asked for, in whatever order the seats were named.
fn same_sale(tickets: &[Ticket], sale: Sale, seats: &[Seat]) -> bool {
    tickets.len() == seats.len()
        && tickets.iter().all(|ticket| ticket.sale == sale && seats.contains(&ticket.seat))
}
