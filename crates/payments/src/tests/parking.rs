//! What cannot be finished for hours, and what admins do about it.

use jiff::SignedDuration;
use moviebooking_auth::Caller;
use moviebooking_proto::{
    Reason,
    payments::v1::{
        CompensatePaymentRequest, ListPaymentsRequest, Payment, PaymentState, ResumePaymentRequest,
        payments_service_server::PaymentsService as _,
    },
    problem::reason_of,
};
use moviebooking_store::both_engines;
use tonic::{Response, Status};

use super::{
    crashes::park,
    neighbours::Fault,
    world::{World, admin, customer, reason, request, staff},
};
use crate::{
    grpc::read_charge,
    parking::BOUND,
    runner::Saga as _,
    saga::{Effect, State},
};

impl World {
    /// Lets workers try, with the time passing that they wait for, until a payment is parked.
    async fn until_parked(&self, id: &str) -> Payment {
        let start = self.now();
        loop {
            self.service.tick().await.unwrap();
            let payment = self.payment(id).await;
            if payment.parked {
                assert!(self.now().duration_since(start) >= BOUND);
                return payment;
            }
            assert!(self.now().duration_since(start) <= BOUND + SignedDuration::from_mins(2));
            self.clock.advance(SignedDuration::from_mins(1));
        }
    }

    async fn resume(&self, id: &str) -> Result<Payment, Status> {
        let message = ResumePaymentRequest { payment_id: id.to_owned() };
        self.service.resume_payment(request(&admin(), &message)).await.map(Response::into_inner)
    }

    async fn compensate(&self, id: &str) -> Result<Payment, Status> {
        let message = CompensatePaymentRequest { payment_id: id.to_owned() };
        self.service.compensate_payment(request(&admin(), &message)).await.map(Response::into_inner)
    }

    async fn parked(&self, by: &Caller) -> Result<Vec<Payment>, Status> {
        let message = ListPaymentsRequest { parked: true, ..ListPaymentsRequest::default() };
        self.service.list_payments(request(by, &message)).await.map(|page| page.into_inner().payments)
    }
}

both_engines! {
    &crate::MIGRATIONS;

    async fn what_cannot_be_finished_is_parked_and_goes_on_when_resumed(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let bill = world.bill(&world.hold(&buyer, &[900]), "tok_approve");
        world.faults.next("issue", Fault::Down, 10_000);
        assert_eq!(reason(&world.charge(&buyer, &bill).await), Some(Reason::Unavailable));
        let id = world.payment_for(&bill.reservation_id).await.id;
        let parked = world.until_parked(&id).await;
        assert_eq!(parked.state(), PaymentState::Captured);
        assert!(parked.parked_reason.contains("Unavailable"), "{}", parked.parked_reason);
        assert_eq!(parked.history.last().unwrap().kind, "parked");

        // It is listed for admins alone, and its buyer is told, but not what is wrong inside.
        assert_eq!(world.parked(&admin()).await.unwrap()[0].id, id);
        let refused = world.parked(&buyer).await.unwrap_err();
        assert_eq!(reason_of(&refused), Some(Reason::PermissionDenied));
        let own = world.service.store.payment(id.parse::<uuid::Uuid>().unwrap().into()).await.unwrap().unwrap();
        let (own, _) = world.service.get(&buyer, own.id).await.unwrap();
        assert_eq!(own.parked.as_deref(), Some(""));
        assert_eq!(reason(&world.charge(&buyer, &bill).await), Some(Reason::PaymentParked));

        // Nobody works on it.
        let calls = world.faults.count("issue");
        world.clock.advance(SignedDuration::from_hours(24));
        world.service.tick().await.unwrap();
        assert_eq!(world.faults.count("issue"), calls);

        world.faults.clear();
        let resumed = world.resume(&id).await.unwrap();
        assert!(!resumed.parked && resumed.parked_reason.is_empty());
        world.service.tick().await.unwrap();
        assert_eq!(world.charge(&buyer, &bill).await.unwrap().state(), PaymentState::Completed);
        assert!(world.parked(&admin()).await.unwrap().is_empty());
        assert_eq!(world.resume(&id).await.unwrap().state(), PaymentState::Completed);
        world.check().await;
    }

    async fn what_is_resumed_in_vain_is_parked_again_after_as_long(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let bill = world.bill(&world.hold(&buyer, &[900]), "tok_approve");
        world.faults.next("issue", Fault::Down, 10_000);
        assert!(world.charge(&buyer, &bill).await.is_err());
        let id = world.payment_for(&bill.reservation_id).await.id;
        world.until_parked(&id).await;
        world.resume(&id).await.unwrap();
        world.until_parked(&id).await;
        let parked = world.payment(&id).await.history;
        assert_eq!(parked.iter().filter(|event| event.kind == "parked").count(), 2);
    }

    async fn a_parked_checkout_is_turned_round_whatever_its_last_step_did(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        for (state, unmade, made) in [
            (State::Created, PaymentState::Declined, PaymentState::Voided),
            (State::Authorised, PaymentState::Voided, PaymentState::Voided),
            (State::Confirmed, PaymentState::Voided, PaymentState::Refunded),
            (State::Captured, PaymentState::Refunded, PaymentState::Refunded),
        ] {
            for (effect, end) in [(false, unmade), (true, made)] {
                let bill = world.bill(&world.hold(&buyer, &[700, 600]), "tok_approve");
                let charge = read_charge(&buyer, &bill).unwrap();
                let mut payment = world.service.begin(buyer.user().unwrap().id, &charge).await.unwrap();
                let checkout = world.checkout();
                while payment.state != state {
                    payment = checkout.step(&payment).await.unwrap();
                }
                if effect {
                    checkout.perform(state.step().unwrap().action, &payment).await.unwrap();
                }
                park(&world.service, &payment).await;
                let id = payment.id.to_string();
                let turned = world.compensate(&id).await.unwrap();
                assert!(!turned.parked);
                // The same again changes nothing.
                assert_eq!(world.compensate(&id).await.unwrap(), turned);
                world.settle().await;
                assert_eq!(world.payment(&id).await.state(), end, "{state:?} {effect}");
                assert_eq!(world.compensate(&id).await.unwrap().state(), end);
                let told = reason(&world.charge(&buyer, &bill).await);
                let declined = end == PaymentState::Declined;
                let expected = if declined { Reason::PaymentDeclined } else { Reason::PaymentVoided };
                assert_eq!(told, Some(expected), "{state:?} {effect}");
            }
        }
        world.check().await;
    }

    async fn a_ticket_that_was_let_in_is_not_taken_back(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let bill = world.bill(&world.hold(&buyer, &[900]), "tok_approve");
        let charge = read_charge(&buyer, &bill).unwrap();
        let mut payment = world.service.begin(buyer.user().unwrap().id, &charge).await.unwrap();
        let checkout = world.checkout();
        while payment.state != State::Captured {
            payment = checkout.step(&payment).await.unwrap();
        }
        let effect = checkout.perform(State::Captured.step().unwrap().action, &payment).await.unwrap();
        let Effect::Issued(issued) = effect else { panic!("{effect:?}") };
        world.check_in(&issued[0].id.to_string());
        park(&world.service, &payment).await;
        world.compensate(&payment.id.to_string()).await.unwrap();
        world.settle().await;
        assert_eq!(world.charge(&buyer, &bill).await.unwrap().state(), PaymentState::Completed);
        world.check().await;
    }

    async fn a_parked_refund_is_shown_at_its_payment_and_goes_on_when_resumed(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let bill = world.bill(&world.hold(&buyer, &[900]), "tok_approve");
        let paid = world.charge(&buyer, &bill).await.unwrap();
        let refund = world.everything(&paid);
        world.faults.next("refund", Fault::Down, 10_000);
        let by = staff();
        assert_eq!(reason(&world.refund(&by, &refund).await), Some(Reason::Unavailable));
        let parked = world.until_parked(&paid.id).await;
        assert_eq!(parked.state(), PaymentState::Completed);
        assert_eq!(reason(&world.refund(&by, &refund).await), Some(Reason::PaymentParked));
        // What went wrong inside is not for buyers, and changes no answer that was given.
        assert_eq!(world.charge(&buyer, &bill).await.unwrap(), paid);
        let refused = world.compensate(&paid.id).await.unwrap_err();
        assert_eq!(reason_of(&refused), Some(Reason::FailedPrecondition));
        world.faults.clear();
        world.resume(&paid.id).await.unwrap();
        world.settle().await;
        assert_eq!(world.refund(&by, &refund).await.unwrap().state(), PaymentState::Refunded);
        world.check().await;
    }

    async fn what_is_not_parked_is_left_alone(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let paid = world.paid(&buyer, &[900]).await;
        let history = world.payment(&paid.id).await.history;
        assert_eq!(world.resume(&paid.id).await.unwrap().state(), PaymentState::Completed);
        let refused = world.compensate(&paid.id).await.unwrap_err();
        assert_eq!(reason_of(&refused), Some(Reason::FailedPrecondition));
        let bill = world.bill(&world.hold(&buyer, &[900]), "tok_approve");
        world.faults.next("issue", Fault::Down, 1);
        assert!(world.charge(&buyer, &bill).await.is_err());
        let open = world.payment_for(&bill.reservation_id).await.id;
        let refused = world.compensate(&open).await.unwrap_err();
        assert_eq!(reason_of(&refused), Some(Reason::FailedPrecondition));
        let unknown = uuid::Uuid::new_v4().to_string();
        for refused in [world.resume(&unknown).await, world.compensate(&unknown).await] {
            assert_eq!(reason(&refused), Some(Reason::PaymentNotFound));
        }
        world.settle().await;
        assert_eq!(world.payment(&paid.id).await.history, history);
        world.check().await;
    }
}
