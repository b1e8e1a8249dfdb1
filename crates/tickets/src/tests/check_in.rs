use futures::future::join_all;
use jiff::SignedDuration;
use moviebooking_auth::Caller;
use moviebooking_domain::id::{ShowtimeId, TheaterId};
use moviebooking_proto::{
    Reason,
    tickets::v1::{
        CheckInRequest, GetTicketRequest, Ticket, TicketState, VoidTicketRequest,
        tickets_service_server::TicketsService as _,
    },
};
use moviebooking_store::{both_engines, sql};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic_types::StatusExt as _;

use super::{World, account, admin, by, now, owner, reason, staff_of};
use crate::{MIGRATIONS, keys::Keys};

impl World {
    async fn check_in(&self, caller: &Caller, code: &str) -> Result<Ticket, Status> {
        let request = CheckInRequest { code: code.to_owned(), ..CheckInRequest::default() };
        self.check_in_with(caller, request).await
    }

    async fn check_in_with(&self, caller: &Caller, request: CheckInRequest) -> Result<Ticket, Status> {
        use moviebooking_proto::tickets::v1::tickets_service_server::TicketsService;
        TicketsService::check_in(&self.service, by(caller, request)).await.map(tonic::Response::into_inner)
    }
}

both_engines! {
    &MIGRATIONS;

    async fn a_ticket_lets_in_once_and_tells_who_did_it_when(db: Db) {
        let world = World::on(db);
        let ticket = world.ticket("C7").await;
        let staff = world.staff();
        world.clock.advance(SignedDuration::from_hours(7));
        let let_in = world.check_in(&staff, &format!(" {}\n", ticket.code)).await.unwrap();
        assert_eq!(let_in.state(), TicketState::CheckedIn);
        assert_eq!(let_in.checked_in_by, account(&staff));
        assert_eq!(let_in.check_in_time.unwrap().seconds, now().as_second() + 7 * 3600);
        world.clock.advance(SignedDuration::from_mins(1));

        let again = world.check_in(&admin(), &ticket.code).await.unwrap_err();
        let details = again.get_details_error_info().unwrap();
        assert_eq!(details.reason, "TICKET_ALREADY_CHECKED_IN");
        assert_eq!(details.metadata["check_in_time"], "2026-11-22T19:00:00Z");
        assert_eq!(details.metadata["checked_in_by"], account(&staff));

        let seen = world.service.get_ticket(by(&owner(&ticket), GetTicketRequest { id: ticket.id })).await.unwrap();
        assert_eq!(seen.into_inner(), let_in);
    }

    async fn a_key_that_another_replica_knows_first_is_learned_at_the_door(db: Db) {
        let (world, other) = (World::on(db.clone()), World::on(db.clone()));
        world.ticket("A1").await;
        Keys::new(db, world.clock.clone()).replace(true).await.unwrap();
        let ticket = other.ticket("A2").await;
        assert_eq!(world.check_in(&admin(), &ticket.code).await.unwrap().state(), TicketState::CheckedIn);
    }

    async fn of_sixteen_at_once_one_gets_in(db: Db) {
        let world = World::on(db);
        let ticket = world.ticket("C7").await;
        let staff: Vec<Caller> = (0..16).map(|_| world.staff()).collect();
        let outcomes = join_all(staff.iter().map(|staff| world.check_in(staff, &ticket.code))).await;
        let winner: Vec<_> = outcomes.iter().flatten().map(|ticket| ticket.checked_in_by.clone()).collect();
        assert_eq!(winner.len(), 1);
        for status in outcomes.into_iter().filter_map(Result::err) {
            let details = status.get_details_error_info().unwrap();
            assert_eq!(details.reason, "TICKET_ALREADY_CHECKED_IN");
            assert_eq!(details.metadata["checked_in_by"], winner[0]);
        }
    }

    async fn the_same_request_gets_the_same_answer(db: Db) {
        let world = World::on(db);
        let (one, other) = (world.ticket("C7").await, world.ticket("C8").await);
        let staff = world.staff();
        let with = |code: &str| CheckInRequest {
            code: code.to_owned(),
            request_id: "scan-1".to_owned(),
            ..CheckInRequest::default()
        };
        let first = world.check_in_with(&staff, with(&one.code)).await.unwrap();
        world.clock.advance(SignedDuration::from_mins(1));
        assert_eq!(world.check_in_with(&staff, with(&one.code)).await.unwrap(), first);
        assert_eq!(reason(world.check_in_with(&staff, with(&other.code)).await), Reason::IdempotencyKeyReused);
        // A key belongs to its caller; a refusal is not kept.
        assert_eq!(reason(world.check_in_with(&world.staff(), with(&one.code)).await), Reason::TicketAlreadyCheckedIn);
    }

    async fn sixteen_repetitions_of_one_request_get_one_answer(db: Db) {
        let world = World::on(db);
        let ticket = world.ticket("C7").await;
        let staff = world.staff();
        let request = CheckInRequest { code: ticket.code, request_id: "scan-1".to_owned(), ..CheckInRequest::default() };
        let answers = join_all((0..16).map(|_| world.check_in_with(&staff, request.clone()))).await;
        let first = answers[0].as_ref().unwrap().clone();
        for answer in answers {
            assert_eq!(answer.unwrap(), first);
        }
    }

    async fn answers_are_forgotten_after_a_day(db: Db) {
        let world = World::on(db.clone());
        let ticket = world.ticket("C7").await;
        let request = CheckInRequest { code: ticket.code, request_id: "scan-1".to_owned(), ..CheckInRequest::default() };
        world.check_in_with(&world.staff(), request).await.unwrap();
        let keys = async || {
            let count = sql("SELECT COUNT(*) AS n FROM idempotency_keys").fetch_one(&db).await.unwrap();
            count.get::<i64>("n").unwrap()
        };
        assert_eq!(keys().await, 1);
        world.clock.advance(SignedDuration::from_hours(25));
        let stop = CancellationToken::new();
        let forgotten = async {
            while keys().await > 0 {
                tokio::task::yield_now().await;
            }
            stop.cancel();
        };
        tokio::join!(world.service.run_background(stop.clone()), forgotten);
    }

    async fn only_the_theater_lets_in(db: Db) {
        let world = World::on(db);
        let ticket = world.ticket("C7").await;
        let elsewhere = staff_of(&[TheaterId::new(now())]);
        for caller in [elsewhere, owner(&ticket), Caller::Service("payments".into())] {
            assert_eq!(reason(world.check_in(&caller, &ticket.code).await), Reason::PermissionDenied, "{caller:?}");
        }
        world.check_in(&admin(), &ticket.code).await.unwrap();
    }

    async fn a_code_that_we_did_not_sign_lets_nobody_in(db: Db) {
        let world = World::on(db.clone());
        let ticket = world.ticket("C7").await;
        let forged = ticket.code.replace("MBT1.AAAQ", "MBT1.AAAA");
        let longest = "A".repeat(400);
        for code in [forged.as_str(), "C7", "MBT1.", &ticket.id, &longest] {
            assert_eq!(reason(world.check_in(&world.staff(), code).await), Reason::InvalidTicketCode, "{code}");
        }
        for code in ["", "\0", &"A".repeat(401)] {
            assert_eq!(reason(world.check_in(&world.staff(), code).await), Reason::InvalidArgument, "{code:?}");
        }
        // Signed by us, but not in this database any more.
        sql("DELETE FROM tickets").execute(&db).await.unwrap();
        assert_eq!(reason(world.check_in(&world.staff(), &ticket.code).await), Reason::TicketNotFound);
    }

    async fn a_ticket_for_another_show_stays_valid(db: Db) {
        let world = World::on(db);
        let ticket = world.ticket("C7").await;
        let at = |showtime: ShowtimeId| CheckInRequest {
            code: ticket.code.clone(),
            showtime_id: showtime.to_string(),
            ..CheckInRequest::default()
        };
        let other = world.check_in_with(&world.staff(), at(ShowtimeId::new(now()))).await.unwrap_err();
        let details = other.get_details_error_info().unwrap();
        assert_eq!(details.reason, "WRONG_SHOWTIME");
        assert_eq!(details.metadata["showtime_id"], world.showtime.to_string());
        world.check_in_with(&world.staff(), at(world.showtime)).await.unwrap();
    }

    async fn a_void_ticket_lets_nobody_in(db: Db) {
        let world = World::on(db);
        let ticket = world.ticket("C7").await;
        let void = VoidTicketRequest { id: ticket.id, reason: "stolen".to_owned(), ..VoidTicketRequest::default() };
        world.service.void_ticket(by(&world.staff(), void)).await.unwrap();
        assert_eq!(reason(world.check_in(&world.staff(), &ticket.code).await), Reason::TicketVoid);
    }
}
