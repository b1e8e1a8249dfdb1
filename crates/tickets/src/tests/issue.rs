use std::collections::HashSet;

use futures::future::join_all;
use moviebooking_domain::id::{PaymentId, ShowtimeId};
use moviebooking_proto::{
    Reason,
    tickets::v1::{GetTicketKeysRequest, Ticket, TicketState, tickets_service_server::TicketsService as _},
};
use moviebooking_store::{both_engines, sql};
use tonic::Code;
use tonic_types::StatusExt as _;

use super::{World, by, now, payments, reason, seat};
use crate::{
    MIGRATIONS, code,
    code::PublicKey,
    keys::{Keys, PUBLISHED},
};

async fn public_keys(world: &World) -> Vec<PublicKey> {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let answer = world.service.get_ticket_keys(by(&payments(), GetTicketKeysRequest {})).await.unwrap();
    let keys = answer.into_inner().keys.into_iter();
    keys.map(|key| PublicKey {
        id: key.id.try_into().unwrap(),
        bytes: URL_SAFE_NO_PAD.decode(key.public_key).unwrap().try_into().unwrap(),
    })
    .collect()
}

both_engines! {
    &MIGRATIONS;

    async fn a_ticket_keeps_what_was_sold(db: Db) {
        let world = World::on(db);
        let sale = world.sale(&["C7", "C8"]);
        let tickets = world.issue(&sale).await.unwrap();
        let [ticket, other] = tickets.as_slice() else { panic!("{tickets:?}") };
        assert_eq!((ticket.seat.as_str(), other.seat.as_str()), ("C7", "C8"));
        assert_eq!(ticket.state(), TicketState::Valid);
        assert_eq!(ticket.payment_id, sale.payment_id);
        assert_eq!(ticket.user_id, sale.user_id);
        assert_eq!(ticket.theater_id, world.theater.to_string());
        assert_eq!(ticket.movie_title, "Der Himmel über Berlin");
        assert_eq!(ticket.theater_name, "Kino am Park");
        assert_eq!(ticket.theater_address, "Unter den Linden 1, 10117 Berlin, DE");
        assert_eq!(ticket.hall_name, "Saal 1");
        assert_eq!(ticket.local_start_time, "2026-11-22T20:15:00+01:00");
        assert_eq!(ticket.price.as_ref().unwrap().amount_minor, 1250);
        let policy = ticket.refund_policy.unwrap();
        assert_eq!((policy.until_minutes_before_start, policy.fee_basis_points, policy.fee_minor), (120, 1_000, 50));
        // What was sold does not change with the catalogue.
        world.neighbours.change(|showtime| showtime.movie_title = "Renamed".to_owned());
        assert_eq!(world.issue(&sale).await.unwrap(), tickets);
    }

    async fn its_code_is_verified_with_the_published_keys_alone(db: Db) {
        let world = World::on(db);
        let ticket = world.ticket("C7").await;
        let claims = code::verify(&public_keys(&world).await, &ticket.code).unwrap();
        assert_eq!(claims.ticket.to_string(), ticket.id);
        assert_eq!(claims.showtime, world.showtime);
        assert_eq!(claims.start.to_string(), "2026-11-22T19:15:00Z");
        assert_eq!(claims.seat, "C7");
    }

    async fn sixteen_calls_at_once_issue_once(db: Db) {
        let world = World::on(db.clone());
        let sale = world.sale(&["A1", "A2", "A3"]);
        let answers = join_all((0..16).map(|_| world.issue(&sale))).await;
        let answers: HashSet<Vec<String>> = answers
            .into_iter()
            .map(|tickets| tickets.unwrap().into_iter().map(|ticket| ticket.id).collect())
            .collect();
        assert_eq!(answers.len(), 1);
        let count: i64 = sql("SELECT COUNT(*) AS n FROM tickets").fetch_one(&db).await.unwrap().get("n").unwrap();
        assert_eq!(count, 3);
        assert_eq!(world.neighbours.asked(), 1, "the catalogue is asked once, however many wait");
    }

    async fn replicas_that_start_together_have_one_key(db: Db) {
        let world = World::on(db.clone());
        let replicas: Vec<_> = (0..8).map(|_| world.neighbours.service(db.clone(), world.clock.clone())).collect();
        let keys = join_all(replicas.iter().map(|replica| replica.keys.get())).await;
        let first = public_keys(&world).await;
        assert_eq!(first.len(), 1);
        for ring in keys {
            assert_eq!(ring.unwrap().public(), first);
        }
    }

    async fn a_new_key_is_published_a_day_before_it_signs_and_an_old_one_is_never_dropped(db: Db) {
        let world = World::on(db.clone());
        let old = world.ticket("A1").await;
        let command = Keys::new(db.clone(), world.clock.clone());
        command.replace(false).await.unwrap();
        world.service.keys.look().await.unwrap();
        let keys = public_keys(&world).await;
        assert_eq!(keys.iter().map(|key| key.id).collect::<Vec<_>>(), [1, 2]);
        assert!(code::verify(&keys[..1], &world.ticket("A2").await.code).is_ok(), "the old one still signs");
        world.clock.advance(PUBLISHED);
        let new = world.ticket("A3").await;
        assert!(code::verify(&keys[..1], &new.code).is_err(), "the new one signs");
        assert!(code::verify(&keys, &old.code).is_ok() && code::verify(&keys, &new.code).is_ok());
    }

    async fn the_same_payment_gets_no_other_tickets(db: Db) {
        let world = World::on(db);
        let sale = world.sale(&["A1", "A2"]);
        let tickets = world.issue(&sale).await.unwrap();
        for seats in [vec!["A1"], vec!["A1", "A3"], vec!["A1", "A2", "A3"], vec!["B1", "B2"]] {
            let mut other = sale.clone();
            other.seats = seats.into_iter().map(seat).collect();
            assert_eq!(reason(world.issue(&other).await), Reason::FailedPrecondition);
        }
        let mut dearer = sale.clone();
        dearer.seats[0].price.as_mut().unwrap().amount_minor += 1;
        assert_eq!(reason(world.issue(&dearer).await), Reason::FailedPrecondition);
        let mut turned = sale.clone();
        turned.seats.reverse();
        assert_eq!(world.issue(&turned).await.unwrap(), tickets);
    }

    async fn two_sales_of_one_payment_side_by_side_have_one_winner(db: Db) {
        let world = World::on(db.clone());
        let one = world.sale(&["A1", "A2"]);
        let mut other = one.clone();
        other.seats = vec![seat("B1"), seat("B2")];
        let sales = [&one, &other];
        let outcomes = join_all((0..8).map(|n| world.issue(sales[n % 2]))).await;
        let won: HashSet<String> =
            outcomes.iter().flatten().flatten().map(|ticket: &Ticket| ticket.seat[..1].to_owned()).collect();
        assert_eq!(won.len(), 1);
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 4);
    }

    async fn a_seat_has_one_valid_ticket(db: Db) {
        let world = World::on(db);
        world.ticket("A1").await;
        assert_eq!(reason(world.issue(&world.sale(&["A2", "A1"])).await), Reason::SeatUnavailable);
        world.ticket("A2").await;
    }

    async fn what_was_issued_is_answered_while_the_catalogue_is_down(db: Db) {
        let world = World::on(db);
        world.neighbours.down(true);
        let sale = world.sale(&["A1"]);
        assert_eq!(reason(world.issue(&sale).await), Reason::Unavailable);
        world.neighbours.down(false);
        let tickets = world.issue(&sale).await.unwrap();
        world.neighbours.down(true);
        assert_eq!(world.issue(&sale).await.unwrap(), tickets);
    }

    async fn bad_requests_name_the_field(db: Db) {
        let world = World::on(db);
        let field = async |change: &dyn Fn(&mut moviebooking_proto::tickets::v1::IssueTicketsRequest)| {
            let mut sale = world.sale(&["A1", "A2"]);
            change(&mut sale);
            let status = world.issue(&sale).await.unwrap_err();
            assert!(matches!(status.code(), Code::InvalidArgument | Code::NotFound), "{status:?}");
            status.get_details_bad_request().unwrap().field_violations.remove(0).field
        };
        assert_eq!(field(&|sale| sale.payment_id.clear()).await, "payment_id");
        assert_eq!(field(&|sale| sale.showtime_id = "x".to_owned()).await, "showtime_id");
        assert_eq!(field(&|sale| sale.showtime_id = ShowtimeId::new(now()).to_string()).await, "showtime_id");
        assert_eq!(field(&|sale| sale.seats.clear()).await, "seats");
        assert_eq!(field(&|sale| sale.seats = vec![seat("A1"); 101]).await, "seats");
        assert_eq!(field(&|sale| sale.seats[1].label = " A1".to_owned()).await, "seats[1].label");
        assert_eq!(field(&|sale| sale.seats[1].label = "A\0".to_owned()).await, "seats[1].label");
        assert_eq!(field(&|sale| sale.seats[0].price = None).await, "seats[0].price");
        assert_eq!(field(&|sale| sale.seats[0].category = "x".repeat(51)).await, "seats[0].category");
        assert_eq!(
            field(&|sale| sale.seats[0].price.as_mut().unwrap().currency_code = "EURO".to_owned()).await,
            "seats[0].price.currency_code"
        );
        let unknown = PaymentId::new(now());
        assert!(crate::store::of_payment(&world.service.db, unknown).await.unwrap().is_empty());
    }
}
