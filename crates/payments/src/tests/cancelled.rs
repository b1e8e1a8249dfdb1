//! Cancelled showtimes: every payment for them is refunded, once.

use jiff::SignedDuration;
use moviebooking_auth::Caller;
use moviebooking_domain::clock::Clock as _;
use moviebooking_proto::{
    Reason,
    payments::v1::{
        GetShowtimeRefundsRequest, PaymentState, RefundShowtimeRequest, ShowtimeRefunds,
        payments_internal_server::PaymentsInternal, payments_service_server::PaymentsService,
    },
    problem::reason_of,
    reservations::v1::ReservationState,
    theaters::v1::RefundPolicy,
};
use moviebooking_store::{both_engines, sql};
use tonic::{Request, Status};

use super::{
    neighbours::Fault,
    world::{World, admin, customer, euro, reason, request, staff, staff_elsewhere, theater},
};
use crate::store::LEASE;

impl World {
    /// What movies does when the world's showtime is cancelled: reservations release its holds first.
    pub(super) async fn cancel(&self) {
        for reservation in self.reservations.held.lock().unwrap().values_mut() {
            if reservation.state() == ReservationState::Active {
                reservation.set_state(ReservationState::Released);
            }
        }
        let message = RefundShowtimeRequest {
            showtime_id: self.showtime().to_string(),
            theater_id: theater().to_string(),
        };
        PaymentsInternal::refund_showtime(&self.service, Request::new(message)).await.unwrap();
    }

    async fn progress(&self, caller: &Caller) -> Result<ShowtimeRefunds, Status> {
        let message = GetShowtimeRefundsRequest { showtime_id: self.showtime().to_string() };
        let answer = PaymentsService::get_showtime_refunds(&self.service, request(caller, &message)).await;
        answer.map(tonic::Response::into_inner)
    }
}

both_engines! {
    &crate::MIGRATIONS;

    async fn every_payment_of_a_cancelled_showtime_is_refunded_in_full(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        world.policy(Some(RefundPolicy { until_minutes_before_start: 60, fee_basis_points: 1_000, fee_minor: 0 }));
        let whole = world.paid(&buyer, &[1000, 500]).await;
        let returned = world.paid(&buyer, &[1000, 500]).await;
        world.refund(&buyer, &world.by_tickets(&returned, &[0])).await.unwrap();
        let kind = world.paid(&buyer, &[1000]).await;
        world.refund(&staff(), &world.by_amount(&kind, 300)).await.unwrap();
        let used = world.paid(&buyer, &[700]).await;
        world.check_in(&used.ticket_ids[0]);
        let gone = world.paid(&buyer, &[600]).await;
        world.refund(&staff(), &world.everything(&gone)).await.unwrap();

        world.cancel().await;
        let before = world.progress(&staff()).await.unwrap();
        assert_eq!((before.done, before.payment_count, before.refunded_count), (false, 5, 1));
        world.settle().await;
        let after = world.progress(&admin()).await.unwrap();
        assert_eq!((after.done, after.payment_count, after.refunded_count, after.in_progress_count), (true, 5, 5, 0));
        // What the buyer gave up before is not paid back.
        assert_eq!(after.refunded, Some(euro(1500 + 1400 + 1000 + 700 + 600)));
        for (paid, refunded) in [(&whole, 1500), (&returned, 1400), (&kind, 1000), (&used, 700), (&gone, 600)] {
            assert_eq!(world.payment(&paid.id).await.refunded, Some(euro(refunded)));
            assert_eq!(world.freed(paid).len(), paid.ticket_ids.len());
        }
        assert_eq!(world.payment(&returned.id).await.fee_kept, Some(euro(100)));
        let refunds = world.faults.count("refund");
        world.cancel().await;
        world.settle().await;
        assert_eq!(world.faults.count("refund"), refunds, "cancelling again changes nothing");
        world.check().await;
    }

    async fn payments_under_way_end_as_voided_or_refunded(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let mut reservations = Vec::new();
        for call in ["authorise", "confirm", "capture", "issue"] {
            let reservation = world.hold(&buyer, &[900]);
            world.faults.next(call, Fault::Down, 2);
            assert!(world.charge(&buyer, &world.bill(&reservation, "tok_approve")).await.is_err());
            world.faults.clear();
            reservations.push(reservation);
        }
        world.cancel().await;
        assert_eq!(world.progress(&staff()).await.unwrap().in_progress_count, 4);
        world.settle().await;
        let mut states = Vec::new();
        for reservation in &reservations {
            states.push(world.payment_for(reservation).await.state());
        }
        let expected = [PaymentState::Voided, PaymentState::Voided, PaymentState::Refunded, PaymentState::Refunded];
        assert_eq!(states, expected);
        assert!(world.progress(&staff()).await.unwrap().done);
        world.check().await;
    }

    async fn refunds_that_may_give_their_tickets_back_are_waited_for(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let paid = world.paid(&buyer, &[900, 800]).await;
        world.faults.next("void_tickets", Fault::Down, 1);
        let request = world.by_tickets(&paid, &[0]);
        assert_eq!(reason(&world.refund(&staff(), &request).await), Some(Reason::Unavailable));
        // It will be refused, so its ticket is the cancellation's to pay back.
        world.check_in(&paid.ticket_ids[0]);
        world.cancel().await;
        world.settle().await;
        assert_eq!(world.payment(&paid.id).await.refunded, Some(euro(1700)));
        world.check().await;
    }

    async fn refunds_go_on_after_the_death_of_the_process_and_are_made_once(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        for _ in 0..5 {
            world.paid(&buyer, &[900]).await;
        }
        world.cancel().await;
        // A process takes the showtime and dies before or after it has asked for the refunds.
        for asks in [false, true] {
            let leases = world.service.store.leases(crate::kind::Kind::Cancellation);
            let rows = leases.claim_due(16, world.clock.now()).await.unwrap();
            let showtime = crate::cancellation::CancelledShowtime::read(&rows[0]).unwrap();
            if asks {
                let _ = world.cancellation().perform(crate::cancellation::Action::RequestRefunds, &showtime).await;
            }
            world.service.tick().await.unwrap();
            world.clock.advance(LEASE);
        }
        let replica = world.replica();
        let work = async |service: &crate::Service| while service.tick().await.unwrap() {};
        tokio::join!(work(&world.service), work(&replica), work(&world.service));
        world.settle().await;
        assert_eq!(world.faults.count("refund"), 5);
        let requested = sql("SELECT id FROM refunds").fetch_all(&world.db).await.unwrap();
        assert_eq!(requested.len(), 5);
        assert!(world.progress(&admin()).await.unwrap().done);
        world.check().await;
    }

    async fn it_is_not_done_before_what_exchanged_tickets_were_worth_is_paid_back(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let old = world.returnable(&buyer, &[1000]).await;
        world.another_showtime();
        world.exchange(&buyer, &world.swap(&buyer, &old, &[0], &[1000], 0)).await.unwrap();
        world.cancel().await;
        world.faults.next("refund", Fault::Down, 4);
        for _ in 0..3 {
            world.service.tick().await.unwrap();
            let progress = world.progress(&staff()).await.unwrap();
            assert_eq!((progress.done, world.payment(&old.id).await.refunded), (false, Some(euro(0))));
            world.clock.advance(SignedDuration::from_secs(1));
        }
        world.settle().await;
        let progress = world.progress(&staff()).await.unwrap();
        assert_eq!((progress.done, world.payment(&old.id).await.refunded), (true, Some(euro(1000))));
        world.check().await;
    }

    async fn the_progress_is_shown_to_those_who_run_the_theater(db: Db) {
        let world = World::new(db).await;
        assert_eq!(reason_of(&world.progress(&admin()).await.unwrap_err()), Some(Reason::ShowtimeNotFound));
        world.cancel().await;
        for caller in [customer(), staff_elsewhere()] {
            assert_eq!(reason_of(&world.progress(&caller).await.unwrap_err()), Some(Reason::PermissionDenied));
        }
        world.settle().await;
        let nothing = world.progress(&staff()).await.unwrap();
        assert_eq!((nothing.done, nothing.payment_count, nothing.refunded), (true, 0, None));
    }

    async fn exchanged_tickets_of_a_cancelled_showtime_are_paid_back_by_both_payments(db: Db) {
        use moviebooking_proto::payments::v1::ExchangeRequest;
        let (world, buyer) = (World::new(db).await, customer());
        world.policy(Some(RefundPolicy { until_minutes_before_start: 60, ..RefundPolicy::default() }));
        let old = world.paid(&buyer, &[1000, 500]).await;
        let exchange = async |ticket: usize| {
            let message = ExchangeRequest {
                payment_id: old.id.clone(),
                ticket_ids: vec![old.ticket_ids[ticket].clone()],
                reservation_id: world.hold(&buyer, &[1100]),
                amount: Some(euro(if ticket == 0 { 100 } else { 600 })),
                payment_token: "tok_approve".to_owned(),
                request_id: world.key(),
            };
            PaymentsService::exchange(&world.service, request(&buyer, &message)).await.map(tonic::Response::into_inner)
        };
        let made = exchange(0).await.unwrap();
        world.faults.next("issue", Fault::Down, 1);
        assert!(exchange(1).await.is_err());
        world.cancel().await;
        world.settle().await;
        assert_eq!(world.payment(&old.id).await.refunded, Some(euro(1500)));
        assert_eq!(world.payment(&made.id).await.refunded, Some(euro(100)));
        let progress = world.progress(&admin()).await.unwrap();
        assert_eq!((progress.done, progress.refunded), (true, Some(euro(1500 + 100 + 600))));
        world.check().await;
    }
}
