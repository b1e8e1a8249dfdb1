//! What a buyer is answered.

use futures::future::join_all;
use moviebooking_proto::{
    Reason,
    payments::v1::{
        ChargeRequest, Payment, PaymentState, RefundRequest, payments_service_server::PaymentsService,
    },
    reservations::v1::ReservationState,
};
use moviebooking_store::{both_engines, sql};
use tonic_types::StatusExt as _;

use super::{
    neighbours::Fault,
    world::{World, admin, customer, euro, reason, request},
};

/// The kinds of a payment's events.
fn kinds(payment: &Payment) -> Vec<&str> {
    payment.history.iter().map(|event| event.kind.as_str()).collect()
}

both_engines! {
    &crate::MIGRATIONS;

    async fn a_charge_ends_with_tickets(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let reservation = world.hold(&buyer, &[1200, 1000]);
        let payment = world.charge(&buyer, &world.bill(&reservation, "tok_approve")).await.unwrap();
        assert_eq!(payment.state(), PaymentState::Completed);
        assert_eq!(payment.amount, Some(euro(2200)));
        assert_eq!(payment.refunded, Some(euro(0)));
        assert_eq!(payment.provider, "sandbox");
        assert_eq!(payment.ticket_ids.len(), 2);
        assert!(payment.history.is_empty());
        let seen = world.payment(&payment.id).await;
        assert_eq!(kinds(&seen), ["created", "authorised", "seats_confirmed", "captured", "tickets_issued"]);
        assert_eq!(seen.history[3].amount, Some(euro(2200)));
        assert_eq!(Payment { history: Vec::new(), ..seen }, payment);
        world.check().await;
    }

    async fn each_token_does_what_is_documented(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let cases = [
            ("tok_approve", Ok(())),
            ("tok_timeout_before_effect", Ok(())),
            ("tok_timeout_after_effect", Ok(())),
            ("tok_reply_lost", Ok(())),
            ("tok_slow", Ok(())),
            ("tok_insufficient_funds", Err((Reason::PaymentDeclined, "decline_code", "insufficient_funds"))),
            ("tok_expired_card", Err((Reason::PaymentDeclined, "decline_code", "expired_card"))),
            ("tok_fraud", Err((Reason::PaymentDeclined, "decline_code", "fraud"))),
            ("tok_capture_fails", Err((Reason::PaymentVoided, "cause", "PAYMENT_DECLINED"))),
        ];
        for (token, expected) in cases {
            let reservation = world.hold(&buyer, &[900]);
            let bill = world.bill(&reservation, token);
            let outcome = world.charge(&buyer, &bill).await;
            let again = world.charge(&buyer, &bill).await;
            match expected {
                Ok(()) => assert_eq!(outcome.unwrap(), again.unwrap(), "{token}"),
                Err((expected, detail, value)) => {
                    assert_eq!((reason(&outcome), reason(&again)), (Some(expected), Some(expected)), "{token}");
                    let info = outcome.unwrap_err().get_details_error_info().unwrap();
                    assert_eq!(info.metadata[detail], value, "{token}");
                    assert!(info.metadata.contains_key("payment_id"));
                    assert_eq!(again.unwrap_err().get_details_error_info().unwrap().metadata, info.metadata, "{token}");
                }
            }
        }
        world.check().await;
    }

    async fn an_unknown_token_names_its_field(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let reservation = world.hold(&buyer, &[900]);
        let outcome = world.charge(&buyer, &world.bill(&reservation, "4242424242424242")).await;
        assert_eq!(reason(&outcome), Some(Reason::InvalidPaymentToken));
        let status = outcome.unwrap_err();
        assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, "payment_token");
        assert_eq!(world.payment_for(&reservation).await.failure_reason, "INVALID_PAYMENT_TOKEN");
        world.check().await;
    }

    async fn a_decline_keeps_the_hold_for_another_try(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let reservation = world.hold(&buyer, &[900]);
        let declined = world.charge(&buyer, &world.bill(&reservation, "tok_expired_card")).await;
        assert_eq!(reason(&declined), Some(Reason::PaymentDeclined));
        assert_eq!(world.reservations.held.lock().unwrap()[&reservation].state(), ReservationState::Active);
        let paid = world.charge(&buyer, &world.bill(&reservation, "tok_approve")).await.unwrap();
        assert_eq!(paid.state(), PaymentState::Completed);
        world.check().await;
    }

    async fn what_cannot_be_paid_is_refused_before_anything_is_asked_of_the_bank(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let reservation = world.hold(&buyer, &[900]);
        let refused = async |bill, expected: Reason| {
            let outcome = world.charge(&buyer, &bill).await;
            assert_eq!(reason(&outcome), Some(expected));
            outcome.unwrap_err()
        };
        let bill = |change: fn(&mut ChargeRequest)| {
            let mut bill = world.bill(&reservation, "tok_approve");
            change(&mut bill);
            bill
        };
        refused(bill(|bill| bill.reservation_id = uuid::Uuid::new_v4().to_string()), Reason::ReservationNotFound).await;
        refused(bill(|bill| bill.reservation_id = "12".to_owned()), Reason::InvalidArgument).await;
        refused(bill(|bill| bill.amount = None), Reason::InvalidArgument).await;
        refused(bill(|bill| bill.amount = Some(euro(-1))), Reason::InvalidArgument).await;
        refused(bill(|bill| bill.amount = Some(euro(i64::MAX))), Reason::InvalidArgument).await;
        refused(bill(|bill| bill.payment_token = String::new()), Reason::InvalidArgument).await;
        refused(bill(|bill| bill.payment_token = "tok\0".to_owned()), Reason::InvalidArgument).await;
        refused(bill(|bill| bill.payment_token = "t".repeat(10_000)), Reason::InvalidArgument).await;
        refused(bill(|bill| bill.request_id = String::new()), Reason::IdempotencyKeyMissing).await;
        refused(bill(|bill| bill.request_id = "a b".to_owned()), Reason::InvalidArgument).await;
        let status = refused(bill(|bill| bill.amount = Some(euro(899))), Reason::AmountMismatch).await;
        assert!(status.message().contains("9.00 EUR") && status.message().contains("8.99 EUR"), "{status}");
        let dollars = |bill: &mut ChargeRequest| {
            bill.amount.as_mut().unwrap().currency_code = "USD".to_owned();
        };
        refused(bill(dollars), Reason::AmountMismatch).await;

        let others = world.hold(&customer(), &[900]);
        refused(world.bill(&others, "tok_approve"), Reason::ReservationNotFound).await;
        for (state, expected) in [
            (ReservationState::Released, Reason::HoldReleased),
            (ReservationState::Expired, Reason::HoldExpired),
            (ReservationState::Confirmed, Reason::AlreadyPaid),
        ] {
            world.reservations.held.lock().unwrap().get_mut(&reservation).unwrap().set_state(state);
            refused(world.bill(&reservation, "tok_approve"), expected).await;
        }
        world.faults.next("get", Fault::Down, 1);
        refused(world.bill(&reservation, "tok_approve"), Reason::Unavailable).await;
        assert!(sql("SELECT id FROM payments").fetch_all(&world.db).await.unwrap().is_empty());
        assert_eq!(world.faults.count("authorise"), 0);
    }

    async fn a_key_is_for_one_request(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let (first, second) = (world.hold(&buyer, &[900]), world.hold(&buyer, &[900]));
        let bill = world.bill(&first, "tok_approve");
        let paid = world.charge(&buyer, &bill).await.unwrap();
        assert_eq!(world.charge(&buyer, &bill).await.unwrap(), paid);
        let mut other = bill.clone();
        other.reservation_id = second;
        assert_eq!(reason(&world.charge(&buyer, &other).await), Some(Reason::IdempotencyKeyReused));
        let mut other = bill.clone();
        other.payment_token = "tok_slow".to_owned();
        assert_eq!(reason(&world.charge(&buyer, &other).await), Some(Reason::IdempotencyKeyReused));
        // Another buyer's keys are theirs.
        let neighbour = customer();
        let mut theirs = world.bill(&world.hold(&neighbour, &[900]), "tok_approve");
        theirs.request_id = bill.request_id;
        world.charge(&neighbour, &theirs).await.unwrap();
        world.check().await;
    }

    async fn the_answer_stays_the_same_after_a_refund(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let reservation = world.hold(&buyer, &[900]);
        let bill = world.bill(&reservation, "tok_approve");
        let paid = world.charge(&buyer, &bill).await.unwrap();
        let everything = RefundRequest {
            payment_id: paid.id.clone(),
            request_id: world.key(),
            ..Default::default()
        };
        world.refund(&admin(), &everything).await.unwrap();
        assert_eq!(world.charge(&buyer, &bill).await.unwrap(), paid);
        assert_eq!(reason(&world.charge(&buyer, &world.bill(&reservation, "tok_approve")).await), Some(Reason::HoldReleased));
        world.check().await;
    }

    async fn of_many_charges_of_one_reservation_one_is_captured(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let reservation = world.hold(&buyer, &[900, 900]);
        let bills: Vec<_> = (0..16).map(|_| world.bill(&reservation, "tok_approve")).collect();
        let outcomes = join_all(bills.iter().map(|bill| world.charge(&buyer, bill))).await;
        let paid = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(paid, 1);
        for refused in outcomes.iter().filter(|outcome| outcome.is_err()) {
            let reason = reason(refused).unwrap();
            assert!(matches!(reason, Reason::PaymentInProgress | Reason::AlreadyPaid), "{reason:?}");
        }
        assert_eq!(world.faults.count("capture"), 1);
        world.check().await;
    }

    async fn one_request_sent_many_times_at_once_has_one_answer(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let replica = world.replica();
        let reservation = world.hold(&buyer, &[900, 900]);
        let bill = world.bill(&reservation, "tok_approve");
        let here = join_all((0..8).map(|_| world.charge(&buyer, &bill)));
        let there = join_all((0..8).map(|_| async {
            PaymentsService::charge(&replica, request(&buyer, &bill)).await.map(tonic::Response::into_inner)
        }));
        let (here, there) = tokio::join!(here, there);
        let answers: Vec<Payment> = here.into_iter().chain(there).map(Result::unwrap).collect();
        assert!(answers.iter().all(|answer| *answer == answers[0]));
        assert_eq!(world.faults.count("capture"), 1);
        world.check().await;
    }
}
