//! Refunds: full and partial, side by side, and with calls that fail.

use futures::future::join_all;
use moviebooking_proto::{
    Reason,
    payments::v1::{Payment, PaymentState, RefundRequest},
    tickets::v1::TicketState,
};
use moviebooking_store::both_engines;
use tonic_types::StatusExt as _;

use super::{
    neighbours::Fault,
    world::{World, admin, customer, euro, reason, refund_at, staff, staff_elsewhere},
};

impl World {
    /// A request to refund everything.
    pub(super) fn everything(&self, payment: &Payment) -> RefundRequest {
        RefundRequest { payment_id: payment.id.clone(), request_id: self.key(), ..RefundRequest::default() }
    }

    pub(super) fn by_amount(&self, payment: &Payment, minor: i64) -> RefundRequest {
        RefundRequest { amount: Some(euro(minor)), ..self.everything(payment) }
    }

    pub(super) fn by_tickets(&self, payment: &Payment, tickets: &[usize]) -> RefundRequest {
        let ticket_ids = tickets.iter().map(|index| payment.ticket_ids[*index].clone()).collect();
        RefundRequest { ticket_ids, ..self.everything(payment) }
    }

    pub(super) fn check_in(&self, ticket: &str) {
        let mut issued = self.tickets.issued.lock().unwrap();
        issued.iter_mut().find(|issued| issued.id == ticket).unwrap().set_state(TicketState::CheckedIn);
    }

    /// The seats of a payment that were freed.
    pub(super) fn freed(&self, payment: &Payment) -> Vec<String> {
        let held = self.reservations.held.lock().unwrap();
        let seats = held[&payment.reservation_id].seats.iter();
        seats.filter(|seat| seat.freed).map(|seat| seat.label.clone()).collect()
    }
}

both_engines! {
    &crate::MIGRATIONS;

    async fn tickets_are_refunded_one_by_one(db: Db) {
        let world = World::new(db).await;
        let paid = world.paid(&customer(), &[1200, 1000, 800]).await;
        let (by, mut request) = (staff(), world.by_tickets(&paid, &[1]));
        request.reason = "broken seat".to_owned();
        let partly = world.refund(&by, &request).await.unwrap();
        assert_eq!((partly.state(), partly.refunded.clone()), (PaymentState::PartiallyRefunded, Some(euro(1000))));
        assert_eq!(world.freed(&paid), ["A2"]);
        world.check().await;

        let fully = world.refund(&admin(), &world.by_tickets(&paid, &[0, 2])).await.unwrap();
        assert_eq!((fully.state(), fully.refunded.clone()), (PaymentState::Refunded, Some(euro(3000))));
        assert_eq!(world.refund(&by, &request).await.unwrap(), partly);
        let history = world.payment(&paid.id).await.history;
        let kinds: Vec<&str> = history.iter().skip(5).map(|event| event.kind.as_str()).collect();
        let refund = ["refund_requested", "tickets_voided", "seats_freed", "refunded"];
        assert_eq!(kinds, [refund, refund].concat());
        assert_eq!((history[5].detail.as_str(), history[8].amount.clone()), ("broken seat", Some(euro(1000))));
        world.check().await;
    }

    async fn an_amount_is_refunded_and_nothing_voided(db: Db) {
        let world = World::new(db).await;
        let paid = world.paid(&customer(), &[1200]).await;
        let partly = world.refund(&staff(), &world.by_amount(&paid, 200)).await.unwrap();
        assert_eq!((partly.state(), partly.refunded), (PaymentState::PartiallyRefunded, Some(euro(200))));
        assert!(world.freed(&paid).is_empty());
        assert_eq!((world.faults.count("void_tickets"), world.faults.count("free")), (0, 0));
        // The rest, with the ticket.
        let fully = world.refund(&staff(), &world.everything(&paid)).await.unwrap();
        assert_eq!((fully.state(), fully.refunded), (PaymentState::Refunded, Some(euro(1200))));
        assert_eq!(world.freed(&paid), ["A1"]);
        world.check().await;
    }

    async fn more_than_is_left_is_refused(db: Db) {
        let world = World::new(db).await;
        let paid = world.paid(&customer(), &[1200, 800]).await;
        let refused = async |request: RefundRequest| reason(&world.refund(&staff(), &request).await).unwrap();
        assert_eq!(refused(world.by_amount(&paid, 2001)).await, Reason::RefundTooLarge);
        world.refund(&staff(), &world.by_amount(&paid, 1000)).await.unwrap();
        assert_eq!(refused(world.by_amount(&paid, 1001)).await, Reason::RefundTooLarge);
        assert_eq!(refused(world.by_tickets(&paid, &[0])).await, Reason::RefundTooLarge);
        world.refund(&staff(), &world.by_tickets(&paid, &[1])).await.unwrap();
        assert_eq!(refused(world.by_tickets(&paid, &[1])).await, Reason::TicketVoid);
        world.refund(&staff(), &world.everything(&paid)).await.unwrap();
        assert_eq!(refused(world.everything(&paid)).await, Reason::RefundTooLarge);
        assert_eq!(refused(world.by_amount(&paid, 1)).await, Reason::RefundTooLarge);
        world.check().await;
    }

    async fn refunds_side_by_side_never_exceed_the_payment(db: Db) {
        let world = World::new(db).await;
        let replica = world.replica();
        let paid = world.paid(&customer(), &[1000]).await;
        let requests: Vec<_> = (0..10).map(|_| world.by_amount(&paid, 300)).collect();
        let outcomes = join_all(requests.iter().enumerate().map(async |(index, request)| {
            let service = if index % 2 == 0 { &world.service } else { &replica };
            refund_at(service, &staff(), request).await
        }))
        .await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 3);
        let refused = outcomes.iter().filter(|outcome| outcome.is_err());
        assert!(refused.into_iter().all(|outcome| reason(outcome) == Some(Reason::RefundTooLarge)));
        assert_eq!(world.payment(&paid.id).await.refunded, Some(euro(900)));
        world.check().await;
    }

    async fn one_refund_sent_many_times_at_once_pays_once(db: Db) {
        let world = World::new(db).await;
        let paid = world.paid(&customer(), &[1000, 500]).await;
        let (by, request) = (staff(), world.by_tickets(&paid, &[0]));
        let answers = join_all((0..12).map(|_| world.refund(&by, &request))).await;
        let answers: Vec<Payment> = answers.into_iter().map(Result::unwrap).collect();
        assert!(answers.iter().all(|answer| *answer == answers[0]));
        assert_eq!(world.faults.count("refund"), 1);
        world.check().await;

        let mut other = request.clone();
        other.ticket_ids.clone_from(&paid.ticket_ids);
        assert_eq!(reason(&world.refund(&by, &other).await), Some(Reason::IdempotencyKeyReused));
    }

    async fn a_ticket_that_was_let_in_is_refunded_only_by_amount(db: Db) {
        let world = World::new(db).await;
        let paid = world.paid(&customer(), &[1000, 500]).await;
        world.check_in(&paid.ticket_ids[0]);
        let by = staff();
        for request in [world.by_tickets(&paid, &[0]), world.by_tickets(&paid, &[1, 0]), world.everything(&paid)] {
            for _ in 0..2 {
                assert_eq!(reason(&world.refund(&by, &request).await), Some(Reason::TicketAlreadyCheckedIn));
            }
        }
        assert!(world.freed(&paid).is_empty());
        assert_eq!(world.payment(&paid.id).await.state(), PaymentState::Completed);
        // Refused refunds have given back their share and their tickets.
        world.refund(&by, &world.by_tickets(&paid, &[1])).await.unwrap();
        let fully = world.refund(&by, &world.by_amount(&paid, 1000)).await.unwrap();
        assert_eq!(fully.state(), PaymentState::Refunded);
        assert_eq!(world.freed(&paid), ["A2"]);
        world.check().await;
    }

    async fn who_may_refund(db: Db) {
        let world = World::new(db).await;
        let buyer = customer();
        let paid = world.paid(&buyer, &[1000]).await;
        let outcome = async |caller| reason(&world.refund(&caller, &world.everything(&paid)).await);
        assert_eq!(outcome(moviebooking_auth::Caller::Anonymous).await, Some(Reason::Unauthenticated));
        assert_eq!(outcome(buyer).await, Some(Reason::RefundNotAllowed));
        assert_eq!(outcome(customer()).await, Some(Reason::PaymentNotFound));
        assert_eq!(outcome(staff_elsewhere()).await, Some(Reason::PaymentNotFound));
        world.refund(&staff(), &world.everything(&paid)).await.unwrap();
        world.check().await;
    }

    async fn what_cannot_be_refunded_names_the_field(db: Db) {
        let world = World::new(db).await;
        let buyer = customer();
        let (paid, other) = (world.paid(&buyer, &[1000, 500]).await, world.paid(&buyer, &[1000]).await);
        let mut twice = world.by_tickets(&paid, &[0, 0]);
        let mut cases = vec![(std::mem::take(&mut twice), "ticket_ids[1]")];
        let mut add = |change: &dyn Fn(&mut RefundRequest), field| {
            let mut request = world.everything(&paid);
            change(&mut request);
            cases.push((request, field));
        };
        add(&|request| request.ticket_ids = vec![paid.ticket_ids[0].clone(), other.ticket_ids[0].clone()], "ticket_ids[1]");
        add(&|request| request.ticket_ids = vec!["A1".to_owned()], "ticket_ids[0]");
        add(&|request| request.ticket_ids = vec![paid.ticket_ids[0].clone(); 11], "ticket_ids");
        add(&|request| request.amount = Some(euro(0)), "amount.amount_minor");
        add(&|request| request.amount = Some(euro(-5)), "amount.amount_minor");
        add(&|request| request.amount = Some(euro(i64::MAX)), "amount.amount_minor");
        add(&|request| request.amount = Some(moviebooking_proto::money::v1::Money { amount_minor: 5, currency_code: "USD".to_owned() }), "amount.currency_code");
        add(&|request| request.reason = "x".repeat(501), "reason");
        add(&|request| request.reason = "a\0b".to_owned(), "reason");
        add(&|request| request.payment_id = "1".to_owned(), "payment_id");
        add(&|request| request.request_id = String::new(), "request_id");
        add(&|request| {
            request.amount = Some(euro(1));
            request.ticket_ids = vec![paid.ticket_ids[0].clone()];
        }, "amount");
        for (request, field) in cases {
            let status = world.refund(&staff(), &request).await.unwrap_err();
            assert_eq!(status.code(), tonic::Code::InvalidArgument, "{field}");
            assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, field);
        }
        world.check().await;
    }

    async fn only_a_completed_payment_is_refunded(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        for token in ["tok_fraud", "tok_capture_fails"] {
            let reservation = world.hold(&buyer, &[1000]);
            assert!(world.charge(&buyer, &world.bill(&reservation, token)).await.is_err());
            let payment = world.payment_for(&reservation).await;
            let refused = world.refund(&staff(), &world.everything(&payment)).await;
            assert_eq!(reason(&refused), Some(Reason::FailedPrecondition), "{token}");
        }
        world.check().await;
    }

    async fn tickets_that_cost_nothing_are_given_back(db: Db) {
        let world = World::new(db).await;
        let paid = world.paid(&customer(), &[0, 0]).await;
        let refunded = world.refund(&staff(), &world.everything(&paid)).await.unwrap();
        assert_eq!(refunded.state(), PaymentState::Refunded);
        assert_eq!(world.freed(&paid), ["A1", "A2"]);
        assert_eq!(world.faults.count("refund"), 0);
    }

    async fn a_refund_ends_well_whatever_call_fails(db: Db) {
        let (world, buyer, by) = (World::new(db).await, customer(), staff());
        for call in ["void_tickets", "free", "refund"] {
            for (fault, times) in [(Fault::Down, 1), (Fault::Down, 5), (Fault::ReplyLost, 1), (Fault::ReplyLost, 3)] {
                let paid = world.paid(&buyer, &[900, 800]).await;
                let request = world.by_tickets(&paid, &[0]);
                world.faults.next(call, fault, times);
                let first = world.refund(&by, &request).await;
                if first.is_err() {
                    assert_eq!(reason(&first), Some(Reason::Unavailable), "{call} {fault:?}");
                }
                world.settle().await;
                let refunded = world.refund(&by, &request).await.unwrap();
                assert_eq!(refunded.refunded, Some(euro(900)), "{call} {fault:?}");
                assert_eq!(world.freed(&paid), ["A1"]);
                world.faults.clear();
            }
        }
        world.check().await;
    }
}
