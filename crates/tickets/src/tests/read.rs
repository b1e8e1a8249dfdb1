use moviebooking_auth::Caller;
use moviebooking_domain::id::{TheaterId, TicketId, UserId};
use moviebooking_proto::{
    Reason,
    tickets::v1::{
        GetTicketRequest, ListTicketsRequest, ListTicketsResponse, Ticket,
        tickets_service_server::TicketsService as _,
    },
};
use moviebooking_store::both_engines;
use tonic::{Response, Status};

use super::{World, admin, by, now, owner, payments, reason, staff_of, user};
use crate::MIGRATIONS;

impl World {
    async fn get(&self, caller: &Caller, id: &str) -> Result<Ticket, Status> {
        let request = GetTicketRequest { id: id.to_owned() };
        self.service.get_ticket(by(caller, request)).await.map(Response::into_inner)
    }

    async fn list(
        &self,
        caller: &Caller,
        request: ListTicketsRequest,
    ) -> Result<ListTicketsResponse, Status> {
        self.service.list_tickets(by(caller, request)).await.map(Response::into_inner)
    }

    async fn seats(&self, caller: &Caller, request: ListTicketsRequest) -> Vec<String> {
        let mut seats: Vec<String> =
            self.list(caller, request).await.unwrap().tickets.into_iter().map(|ticket| ticket.seat).collect();
        seats.sort();
        seats
    }
}

both_engines! {
    &MIGRATIONS;

    async fn a_ticket_is_seen_by_its_owner_its_theater_admins_and_services(db: Db) {
        let world = World::on(db);
        let ticket = world.ticket("C7").await;
        for caller in [owner(&ticket), world.staff(), admin(), payments()] {
            assert_eq!(world.get(&caller, &ticket.id).await.unwrap(), ticket, "{caller:?}");
        }
        let stranger = user(UserId::new(now()), false, &[]);
        for caller in [stranger, staff_of(&[TheaterId::new(now())]), Caller::Anonymous] {
            assert_eq!(reason(world.get(&caller, &ticket.id).await), Reason::TicketNotFound, "{caller:?}");
        }
        assert_eq!(reason(world.get(&admin(), &TicketId::new(now()).to_string()).await), Reason::TicketNotFound);
        assert_eq!(reason(world.get(&admin(), "7").await), Reason::InvalidArgument);
    }

    async fn a_list_shows_what_the_caller_may_see(db: Db) {
        let world = World::on(db);
        let mine = world.issue(&world.sale(&["A1", "A2"])).await.unwrap();
        let other = world.ticket("B1").await;
        let me = owner(&mine[0]);
        let all = ListTicketsRequest::default;
        let of_showtime = || ListTicketsRequest { showtime_id: world.showtime.to_string(), ..all() };
        let of_payment = |ticket: &Ticket| ListTicketsRequest { payment_id: ticket.payment_id.clone(), ..all() };
        let elsewhere = staff_of(&[TheaterId::new(now())]);

        assert_eq!(world.seats(&me, all()).await, ["A1", "A2"]);
        assert_eq!(world.seats(&me, of_showtime()).await, ["A1", "A2"]);
        assert_eq!(world.seats(&me, of_payment(&mine[0])).await, ["A1", "A2"]);
        assert!(world.seats(&me, of_payment(&other)).await.is_empty());
        assert!(world.seats(&world.staff(), all()).await.is_empty(), "staff own none of them");
        assert_eq!(world.seats(&world.staff(), of_showtime()).await, ["A1", "A2", "B1"]);
        assert!(world.seats(&elsewhere, of_showtime()).await.is_empty());
        assert_eq!(world.seats(&admin(), all()).await, ["A1", "A2", "B1"]);
        assert_eq!(world.seats(&payments(), of_payment(&other)).await, ["B1"]);
        assert_eq!(reason(world.list(&Caller::Anonymous, all()).await), Reason::Unauthenticated);
    }

    async fn a_list_is_paged_newest_first(db: Db) {
        let world = World::on(db);
        for number in 1..=5 {
            world.clock.advance(jiff::SignedDuration::from_secs(1));
            world.ticket(&format!("A{number}")).await;
        }
        let page = |page_token: String| ListTicketsRequest { page_size: 2, page_token, ..ListTicketsRequest::default() };
        let (mut seen, mut token) = (Vec::new(), String::new());
        loop {
            let answer = world.list(&admin(), page(token)).await.unwrap();
            assert!(answer.tickets.len() <= 2);
            seen.extend(answer.tickets.into_iter().map(|ticket| ticket.seat));
            token = answer.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(seen, ["A5", "A4", "A3", "A2", "A1"]);

        let token = world.list(&admin(), page(String::new())).await.unwrap().next_page_token;
        let other = ListTicketsRequest { showtime_id: world.showtime.to_string(), ..page(token.clone()) };
        assert_eq!(reason(world.list(&admin(), other).await), Reason::InvalidPageToken);
        assert_eq!(reason(world.list(&world.staff(), page(token)).await), Reason::InvalidPageToken);
        assert_eq!(reason(world.list(&admin(), page("x".to_owned())).await), Reason::InvalidPageToken);
        let negative = ListTicketsRequest { page_size: -1, ..ListTicketsRequest::default() };
        assert_eq!(reason(world.list(&admin(), negative).await), Reason::InvalidArgument);
    }
}
