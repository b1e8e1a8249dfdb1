//! Tickets that are exchanged: the buyer ends with the old ones or with the new ones, and the money agrees.

use futures::future::join_all;
use moviebooking_auth::Caller;
use moviebooking_proto::{
    Reason,
    payments::v1::{ExchangeRequest, Payment, PaymentState, payments_service_server::PaymentsService},
    reservations::v1::ReservationState,
    theaters::v1::RefundPolicy,
    tickets::v1::TicketState,
};
use moviebooking_store::both_engines;
use tonic::Status;
use tonic_types::StatusExt as _;
use uuid::Uuid;

use super::{
    neighbours::Fault,
    world::{World, customer, euro, reason, request, staff, staff_elsewhere},
};
use crate::{runner::Saga as _, saga::State, store::LEASE};

const POLICY: RefundPolicy =
    RefundPolicy { until_minutes_before_start: 60, fee_basis_points: 1_000, fee_minor: 0 };

impl World {
    /// A payment whose tickets may be returned and exchanged.
    pub(super) async fn returnable(&self, buyer: &Caller, prices: &[i64]) -> Payment {
        self.policy(Some(POLICY));
        self.paid(buyer, prices).await
    }

    /// A request to exchange these tickets for new seats at these prices.
    pub(super) fn swap(
        &self,
        buyer: &Caller,
        old: &Payment,
        tickets: &[usize],
        prices: &[i64],
        more: i64,
    ) -> ExchangeRequest {
        ExchangeRequest {
            payment_id: old.id.clone(),
            ticket_ids: tickets.iter().map(|index| old.ticket_ids[*index].clone()).collect(),
            reservation_id: self.hold(buyer, prices),
            amount: (more > 0).then(|| euro(more)),
            payment_token: if more > 0 { "tok_approve".to_owned() } else { String::new() },
            request_id: self.key(),
        }
    }

    pub(super) async fn exchange(
        &self,
        caller: &Caller,
        message: &ExchangeRequest,
    ) -> Result<Payment, Status> {
        let answer = PaymentsService::exchange(&self.service, request(caller, message)).await;
        answer.map(tonic::Response::into_inner)
    }

    fn ticket_states(&self, payment: &Payment) -> Vec<TicketState> {
        let issued = self.tickets.issued.lock().unwrap();
        let state = |id: &String| issued.iter().find(|ticket| ticket.id == *id).unwrap().state();
        payment.ticket_ids.iter().map(state).collect()
    }
}

both_engines! {
    &crate::MIGRATIONS;

    async fn dearer_seats_cost_the_difference(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let old = world.returnable(&buyer, &[1000, 500]).await;
        let swap = world.swap(&buyer, &old, &[0], &[1300], 300);
        let new = world.exchange(&buyer, &swap).await.unwrap();
        assert_eq!((new.state(), new.amount.clone(), new.carried.clone()), (PaymentState::Completed, Some(euro(300)), Some(euro(1000))));
        assert_eq!((&new.exchange_of, new.ticket_ids.len()), (&old.id, 1));
        assert_eq!(world.ticket_states(&old), [TicketState::Void, TicketState::Valid]);
        assert_eq!(world.ticket_states(&new), [TicketState::Valid]);
        assert_eq!(world.freed(&old), ["A1"]);
        assert_eq!(world.exchange(&buyer, &swap).await.unwrap(), new, "a repetition");
        let before = world.payment(&old.id).await;
        assert_eq!((before.state(), before.refunded), (PaymentState::Completed, Some(euro(0))));
        world.check().await;

        // What is left of the old payment is its other ticket; what was carried over comes back with the new one.
        let refused = world.refund(&staff(), &world.by_amount(&old, 501)).await;
        assert_eq!(reason(&refused), Some(Reason::RefundTooLarge));
        let returned = world.refund(&staff(), &world.everything(&new)).await.unwrap();
        assert_eq!((returned.state(), returned.refunded), (PaymentState::Refunded, Some(euro(300))));
        world.settle().await;
        assert_eq!(world.payment(&old.id).await.refunded, Some(euro(1000)));
        world.check().await;
    }

    async fn of_cheaper_seats_the_difference_is_paid_back(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let old = world.returnable(&buyer, &[1000, 500]).await;
        let new = world.exchange(&buyer, &world.swap(&buyer, &old, &[0], &[400, 300], 0)).await.unwrap();
        assert_eq!((new.amount.clone(), new.carried.clone()), (Some(euro(0)), Some(euro(700))));
        assert_eq!(world.payment(&old.id).await.refunded, Some(euro(300)));
        assert_eq!((world.faults.count("authorise"), world.faults.count("refund")), (1, 1));
        world.check().await;
        // The buyer returns one of the new tickets: the old payment pays back all but the fee.
        let returned = world.refund(&buyer, &world.by_tickets(&new, &[0])).await.unwrap();
        assert_eq!((returned.state(), returned.fee_kept), (PaymentState::PartiallyRefunded, Some(euro(40))));
        world.settle().await;
        assert_eq!(world.payment(&old.id).await.refunded, Some(euro(300 + 360)));
        world.check().await;
    }

    async fn seats_that_cost_the_same_cost_nothing(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let old = world.returnable(&buyer, &[1000, 500]).await;
        let new = world.exchange(&buyer, &world.swap(&buyer, &old, &[0, 1], &[700, 800], 0)).await.unwrap();
        assert_eq!((new.state(), new.ticket_ids.len()), (PaymentState::Completed, 2));
        assert_eq!(world.freed(&old), ["A1", "A2"]);
        assert_eq!((world.faults.count("authorise"), world.faults.count("refund")), (1, 0));
        world.check().await;
    }

    async fn of_two_refunds_of_exchanged_tickets_one_may_be_refused(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let old = world.returnable(&buyer, &[1000, 1000]).await;
        let new = world.exchange(&buyer, &world.swap(&buyer, &old, &[0, 1], &[1000, 1000], 0)).await.unwrap();
        world.faults.next("void_tickets", Fault::Down, 1);
        let by = staff();
        assert!(world.refund(&by, &world.by_tickets(&new, &[0])).await.is_err());
        // The other one is promised, and will be refused.
        world.check_in(&new.ticket_ids[0]);
        let returned = world.refund(&by, &world.by_tickets(&new, &[1])).await.unwrap();
        assert_eq!(returned.state(), PaymentState::PartiallyRefunded);
        world.settle().await;
        assert_eq!(world.payment(&new.id).await.state(), PaymentState::PartiallyRefunded);
        assert_eq!(world.payment(&old.id).await.refunded, Some(euro(1000)));
        world.check().await;
    }

    async fn an_exchange_that_is_declined_changes_nothing(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let old = world.returnable(&buyer, &[1000]).await;
        let mut swap = world.swap(&buyer, &old, &[0], &[1300], 300);
        for (token, expected) in [("tok_expired_card", Reason::PaymentDeclined), ("tok_capture_fails", Reason::PaymentVoided)] {
            swap = ExchangeRequest { payment_token: token.to_owned(), ..world.swap(&buyer, &old, &[0], &[1300], 300) };
            let refused = world.exchange(&buyer, &swap).await;
            assert_eq!((reason(&refused), reason(&world.exchange(&buyer, &swap).await)), (Some(expected), Some(expected)));
            assert_eq!(world.ticket_states(&old), [TicketState::Valid]);
            assert!(world.freed(&old).is_empty());
        }
        // The tickets are free for another try.
        let again = world.swap(&buyer, &old, &[0], &[1300], 300);
        world.exchange(&buyer, &again).await.unwrap();
        assert!(world.exchange(&buyer, &swap).await.is_err());
        world.check().await;
    }

    async fn the_end_is_one_or_the_other_whatever_is_refused(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        // A ticket that was let in, new seats that are gone, a new showtime that was cancelled.
        let cases = [
            ("void_tickets", Reason::TicketAlreadyCheckedIn, TicketState::Valid, 0),
            ("confirm", Reason::HoldReleased, TicketState::Valid, 0),
            ("issue", Reason::ShowtimeCancelled, TicketState::Void, 1000),
        ];
        for (call, cause, left, refunded) in cases {
            for more in [300, 0] {
                let old = world.returnable(&buyer, &[1000]).await;
                let swap = world.swap(&buyer, &old, &[0], &[1000 + more], more);
                world.faults.next(call, Fault::Refused(cause), 1);
                let refused = world.exchange(&buyer, &swap).await;
                assert_eq!(reason(&refused), Some(Reason::PaymentVoided), "{call}");
                let info = refused.unwrap_err().get_details_error_info().unwrap();
                assert_eq!(info.metadata["cause"], cause.name());
                world.settle().await;
                assert_eq!(world.ticket_states(&old), [left], "{call}");
                assert_eq!(world.payment(&old.id).await.refunded, Some(euro(refunded)), "{call}");
                assert_eq!(world.freed(&old).is_empty(), left == TicketState::Valid);
                world.check().await;
            }
        }
    }

    async fn an_exchange_ends_well_whatever_call_fails(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        for call in ["authorise", "confirm", "capture", "void_tickets", "issue", "free"] {
            for (fault, times) in [(Fault::Down, 1), (Fault::Down, 4), (Fault::ReplyLost, 1)] {
                let old = world.returnable(&buyer, &[1000]).await;
                let swap = world.swap(&buyer, &old, &[0], &[1300], 300);
                world.faults.next(call, fault, times);
                let _ = world.exchange(&buyer, &swap).await;
                world.settle().await;
                let new = world.exchange(&buyer, &swap).await.unwrap();
                assert_eq!(world.ticket_states(&new), [TicketState::Valid], "{call} {fault:?}");
                assert_eq!(world.ticket_states(&old), [TicketState::Void], "{call} {fault:?}");
                assert_eq!(world.freed(&old), ["A1"], "{call} {fault:?}");
                world.faults.clear();
            }
        }
        world.check().await;
    }

    async fn an_exchange_survives_the_death_of_its_process_anywhere(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let checkout = world.checkout();
        for state in [State::Created, State::Authorised, State::Confirmed, State::Exchanging, State::Captured] {
            for after_the_effect in [false, true] {
                let old = world.returnable(&buyer, &[1000]).await;
                let swap = world.swap(&buyer, &old, &[0], &[1300], 300);
                let new = crate::grpc::read_exchange(&buyer, &swap).unwrap();
                let mut left = world.service.begin_exchange(&buyer, &new).await.unwrap();
                while left.state != state {
                    left = checkout.step(&left).await.unwrap();
                }
                if after_the_effect {
                    checkout.perform(state.step().unwrap().action, &left).await.unwrap();
                }
                world.clock.advance(LEASE);
                world.settle().await;
                let ended = world.service.store.payment(left.id).await.unwrap().unwrap();
                assert_eq!(ended.state, State::Completed, "{state:?}");
                assert_eq!(world.freed(&old), ["A1"]);
            }
        }
        world.check().await;
    }

    async fn of_many_exchanges_of_one_ticket_one_is_made(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let old = world.returnable(&buyer, &[1000]).await;
        let swaps: Vec<_> = (0..8).map(|_| world.swap(&buyer, &old, &[0], &[1300], 300)).collect();
        let refund = world.everything(&old);
        let by = staff();
        let swapped = join_all(swaps.iter().map(|swap| world.exchange(&buyer, swap)));
        let (swapped, refunded) = tokio::join!(swapped, world.refund(&by, &refund));
        let made = swapped.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(made + usize::from(refunded.is_ok_and(|payment| payment.refunded == Some(euro(1000)))), 1);
        world.settle().await;
        world.check().await;
    }

    async fn what_cannot_be_exchanged_is_refused_before_anything_is_asked_of_the_bank(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let old = world.returnable(&buyer, &[1000, 500]).await;
        let other = world.returnable(&buyer, &[1000]).await;
        let authorised = world.faults.count("authorise");
        let refused = async |change: &dyn Fn(&mut ExchangeRequest)| {
            let mut swap = world.swap(&buyer, &old, &[0], &[1300], 300);
            change(&mut swap);
            let outcome = world.exchange(&buyer, &swap).await;
            let why = reason(&outcome).unwrap();
            let details = outcome.unwrap_err().get_error_details();
            let fields = details.bad_request().map(|bad| bad.field_violations[0].field.clone());
            (why, fields.unwrap_or_default())
        };
        let invalid = |field: &str| (Reason::InvalidArgument, field.to_owned());
        assert_eq!(refused(&|swap| swap.ticket_ids.clear()).await, invalid("ticket_ids"));
        assert_eq!(refused(&|swap| swap.ticket_ids.push(swap.ticket_ids[0].clone())).await, invalid("ticket_ids[1]"));
        assert_eq!(refused(&|swap| swap.ticket_ids = other.ticket_ids.clone()).await, invalid("ticket_ids[0]"));
        assert_eq!(refused(&|swap| swap.payment_token.clear()).await, invalid("payment_token"));
        assert_eq!(refused(&|swap| swap.amount = None).await, (Reason::AmountMismatch, "amount".to_owned()));
        assert_eq!(refused(&|swap| swap.amount = Some(euro(299))).await, (Reason::AmountMismatch, "amount".to_owned()));
        assert_eq!(refused(&|swap| swap.payment_id = Uuid::new_v4().to_string()).await.0, Reason::PaymentNotFound);
        assert_eq!(refused(&|swap| swap.reservation_id = Uuid::new_v4().to_string()).await.0, Reason::ReservationNotFound);
        assert_eq!(refused(&|swap| swap.request_id.clear()).await.0, Reason::IdempotencyKeyMissing);
        for (state, expected) in [
            (ReservationState::Released, Reason::HoldReleased),
            (ReservationState::Expired, Reason::HoldExpired),
            (ReservationState::Confirmed, Reason::AlreadyPaid),
        ] {
            let change = |swap: &mut ExchangeRequest| {
                world.reservations.held.lock().unwrap().get_mut(&swap.reservation_id).unwrap().set_state(state);
            };
            assert_eq!(refused(&change).await.0, expected);
        }
        let elsewhere = |swap: &mut ExchangeRequest| {
            let mut held = world.reservations.held.lock().unwrap();
            held.get_mut(&swap.reservation_id).unwrap().theater_id = Uuid::from_u128(8).to_string();
        };
        assert_eq!(refused(&elsewhere).await, invalid("reservation_id"));
        let swap = world.swap(&buyer, &old, &[0], &[1300], 300);
        for (caller, expected) in [
            (customer(), Reason::PaymentNotFound),
            (staff_elsewhere(), Reason::PaymentNotFound),
            (staff(), Reason::PermissionDenied),
        ] {
            assert_eq!(reason(&world.exchange(&caller, &swap).await), Some(expected));
        }
        assert_eq!(world.faults.count("authorise"), authorised);

        let new = world.exchange(&buyer, &swap).await.unwrap();
        let reused = ExchangeRequest { ticket_ids: old.ticket_ids[1..].to_vec(), ..swap };
        assert_eq!(reason(&world.exchange(&buyer, &reused).await), Some(Reason::IdempotencyKeyReused));
        let again = world.swap(&buyer, &new, &[0], &[1300], 0);
        assert_eq!(reason(&world.exchange(&buyer, &again).await), Some(Reason::RefundNotAllowed));
        let twice = world.swap(&buyer, &old, &[0], &[1000], 0);
        assert_eq!(reason(&world.exchange(&buyer, &twice).await), Some(Reason::TicketVoid));
        world.clock.advance(jiff::SignedDuration::from_mins(121));
        let late = world.swap(&buyer, &old, &[1], &[500], 0);
        assert_eq!(reason(&world.exchange(&buyer, &late).await), Some(Reason::RefundNotAllowed));
        world.check().await;
    }
}
