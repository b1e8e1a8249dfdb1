use futures::future::join;
use jiff::SignedDuration;
use moviebooking_auth::Caller;
use moviebooking_domain::id::{PaymentId, TheaterId, TicketId};
use moviebooking_proto::{
    Reason,
    tickets::v1::{
        CheckInRequest, Ticket, TicketState, VoidTicketRequest, VoidTicketsRequest,
        tickets_internal_server::TicketsInternal as _, tickets_service_server::TicketsService as _,
    },
};
use moviebooking_store::both_engines;
use tonic::{Response, Status};
use tonic_types::StatusExt as _;

use super::{World, admin, by, now, owner, payments, reason, staff_of};
use crate::MIGRATIONS;

impl World {
    async fn void(&self, caller: &Caller, ticket: &Ticket, request_id: &str) -> Result<Ticket, Status> {
        let request = VoidTicketRequest {
            id: ticket.id.clone(),
            reason: "stolen".to_owned(),
            request_id: request_id.to_owned(),
        };
        self.service.void_ticket(by(caller, request)).await.map(Response::into_inner)
    }

    async fn refund(&self, payment: &str, tickets: &[&str]) -> Result<Vec<Ticket>, Status> {
        self.give_back(payment, tickets, false).await
    }

    async fn give_back(
        &self,
        payment: &str,
        tickets: &[&str],
        leave_checked_in: bool,
    ) -> Result<Vec<Ticket>, Status> {
        let request = VoidTicketsRequest {
            payment_id: payment.to_owned(),
            ticket_ids: tickets.iter().map(ToString::to_string).collect(),
            reason: "refunded".to_owned(),
            leave_checked_in,
        };
        Ok(self.service.void_tickets(by(&payments(), request)).await?.into_inner().tickets)
    }

    async fn let_in(&self, ticket: &Ticket) -> Result<Ticket, Status> {
        use moviebooking_proto::tickets::v1::tickets_service_server::TicketsService;
        let request = CheckInRequest { code: ticket.code.clone(), ..CheckInRequest::default() };
        TicketsService::check_in(&self.service, by(&self.staff(), request)).await.map(Response::into_inner)
    }
}

both_engines! {
    &MIGRATIONS;

    async fn staff_void_a_ticket_once(db: Db) {
        let world = World::on(db);
        let ticket = world.ticket("C7").await;
        let void = world.void(&world.staff(), &ticket, "").await.unwrap();
        assert_eq!((void.state(), void.void_reason.as_str()), (TicketState::Void, "stolen"));
        assert_eq!(void.void_time.unwrap().seconds, now().as_second());
        world.clock.advance(SignedDuration::from_mins(1));
        assert_eq!(world.void(&admin(), &ticket, "").await.unwrap(), void, "the second time changes nothing");
    }

    async fn the_same_request_gets_the_same_answer(db: Db) {
        let world = World::on(db);
        let (one, other) = (world.ticket("C7").await, world.ticket("C8").await);
        let staff = world.staff();
        let void = world.void(&staff, &one, "key").await.unwrap();
        assert_eq!(world.void(&staff, &one, "key").await.unwrap(), void);
        assert_eq!(reason(world.void(&staff, &other, "key").await), Reason::IdempotencyKeyReused);
    }

    async fn who_does_not_run_the_theater_voids_nothing(db: Db) {
        let world = World::on(db);
        let ticket = world.ticket("C7").await;
        let elsewhere = staff_of(&[TheaterId::new(now())]);
        assert_eq!(reason(world.void(&elsewhere, &ticket, "").await), Reason::TicketNotFound);
        assert_eq!(reason(world.void(&owner(&ticket), &ticket, "").await), Reason::PermissionDenied);
        assert_eq!(reason(world.void(&payments(), &ticket, "").await), Reason::PermissionDenied);
        let unknown = Ticket { id: TicketId::new(now()).to_string(), ..Ticket::default() };
        assert_eq!(reason(world.void(&admin(), &unknown, "").await), Reason::TicketNotFound);
        assert_eq!(world.let_in(&ticket).await.unwrap().state(), TicketState::CheckedIn);
    }

    async fn who_is_in_stays_in(db: Db) {
        let world = World::on(db);
        let ticket = world.ticket("C7").await;
        world.let_in(&ticket).await.unwrap();
        assert_eq!(reason(world.void(&world.staff(), &ticket, "").await), Reason::TicketAlreadyCheckedIn);
    }

    async fn a_refund_voids_all_or_what_is_named(db: Db) {
        let world = World::on(db);
        let tickets = world.issue(&world.sale(&["A1", "A2", "A3"])).await.unwrap();
        let payment = tickets[0].payment_id.as_str();
        let one = world.refund(payment, &[&tickets[1].id]).await.unwrap();
        assert_eq!(one.iter().map(|ticket| ticket.seat.as_str()).collect::<Vec<_>>(), ["A2"]);
        world.clock.advance(SignedDuration::from_mins(1));
        let all = world.refund(payment, &[]).await.unwrap();
        assert_eq!(all.len(), 3);
        assert!(all.iter().all(|ticket| ticket.state() == TicketState::Void && ticket.void_reason == "refunded"));
        assert_eq!(all[1], one[0], "what was void keeps its time");
        assert_eq!(world.refund(payment, &[]).await.unwrap(), all);
        assert_eq!(world.refund(&PaymentId::new(now()).to_string(), &[]).await.unwrap(), []);
        // The seats are free to be sold again.
        world.issue(&world.sale(&["A1", "A2", "A3"])).await.unwrap();
    }

    async fn a_refund_of_a_ticket_that_was_used_voids_none(db: Db) {
        let world = World::on(db);
        let tickets = world.issue(&world.sale(&["A1", "A2"])).await.unwrap();
        let payment = tickets[0].payment_id.as_str();
        world.let_in(&tickets[1]).await.unwrap();
        for named in [vec![], vec![tickets[0].id.as_str(), tickets[1].id.as_str()]] {
            assert_eq!(reason(world.refund(payment, &named).await), Reason::TicketAlreadyCheckedIn);
        }
        world.refund(payment, &[&tickets[0].id]).await.unwrap();
    }

    async fn a_refund_names_the_tickets_that_are_not_of_the_payment(db: Db) {
        let world = World::on(db);
        let (mine, foreign) = (world.ticket("A1").await, world.ticket("A2").await);
        let status = world.refund(&mine.payment_id, &[&mine.id, &foreign.id]).await.unwrap_err();
        assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, "ticket_ids[1]");
        let malformed = world.refund(&mine.payment_id, &["7"]).await.unwrap_err();
        assert_eq!(malformed.get_details_bad_request().unwrap().field_violations[0].field, "ticket_ids[0]");
        assert_eq!(world.let_in(&mine).await.unwrap().state(), TicketState::CheckedIn);
    }

    async fn a_refund_and_the_door_never_both_win(db: Db) {
        let world = World::on(db);
        for row in 'A'..='H' {
            let seats = [format!("{row}1"), format!("{row}2")];
            let tickets = world.issue(&world.sale(&[&seats[0], &seats[1]])).await.unwrap();
            let (refund, door) = join(world.refund(&tickets[0].payment_id, &[]), world.let_in(&tickets[0])).await;
            assert!(refund.is_ok() != door.is_ok(), "{refund:?} {door:?}");
        }
    }

    async fn of_a_cancelled_showtime_the_valid_ones_become_void(db: Db) {
        let world = World::on(db);
        let tickets = world.issue(&world.sale(&["C7", "C8"])).await.unwrap();
        world.let_in(&tickets[0]).await.unwrap();
        let payment = tickets[0].payment_id.as_str();
        for _ in 0..2 {
            let after = world.give_back(payment, &[], true).await.unwrap();
            let states: Vec<TicketState> = after.iter().map(Ticket::state).collect();
            assert_eq!(states, [TicketState::CheckedIn, TicketState::Void]);
        }
    }
}
