//! Calls that fail or whose replies are lost, at each step; buyers who do not wait; workers who go on.

use std::time::Duration;

use moviebooking_proto::{Reason, payments::v1::PaymentState, reservations::v1::ReservationState};
use moviebooking_store::both_engines;
use tokio_util::sync::CancellationToken;
use tonic_types::StatusExt as _;

use super::{
    neighbours::Fault,
    world::{PATIENT, World, customer, reason},
};
use crate::Limits;

both_engines! {
    &crate::MIGRATIONS;

    async fn a_checkout_ends_well_whatever_call_fails(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        for call in ["authorise", "confirm", "capture", "issue"] {
            for fault in [Fault::Down, Fault::ReplyLost] {
                for times in [1, 2, 5] {
                    let reservation = world.hold(&buyer, &[900, 800]);
                    let bill = world.bill(&reservation, "tok_approve");
                    world.faults.next(call, fault, times);
                    let first = world.charge(&buyer, &bill).await;
                    if let Err(status) = &first {
                        assert_eq!(reason(&first), Some(Reason::Unavailable), "{call} {fault:?}");
                        assert!(status.get_details_retry_info().unwrap().retry_delay.is_some());
                    }
                    world.settle().await;
                    let payment = world.charge(&buyer, &bill).await.unwrap();
                    assert_eq!(payment.state(), PaymentState::Completed, "{call} {fault:?} {times}");
                    world.faults.clear();
                }
            }
        }
        world.check().await;
    }

    async fn what_was_authorised_is_given_back_whatever_call_fails(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let cases = [
            // What makes the checkout fail, and the calls that then give back.
            ("tok_approve", Some(("confirm", Reason::HoldExpired)), &["void"][..]),
            ("tok_capture_fails", None, &["free", "void"]),
            ("tok_approve", Some(("issue", Reason::ShowtimeCancelled)), &["free", "refund"]),
        ];
        for (token, refusal, calls) in cases {
            for call in calls {
                for (fault, times) in [(Fault::Down, 3), (Fault::ReplyLost, 1), (Fault::ReplyLost, 3)] {
                    let reservation = world.hold(&buyer, &[900]);
                    let bill = world.bill(&reservation, token);
                    if let Some((refusing, reason)) = refusal {
                        world.faults.next(refusing, Fault::Refused(reason), 1);
                    }
                    world.faults.next(call, fault, times);
                    let _ = world.charge(&buyer, &bill).await;
                    world.settle().await;
                    let outcome = world.charge(&buyer, &bill).await;
                    assert_eq!(reason(&outcome), Some(Reason::PaymentVoided), "{token} {call} {fault:?}");
                    let cause = refusal.map_or(Reason::PaymentDeclined, |(_, reason)| reason);
                    let payment = world.payment_for(&reservation).await;
                    assert_eq!(payment.failure_reason, cause.name());
                    world.faults.clear();
                }
            }
        }
        world.check().await;
    }

    async fn seats_that_cannot_be_freed_do_not_keep_the_money(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let reservation = world.hold(&buyer, &[900]);
        world.faults.next("free", Fault::Refused(Reason::ReservationNotFound), 1);
        let outcome = world.charge(&buyer, &world.bill(&reservation, "tok_capture_fails")).await;
        assert_eq!(reason(&outcome), Some(Reason::PaymentVoided));
        let payment = world.payment_for(&reservation).await;
        assert_eq!(payment.state(), PaymentState::Voided);
        // The first failure is the one that counts.
        assert_eq!(payment.failure_reason, "PAYMENT_DECLINED");
        assert!(payment.history.iter().any(|event| event.kind == "seats_not_freed"));
    }

    async fn an_unknown_outcome_is_looked_up_before_the_request_is_repeated(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let reservation = world.hold(&buyer, &[900]);
        world.faults.next("authorise", Fault::ReplyLost, 1);
        world.charge(&buyer, &world.bill(&reservation, "tok_approve")).await.unwrap();
        assert_eq!((world.faults.count("authorise"), world.faults.count("look_up")), (1, 1));
        // A bank that cannot even be asked is not sent anything more.
        let reservation = world.hold(&buyer, &[900]);
        let bill = world.bill(&reservation, "tok_approve");
        world.faults.next("authorise", Fault::ReplyLost, 1);
        world.faults.next("look_up", Fault::Down, 1);
        assert_eq!(reason(&world.charge(&buyer, &bill).await), Some(Reason::Unavailable));
        assert_eq!((world.faults.count("authorise"), world.faults.count("look_up")), (2, 2));
        world.settle().await;
        assert_eq!((world.faults.count("authorise"), world.faults.count("look_up")), (2, 3));
        world.check().await;
    }

    async fn a_postponed_checkout_is_left_alone_until_its_pause_is_over(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let reservation = world.hold(&buyer, &[900]);
        world.faults.next("confirm", Fault::Down, 2);
        assert!(world.charge(&buyer, &world.bill(&reservation, "tok_approve")).await.is_err());
        world.service.tick().await.unwrap();
        assert_eq!(world.faults.count("confirm"), 1);
        world.clock.advance(jiff::SignedDuration::from_secs(1));
        world.service.tick().await.unwrap();
        assert_eq!(world.faults.count("confirm"), 2);
        world.clock.advance(jiff::SignedDuration::from_secs(1));
        world.service.tick().await.unwrap();
        assert_eq!(world.faults.count("confirm"), 2);
        world.clock.advance(jiff::SignedDuration::from_secs(1));
        world.service.tick().await.unwrap();
        assert_eq!(world.payment_for(&reservation).await.state(), PaymentState::Completed);
        world.check().await;
    }

    async fn a_step_is_tried_once_more_before_the_buyer_is_told(db: Db) {
        let limits = Limits { again: Duration::ZERO, ..PATIENT };
        let (world, buyer) = (World::within(limits, db).await, customer());
        for call in ["confirm", "issue"] {
            for fault in [Fault::Down, Fault::ReplyLost] {
                let asked = world.faults.count(call);
                world.faults.next(call, fault, 1);
                let bill = world.bill(&world.hold(&buyer, &[900]), "tok_approve");
                assert_eq!(world.charge(&buyer, &bill).await.unwrap().state(), PaymentState::Completed);
                assert_eq!(world.faults.count(call), asked + 2, "{call} {fault:?}");
            }
            let asked = world.faults.count(call);
            world.faults.next(call, Fault::Down, 2);
            let bill = world.bill(&world.hold(&buyer, &[900]), "tok_approve");
            assert_eq!(reason(&world.charge(&buyer, &bill).await), Some(Reason::Unavailable));
            assert_eq!(world.faults.count(call), asked + 2, "{call}");
        }
        // A bank that answers nothing is asked what became of the payment, and again once.
        let bill = world.bill(&world.hold(&buyer, &[900]), "tok_approve");
        world.faults.next("authorise", Fault::ReplyLost, 1);
        world.faults.next("look_up", Fault::Down, 1);
        let authorised = world.faults.count("authorise");
        world.charge(&buyer, &bill).await.unwrap();
        assert_eq!(world.faults.count("authorise"), authorised + 1);
        world.settle().await;
        world.check().await;
    }

    async fn a_buyer_who_waited_long_enough_is_told_to_ask_again(db: Db) {
        let limits = Limits { request: Duration::from_millis(50), ..PATIENT };
        let (world, buyer) = (World::within(limits, db).await, customer());
        let reservation = world.hold(&buyer, &[900]);
        let bill = world.bill(&reservation, "tok_approve");
        world.faults.next("confirm", Fault::Gate, 1);
        for _ in 0..2 {
            let waiting = world.charge(&buyer, &bill).await;
            assert_eq!(reason(&waiting), Some(Reason::RequestInFlight));
            assert!(waiting.unwrap_err().get_details_retry_info().unwrap().retry_delay.is_some());
        }
        let second = world.charge(&buyer, &world.bill(&reservation, "tok_approve")).await;
        assert_eq!(reason(&second), Some(Reason::PaymentInProgress));
        world.faults.gate.add_permits(1);
        let id = world.payment_for(&reservation).await.id;
        world.until(&id, "COMPLETED").await;
        assert_eq!(world.charge(&buyer, &bill).await.unwrap().id, id);
        world.check().await;
    }

    async fn a_buyer_who_goes_away_does_not_stop_the_checkout(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let reservation = world.hold(&buyer, &[900]);
        world.faults.next("confirm", Fault::Gate, 1);
        let bill = world.bill(&reservation, "tok_approve");
        {
            let mut charge = Box::pin(world.charge(&buyer, &bill));
            let arrived = async {
                while world.faults.count("confirm") == 0 {
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                _ = &mut charge => panic!("the gate is shut"),
                () = arrived => {}
            }
        }
        world.faults.gate.add_permits(1);
        let id = world.payment_for(&reservation).await.id;
        world.until(&id, "COMPLETED").await;
        world.check().await;
    }

    async fn a_silent_neighbour_is_not_waited_for(db: Db) {
        let limits = Limits { answer: Duration::from_millis(500), ..PATIENT };
        let (world, buyer) = (World::within(limits, db).await, customer());
        let reservation = world.hold(&buyer, &[900]);
        let bill = world.bill(&reservation, "tok_approve");
        world.faults.next("confirm", Fault::Gate, 1);
        let outcome = world.charge(&buyer, &bill).await;
        assert_eq!(reason(&outcome), Some(Reason::Unavailable));
        assert_eq!(world.payment_for(&reservation).await.state(), PaymentState::Authorised);
        assert_eq!(world.charge(&buyer, &bill).await.unwrap().state(), PaymentState::Completed);
        world.check().await;
    }

    async fn the_background_goes_on_by_itself_and_stops_when_told(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let reservation = world.hold(&buyer, &[900]);
        world.faults.next("issue", Fault::Down, 1);
        assert!(world.charge(&buyer, &world.bill(&reservation, "tok_approve")).await.is_err());
        world.clock.advance(jiff::SignedDuration::from_secs(1));
        let shutdown = CancellationToken::new();
        let worker = tokio::spawn({
            let (service, shutdown) = (world.service.clone(), shutdown.clone());
            async move { service.run_background(shutdown).await }
        });
        let id = world.payment_for(&reservation).await.id;
        world.until(&id, "COMPLETED").await;
        shutdown.cancel();
        tokio::time::timeout(Duration::from_secs(30), worker).await.unwrap().unwrap();
        world.check().await;
    }

    async fn any_number_of_workers_do_each_step_once(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let replica = world.replica();
        world.faults.next("confirm", Fault::Down, 20);
        let reservations: Vec<_> = (0..20).map(|_| world.hold(&buyer, &[900])).collect();
        for reservation in &reservations {
            assert!(world.charge(&buyer, &world.bill(reservation, "tok_approve")).await.is_err());
        }
        assert_eq!(world.faults.count("confirm"), 20);
        world.clock.advance(jiff::SignedDuration::from_secs(1));
        let work = async |service: &crate::Service| while service.tick().await.unwrap() {};
        tokio::join!(work(&world.service), work(&replica), work(&world.service), work(&replica));
        world.settle().await;
        assert_eq!(world.faults.count("confirm"), 40);
        assert_eq!((world.faults.count("capture"), world.faults.count("issue")), (20, 20));
        for reservation in &reservations {
            let state = world.reservations.held.lock().unwrap()[reservation].state();
            assert_eq!(state, ReservationState::Confirmed);
        }
        world.check().await;
    }
}
