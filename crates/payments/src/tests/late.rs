//! Money that comes after the hold's time is over.

use moviebooking_proto::{
    Reason,
    payments::v1::{ChargeRequest, Payment, PaymentState},
    reservations::v1::ReservationState,
};
use moviebooking_store::both_engines;
use tonic::Status;
use tonic_types::StatusExt as _;

use super::{
    neighbours::Fault,
    world::{World, customer, euro, reason},
};

/// A charge that is authorised and then stopped; the request, to be repeated.
async fn stopped(world: &World, buyer: &moviebooking_auth::Caller, reservation: &str) -> ChargeRequest {
    let bill = world.bill(reservation, "tok_approve");
    world.faults.next("confirm", Fault::Down, 1);
    assert_eq!(reason(&world.charge(buyer, &bill).await), Some(Reason::Unavailable));
    bill
}

fn metadata(outcome: Result<Payment, Status>) -> std::collections::HashMap<String, String> {
    outcome.unwrap_err().get_details_error_info().unwrap().metadata
}

both_engines! {
    &crate::MIGRATIONS;

    async fn late_money_gets_the_same_seats_while_they_are_free(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let reservation = world.hold(&buyer, &[900]);
        let bill = stopped(&world, &buyer, &reservation).await;
        world.clock.advance(jiff::SignedDuration::from_mins(11));
        assert_eq!(world.charge(&buyer, &bill).await.unwrap().state(), PaymentState::Completed);
        world.check().await;
    }

    async fn late_money_whose_seats_are_gone_goes_back_and_other_seats_are_offered(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let reservation = world.hold(&buyer, &[900, 800]);
        let bill = stopped(&world, &buyer, &reservation).await;
        world.lose(&reservation);
        let outcome = world.charge(&buyer, &bill).await;
        assert_eq!(reason(&outcome), Some(Reason::PaymentVoided));
        let told = metadata(outcome);
        assert_eq!((told["cause"].as_str(), told["offers[0].seats"].as_str()), ("HOLD_EXPIRED", "A1,A2"));
        assert_eq!((told["offers[1].amount_minor"].as_str(), told["offers[1].currency_code"].as_str()), ("1700", "EUR"));
        assert_eq!(told["offers[0].expire_time"], "2026-11-22T18:16:00Z");
        assert_eq!(metadata(world.charge(&buyer, &bill).await), told, "a repetition");
        assert_eq!(world.faults.count("capture"), 0);

        let voided = world.payment(&told["payment_id"]).await;
        assert_eq!((voided.state(), voided.offers.len()), (PaymentState::Voided, 2));
        let kinds: Vec<&str> = voided.history.iter().map(|event| event.kind.as_str()).collect();
        assert_eq!(kinds, ["created", "authorised", "seats_refused", "voided", "seats_offered"]);

        // An offer is bought like any other reservation.
        let offer = &voided.offers[0];
        assert_eq!(offer.total, Some(euro(1700)));
        let bought = world.charge(&buyer, &world.bill(&offer.reservation_id, "tok_approve")).await.unwrap();
        assert_eq!(bought.reservation_id, told["offers[0].reservation_id"]);
        assert_eq!(world.reservations.held.lock().unwrap()[&reservation].state(), ReservationState::Expired);
        world.check().await;
    }

    async fn a_hold_that_expires_while_the_provider_answers_is_late_money(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let reservation = world.hold(&buyer, &[900]);
        let bill = world.bill(&reservation, "tok_approve");
        world.faults.next("authorise", Fault::Gate, 1);
        let charge = world.charge(&buyer, &bill);
        let meanwhile = async {
            while world.faults.count("authorise") == 0 {
                tokio::task::yield_now().await;
            }
            world.lose(&reservation);
            world.faults.gate.add_permits(1);
        };
        let (outcome, ()) = tokio::join!(charge, meanwhile);
        assert_eq!(reason(&outcome), Some(Reason::PaymentVoided));
        assert!(metadata(outcome).contains_key("offers[0].reservation_id"));
        world.check().await;
    }

    async fn what_keeps_seats_from_being_offered_does_not_keep_the_money(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        for (fault, times) in [(Fault::Refused(Reason::ReservationNotFound), 1), (Fault::Down, 9), (Fault::ReplyLost, 2)] {
            let reservation = world.hold(&buyer, &[900]);
            let bill = stopped(&world, &buyer, &reservation).await;
            world.lose(&reservation);
            world.faults.next("offer", fault, times);
            let _ = world.charge(&buyer, &bill).await;
            world.settle().await;
            let told = metadata(world.charge(&buyer, &bill).await);
            assert_eq!(told["cause"], "HOLD_EXPIRED", "{fault:?}");
            assert!(!told.contains_key("offers[0].reservation_id"), "{fault:?}");
            world.faults.clear();
        }
        world.check().await;
    }

    async fn an_offer_whose_reply_was_lost_is_answered_again(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let reservation = world.hold(&buyer, &[900]);
        let bill = stopped(&world, &buyer, &reservation).await;
        world.lose(&reservation);
        world.faults.next("offer", Fault::ReplyLost, 1);
        assert_eq!(reason(&world.charge(&buyer, &bill).await), Some(Reason::Unavailable));
        world.settle().await;
        let told = metadata(world.charge(&buyer, &bill).await);
        assert!(told.contains_key("offers[1].reservation_id"));
        let held = world.reservations.held.lock().unwrap().clone();
        assert_eq!(held.values().filter(|hold| !hold.offered_for.is_empty()).count(), 2);
        world.check().await;
    }
}
