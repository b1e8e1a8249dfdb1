//! The RPCs for `payments`.

use moviebooking_domain::id::TicketId;
use moviebooking_fields as fields;
use moviebooking_proto::{
    Problem,
    tickets::v1::{
        IssueTicketsRequest, IssueTicketsResponse, SoldSeat, VoidTicketsRequest, VoidTicketsResponse,
        tickets_internal_server::TicketsInternal,
    },
};
use tonic::{Request, Response, Status, async_trait};

use super::LONGEST_REASON;
use crate::{
    Service,
    ticket::{Sale, Seat},
};

/// Seats of one payment at most: more than any buyer may hold.
const MOST_SEATS: usize = 100;

#[async_trait]
impl TicketsInternal for Service {
    async fn issue_tickets(
        &self,
        request: Request<IssueTicketsRequest>,
    ) -> Result<Response<IssueTicketsResponse>, Status> {
        let request = request.into_inner();
        let sale = Sale {
            payment: fields::id("payment_id", &request.payment_id)?,
            reservation: fields::id("reservation_id", &request.reservation_id)?,
            showtime: fields::id("showtime_id", &request.showtime_id)?,
            user: fields::id("user_id", &request.user_id)?,
        };
        let tickets = self.issue(sale, &sold_seats(&request.seats)?).await?;
        Ok(Response::new(IssueTicketsResponse { tickets: tickets.iter().map(Into::into).collect() }))
    }

    async fn void_tickets(
        &self,
        request: Request<VoidTicketsRequest>,
    ) -> Result<Response<VoidTicketsResponse>, Status> {
        let request = request.into_inner();
        let payment = fields::id("payment_id", &request.payment_id)?;
        fields::at_most("ticket_ids", &request.ticket_ids, MOST_SEATS)?;
        let ids: Vec<TicketId> = (0..)
            .zip(&request.ticket_ids)
            .map(|(at, id): (usize, _)| fields::id(&format!("ticket_ids[{at}]"), id))
            .collect::<Result<_, _>>()?;
        let reason = fields::long_text("reason", &request.reason, 0, LONGEST_REASON)?;
        let tickets = self.void_of_payment(payment, &ids, &reason, request.leave_checked_in).await?;
        Ok(Response::new(VoidTicketsResponse { tickets: tickets.iter().map(Into::into).collect() }))
    }
}

fn sold_seats(sold: &[SoldSeat]) -> Result<Vec<Seat>, Problem> {
    if sold.is_empty() {
        return Err(Problem::invalid("seats", "name at least one seat"));
    }
    fields::at_most("seats", sold, MOST_SEATS)?;
    let mut seats: Vec<Seat> = Vec::with_capacity(sold.len());
    for (at, seat) in sold.iter().enumerate() {
        let field = |name: &str| format!("seats[{at}].{name}");
        let label = fields::text(&field("label"), &seat.label, 1, 20)?;
        if seats.iter().any(|before| before.label == label) {
            return Err(Problem::invalid(field("label"), "name each seat once"));
        }
        seats.push(Seat {
            label,
            row: fields::text(&field("row"), &seat.row, 1, 20)?,
            category: fields::text(&field("category"), &seat.category, 1, 50)?,
            price: fields::money(&field("price"), seat.price.as_ref())?,
        });
    }
    Ok(seats)
}
