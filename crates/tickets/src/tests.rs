//! Every use case through its RPC's handler, on both engines, with stand-ins for `movies` and `theaters`.

mod check_in;
mod issue;
mod neighbours;
mod printing;
mod read;
mod voiding;

use std::sync::Arc;

use jiff::Timestamp;
use moviebooking_auth::{Caller, User};
use moviebooking_domain::{
    clock::ManualClock,
    id::{PaymentId, ReservationId, SessionId, ShowtimeId, TheaterId, UserId},
};
use moviebooking_proto::{
    Reason,
    money::v1::Money,
    problem::reason_of,
    tickets::v1::{IssueTicketsRequest, SoldSeat, Ticket, tickets_internal_server::TicketsInternal as _},
};
use moviebooking_store::Db;
use tonic::{Request, Status};

use crate::Service;
use neighbours::Neighbours;

const NOW: &str = "2026-11-22T12:00:00Z";

/// The service with its neighbours, and a showtime to sell tickets for.
struct World {
    service: Service,
    clock: Arc<ManualClock>,
    neighbours: Neighbours,
    theater: TheaterId,
    showtime: ShowtimeId,
}

impl World {
    fn on(db: Db) -> Self {
        let clock = ManualClock::at(NOW.parse().unwrap());
        let (theater, showtime) = (TheaterId::new(now()), ShowtimeId::new(now()));
        let neighbours = Neighbours::showing(theater, showtime);
        let service = neighbours.service(db, clock.clone());
        Self { service, clock, neighbours, theater, showtime }
    }

    /// A request to issue tickets for these seats to somebody new.
    fn sale(&self, seats: &[&str]) -> IssueTicketsRequest {
        IssueTicketsRequest {
            payment_id: PaymentId::new(now()).to_string(),
            reservation_id: ReservationId::new(now()).to_string(),
            showtime_id: self.showtime.to_string(),
            user_id: UserId::new(now()).to_string(),
            seats: seats.iter().map(|label| seat(label)).collect(),
        }
    }

    async fn issue(&self, sale: &IssueTicketsRequest) -> Result<Vec<Ticket>, Status> {
        let request = by(&payments(), sale.clone());
        Ok(self.service.issue_tickets(request).await?.into_inner().tickets)
    }

    /// One ticket for one seat of somebody new.
    async fn ticket(&self, seat: &str) -> Ticket {
        self.issue(&self.sale(&[seat])).await.unwrap().remove(0)
    }

    /// Staff of the theater.
    fn staff(&self) -> Caller {
        staff_of(&[self.theater])
    }
}

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn seat(label: &str) -> SoldSeat {
    SoldSeat {
        label: label.to_owned(),
        row: label.chars().take(1).collect(),
        category: "standard".to_owned(),
        price: Some(Money { amount_minor: 1250, currency_code: "EUR".to_owned() }),
    }
}

fn by<T>(caller: &Caller, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(caller.clone());
    request
}

fn payments() -> Caller {
    Caller::Service("payments".into())
}

fn user(id: UserId, admin: bool, staff_of: &[TheaterId]) -> Caller {
    let (session, expire_time) = (SessionId::new(now()), Timestamp::MAX);
    Caller::User(Arc::new(User { id, session, admin, staff_of: staff_of.to_vec(), expire_time }))
}

fn staff_of(theaters: &[TheaterId]) -> Caller {
    user(UserId::new(now()), false, theaters)
}

fn admin() -> Caller {
    user(UserId::new(now()), true, &[])
}

fn owner(ticket: &Ticket) -> Caller {
    let id: uuid::Uuid = ticket.user_id.parse().unwrap();
    user(id.into(), false, &[])
}

/// The account behind a caller.
fn account(caller: &Caller) -> String {
    caller.user().unwrap().id.to_string()
}

fn reason<T: std::fmt::Debug>(outcome: Result<T, Status>) -> Reason {
    reason_of(&outcome.unwrap_err()).unwrap()
}
