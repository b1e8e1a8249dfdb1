//! Payments that their buyer has to confirm.

use std::sync::atomic::Ordering;

use http::StatusCode;
use jiff::SignedDuration;
use moviebooking_auth::Caller;
use moviebooking_domain::clock::Clock as _;
use moviebooking_proto::{
    Reason,
    payments::v1::{
        CancelPaymentRequest, GetPaymentRequest, Payment, PaymentState,
        payments_service_server::PaymentsService as _,
    },
};
use moviebooking_store::both_engines;
use tonic::Status;
use tonic_types::StatusExt as _;

use super::{
    neighbours::Fault,
    world::{World, admin, customer, reason, request, staff},
};

/// Where the buyer confirms.
fn page(payment: &Payment) -> String {
    payment.buyer_action.as_ref().unwrap().url.clone()
}

impl World {
    pub(super) async fn cancel_payment(&self, caller: &Caller, id: &str) -> Result<Payment, Status> {
        let message = CancelPaymentRequest { payment_id: id.to_owned() };
        self.service.cancel_payment(request(caller, &message)).await.map(tonic::Response::into_inner)
    }
}

fn decline_code(outcome: Result<Payment, Status>) -> String {
    assert_eq!(reason(&outcome), Some(Reason::PaymentDeclined));
    outcome.unwrap_err().get_details_error_info().unwrap().metadata["decline_code"].clone()
}

both_engines! {
    &crate::MIGRATIONS;

    async fn a_confirmed_payment_ends_with_tickets(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let bill = world.bill(&world.hold(&buyer, &[900]), "tok_confirm");
        let waiting = world.charge(&buyer, &bill).await.unwrap();
        assert_eq!(waiting.state(), PaymentState::ActionRequired);
        let expires = waiting.buyer_action.as_ref().unwrap().expire_time.unwrap();
        assert_eq!(expires.seconds, world.clock.now().as_second() + 10 * 60);
        // Asking again changes nothing.
        assert_eq!(world.charge(&buyer, &bill).await.unwrap().state(), PaymentState::ActionRequired);
        assert_eq!(world.faults.count("authorise"), 1);
        assert_eq!(world.decide(&page(&waiting), "approve").await, StatusCode::OK);
        let paid = world.charge(&buyer, &bill).await.unwrap();
        assert_eq!((paid.state(), paid.id, paid.buyer_action), (PaymentState::Completed, waiting.id.clone(), None));
        let history = world.payment(&waiting.id).await.history;
        let kinds: Vec<&str> = history.iter().map(|event| event.kind.as_str()).collect();
        assert_eq!(kinds[..4], ["created", "action_required", "hold_extended", "authorised"]);
        assert_eq!(world.decide(&page(&waiting), "decline").await, StatusCode::GONE);
        world.check().await;
    }

    async fn a_worker_notices_the_confirmation_by_itself(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let waiting = world.charge(&buyer, &world.bill(&world.hold(&buyer, &[900]), "tok_confirm")).await.unwrap();
        world.service.tick().await.unwrap();
        assert_eq!(world.faults.count("look_up"), 0);
        world.decide(&page(&waiting), "approve").await;
        world.clock.advance(SignedDuration::from_secs(5));
        world.service.tick().await.unwrap();
        assert_eq!(world.payment(&waiting.id).await.state(), PaymentState::Completed);
        world.check().await;
    }

    async fn who_does_not_approve_keeps_the_hold_and_may_pay_otherwise(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let reservation = world.hold(&buyer, &[900]);
        let bill = world.bill(&reservation, "tok_confirm");
        let waiting = world.charge(&buyer, &bill).await.unwrap();
        let meanwhile = world.charge(&buyer, &world.bill(&reservation, "tok_approve")).await;
        assert_eq!(reason(&meanwhile), Some(Reason::PaymentInProgress));
        world.decide(&page(&waiting), "decline").await;
        assert_eq!(decline_code(world.charge(&buyer, &bill).await), "confirmation_declined");
        let paid = world.charge(&buyer, &world.bill(&reservation, "tok_approve")).await.unwrap();
        assert_eq!(paid.state(), PaymentState::Completed);
        world.check().await;
    }

    async fn who_cancels_pays_in_another_way_at_once(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        // Also when they had decided at the bank a moment before.
        for decided in ["", "approve", "decline"] {
            let reservation = world.hold(&buyer, &[900]);
            let bill = world.bill(&reservation, "tok_confirm");
            let waiting = world.charge(&buyer, &bill).await.unwrap();
            if !decided.is_empty() {
                assert_eq!(world.decide(&page(&waiting), decided).await, StatusCode::OK);
            }
            for _ in 0..2 {
                let cancelled = world.cancel_payment(&buyer, &waiting.id).await.unwrap();
                assert_eq!((cancelled.state(), cancelled.buyer_action), (PaymentState::Declined, None));
            }
            assert_eq!(world.decide(&page(&waiting), "approve").await, StatusCode::GONE);
            assert_eq!(decline_code(world.charge(&buyer, &bill).await), "confirmation_cancelled");
            let paid = world.charge(&buyer, &world.bill(&reservation, "tok_approve")).await.unwrap();
            assert_eq!(paid.state(), PaymentState::Completed);
        }
        world.check().await;
    }

    async fn who_cancels_while_a_worker_looks_has_cancelled(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let waiting = world.charge(&buyer, &world.bill(&world.hold(&buyer, &[900]), "tok_confirm")).await.unwrap();
        world.decide(&page(&waiting), "approve").await;
        world.clock.advance(SignedDuration::from_secs(5));
        world.faults.next("look_up", Fault::Late, 1);
        let worker = tokio::spawn({
            let service = world.service.clone();
            async move { service.tick().await }
        });
        while world.faults.late.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        // The worker has been told that the buyer has confirmed.
        let cancelled = world.cancel_payment(&buyer, &waiting.id).await.unwrap();
        assert_eq!(cancelled.state(), PaymentState::Declined);
        world.faults.gate.add_permits(1);
        worker.await.unwrap().unwrap();
        assert_eq!(world.payment(&waiting.id).await.state(), PaymentState::Declined);
        world.settle().await;
        world.check().await;
    }

    async fn only_what_waits_is_cancelled_and_only_by_its_buyer(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let waiting = world.charge(&buyer, &world.bill(&world.hold(&buyer, &[900]), "tok_confirm")).await.unwrap();
        for (caller, expected) in
            [(customer(), Reason::PaymentNotFound), (staff(), Reason::PermissionDenied), (admin(), Reason::PermissionDenied)]
        {
            assert_eq!(reason(&world.cancel_payment(&caller, &waiting.id).await), Some(expected));
        }
        assert_eq!(world.payment(&waiting.id).await.state(), PaymentState::ActionRequired);
        let paid = world.paid(&buyer, &[900]).await;
        assert_eq!(reason(&world.cancel_payment(&buyer, &paid.id).await), Some(Reason::FailedPrecondition));
        let declined = world.bill(&world.hold(&buyer, &[900]), "tok_fraud");
        assert!(world.charge(&buyer, &declined).await.is_err());
        let declined = world.payment_for(&declined.reservation_id).await;
        assert_eq!(reason(&world.cancel_payment(&buyer, &declined.id).await), Some(Reason::FailedPrecondition));
    }

    async fn a_cancellation_is_carried_out_however_long_the_provider_is_away(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        for (fault, times) in [(Fault::Down, 3), (Fault::ReplyLost, 1)] {
            let waiting = world.charge(&buyer, &world.bill(&world.hold(&buyer, &[900]), "tok_confirm")).await.unwrap();
            world.faults.next("void", fault, times);
            let first = world.cancel_payment(&buyer, &waiting.id).await;
            assert_eq!(first.is_err(), fault == Fault::Down);
            assert_eq!(world.decide(&page(&waiting), "approve").await == StatusCode::OK, fault == Fault::Down);
            world.settle().await;
            assert_eq!(world.cancel_payment(&buyer, &waiting.id).await.unwrap().state(), PaymentState::Declined);
        }
        world.check().await;
    }

    async fn a_confirmation_that_never_comes_takes_nothing(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let reservation = world.hold(&buyer, &[900]);
        let bill = world.bill(&reservation, "tok_confirm");
        let waiting = world.charge(&buyer, &bill).await.unwrap();
        let begin = world.clock.now();
        for minute in 1..=29 {
            world.clock.advance(SignedDuration::from_mins(1));
            world.service.tick().await.unwrap();
            let now = world.payment(&waiting.id).await.state();
            assert_eq!(now, PaymentState::ActionRequired, "after {minute} minutes");
        }
        let end = world.reservations.held.lock().unwrap()[&reservation].expire_time.unwrap().seconds;
        assert_eq!(end, begin.as_second() + 30 * 60, "the seats are held as long as they may be");
        world.clock.advance(SignedDuration::from_mins(1));
        world.faults.next("void", Fault::ReplyLost, 1);
        world.settle().await;
        assert_eq!(world.payment(&waiting.id).await.state(), PaymentState::Declined);
        assert_eq!(decline_code(world.charge(&buyer, &bill).await), "confirmation_expired");
        assert_eq!(world.decide(&page(&waiting), "approve").await, StatusCode::GONE);
        world.check().await;
    }

    async fn a_hold_that_was_given_back_ends_the_wait(db: Db) {
        use moviebooking_proto::reservations::v1::ReservationState;
        let (world, buyer) = (World::new(db).await, customer());
        let reservation = world.hold(&buyer, &[900]);
        let bill = world.bill(&reservation, "tok_confirm");
        let waiting = world.charge(&buyer, &bill).await.unwrap();
        world.reservations.held.lock().unwrap().get_mut(&reservation).unwrap().set_state(ReservationState::Released);
        world.clock.advance(SignedDuration::from_mins(9));
        world.settle().await;
        assert_eq!(decline_code(world.charge(&buyer, &bill).await), "confirmation_expired");
        assert_eq!(world.decide(&page(&waiting), "approve").await, StatusCode::GONE);
        world.check().await;
    }

    async fn a_confirmation_after_the_hold_takes_the_seats_if_they_are_free(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        for (taken, expected) in [(false, PaymentState::Completed), (true, PaymentState::Voided)] {
            let waiting =
                world.charge(&buyer, &world.bill(&world.hold(&buyer, &[900]), "tok_confirm")).await.unwrap();
            // Nobody looks while the seats expire.
            world.clock.advance(SignedDuration::from_mins(31));
            world.decide(&page(&waiting), "approve").await;
            if taken {
                world.faults.next("confirm", Fault::Refused(Reason::HoldExpired), 1);
            }
            world.settle().await;
            assert_eq!(world.payment(&waiting.id).await.state(), expected);
        }
        world.check().await;
    }

    async fn only_the_buyer_is_told_how_to_confirm(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let waiting = world.charge(&buyer, &world.bill(&world.hold(&buyer, &[900]), "tok_confirm")).await.unwrap();
        for (caller, told) in [(buyer, true), (staff(), false), (admin(), false)] {
            let asked = request(&caller, &GetPaymentRequest { id: waiting.id.clone() });
            let seen = world.service.get_payment(asked).await.unwrap().into_inner();
            assert_eq!(seen.state(), PaymentState::ActionRequired);
            assert_eq!(seen.buyer_action.is_some(), told);
        }
    }

    async fn a_silent_provider_or_neighbour_is_asked_again(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        for (call, fault) in [("keep", Fault::Down), ("keep", Fault::ReplyLost), ("look_up", Fault::Down)] {
            let bill = world.bill(&world.hold(&buyer, &[900]), "tok_confirm");
            world.faults.next(call, fault, 1);
            let first = world.charge(&buyer, &bill).await;
            assert_eq!(first.is_ok(), call == "look_up", "{call} {fault:?}");
            let waiting = match first {
                Ok(waiting) => waiting,
                Err(_) => world.charge(&buyer, &bill).await.unwrap(),
            };
            world.decide(&page(&waiting), "approve").await;
            world.settle().await;
            assert_eq!(world.payment(&waiting.id).await.state(), PaymentState::Completed, "{call} {fault:?}");
        }
        world.check().await;
    }
}
