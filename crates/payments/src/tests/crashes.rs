//! Any step fails, happens twice, loses its reply, or is the last that its process does; and what is left goes on.

use jiff::SignedDuration;
use moviebooking_domain::{clock::Clock as _, id::PaymentId};
use moviebooking_proto::{
    Reason,
    payments::v1::{ChargeRequest, RefundRequest},
};
use moviebooking_store::{both_engines, sql};

use super::{
    disturb::{Disturbance, disturb},
    neighbours::Fault,
    world::{World, admin, customer, staff},
};
use crate::{
    Service,
    payment::Payment,
    refund::{self, Refunding},
    runner::Saga as _,
    saga::{Checkout, State},
    store::{LEASE, Lease},
};

/// How the process dies.
#[derive(Clone, Copy, Debug)]
enum Death {
    BeforeTheEffect,
    AfterTheEffect,
}

/// What befalls a step in a process that lives on.
const DISTURBANCES: [Disturbance; 3] = [Disturbance::Fails, Disturbance::Repeats, Disturbance::LosesItsReply];

/// How a checkout gets into a state, and where it then ends.
pub(super) struct Way {
    pub(super) token: &'static str,
    /// Which call is refused with what.
    pub(super) refusal: Option<(&'static str, Reason)>,
    /// The state in which it is parked and turned round.
    pub(super) turned: Option<State>,
    /// Whether it is for an exchange.
    pub(super) exchange: bool,
    end: State,
}

pub(super) fn way_to(state: State) -> Option<Way> {
    let good =
        Way { token: "tok_approve", refusal: None, turned: None, exchange: false, end: State::Completed };
    match state {
        State::Created | State::Authorised | State::Confirmed | State::Captured => Some(good),
        State::Freeing | State::Voiding => {
            Some(Way { token: "tok_capture_fails", end: State::Voided, ..good })
        }
        State::Offering => {
            Some(Way { refusal: Some(("confirm", Reason::HoldExpired)), end: State::Voided, ..good })
        }
        State::Returning | State::Repaying => {
            let refusal = Some(("issue", Reason::ShowtimeCancelled));
            Some(Way { refusal, end: State::Refunded, ..good })
        }
        State::ActionRequired => Some(Way { token: "tok_confirm", ..good }),
        State::SeekingAuthorisation => {
            Some(Way { turned: Some(State::Created), end: State::Declined, ..good })
        }
        State::SeekingCapture => Some(Way { turned: Some(State::Confirmed), end: State::Voided, ..good }),
        State::Exchanging => Some(Way { exchange: true, ..good }),
        State::RecallingExchanged => {
            Some(Way { exchange: true, turned: Some(State::Exchanging), end: State::Refunded, ..good })
        }
        State::Recalling => Some(Way { turned: Some(State::Captured), end: State::Refunded, ..good }),
        State::Completed | State::Declined | State::Voided | State::Refunded | State::PartiallyRefunded => {
            None
        }
    }
}

/// A payment in this state, whose lease is the caller's.
async fn reach(world: &World, buyer: &moviebooking_auth::Caller, state: State, way: &Way) -> Payment {
    let begun = if way.exchange {
        let old = world.returnable(buyer, &[500]).await;
        let swap = world.swap(buyer, &old, &[0], &[700], 200);
        let swap = crate::grpc::read_exchange(buyer, &swap).unwrap();
        world.service.begin_exchange(buyer, &swap).await.unwrap()
    } else {
        let reservation = world.hold(buyer, &[700, 600]);
        begin(&world.service, buyer, &world.bill(&reservation, way.token)).await
    };
    if let Some((call, reason)) = way.refusal {
        world.faults.next(call, Fault::Refused(reason), 1);
    }
    let checkout = world.checkout();
    match way.turned {
        None => run_to(checkout, begun, state).await,
        Some(turned) => {
            let turned = turn_round(&world.service, run_to(checkout, begun, turned).await).await;
            run_to(checkout, turned, state).await
        }
    }
}

/// Has a checkout parked and turned round by an admin, and takes it up again.
pub(super) async fn turn_round(service: &Service, left: Payment) -> Payment {
    park(service, &left).await;
    service.compensate(&admin(), left.id).await.unwrap();
    let leases = service.store.leases(Checkout::TABLE);
    let claimed = leases.claim(left.id.uuid(), service.clock.now()).await.unwrap().unwrap();
    Payment::read(&claimed).unwrap()
}

/// Sets a payment aside as if its step had been tried for long enough.
pub(super) async fn park(service: &Service, left: &Payment) {
    let leases = service.store.leases(Checkout::TABLE);
    let item = (left.id.uuid(), left.id);
    assert!(leases.park(item, left.lease, "tried by the test", service.clock.now()).await.unwrap());
}

/// The payment as the charge leaves it in the database before the checkout's first step.
pub(super) async fn begin(
    service: &Service,
    buyer: &moviebooking_auth::Caller,
    bill: &ChargeRequest,
) -> Payment {
    let charge = crate::grpc::read_charge(buyer, bill).unwrap();
    service.begin(buyer.user().unwrap().id, &charge).await.unwrap()
}

pub(super) async fn run_to(checkout: &Checkout, mut payment: Payment, state: State) -> Payment {
    while payment.state != state {
        payment = checkout.step(&payment).await.unwrap();
    }
    payment
}

both_engines! {
    &crate::MIGRATIONS;

    async fn a_checkout_survives_the_death_of_its_process_anywhere(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        for &state in State::ALL {
            assert_eq!(way_to(state).is_none(), state.step().is_none(), "{state:?}");
            let (Some(way), Some(step)) = (way_to(state), state.step()) else { continue };
            for death in [Death::BeforeTheEffect, Death::AfterTheEffect] {
                let left = reach(&world, &buyer, state, &way).await;
                if let Death::AfterTheEffect = death {
                    // Of what is refused there is no effect to have had.
                    let _ = world.checkout().perform(step.action, &left).await;
                }
                world.service.tick().await.unwrap();
                assert_eq!(world.service.store.payment(left.id).await.unwrap().unwrap().state, state, "{death:?}");
                world.clock.advance(LEASE);
                world.service.tick().await.unwrap();
                if let Some(waiting) = &left.confirmation {
                    world.decide(&waiting.action.url, "approve").await;
                    world.settle().await;
                }
                let ended = world.service.store.payment(left.id).await.unwrap().unwrap().state;
                assert_eq!(ended, way.end, "{state:?} {death:?}");
            }
        }
        // What exchanges leave to their refunds.
        world.settle().await;
        world.check().await;
    }

    async fn a_checkout_ends_well_whatever_befalls_any_step(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        for &state in State::ALL {
            let Some(way) = way_to(state) else { continue };
            for disturbance in DISTURBANCES {
                let payment = reach(&world, &buyer, state, &way).await;
                let id = payment.id;
                disturb(Checkout::TABLE, id.uuid(), state.name(), disturbance);
                if let Some(waiting) = &payment.confirmation {
                    world.decide(&waiting.action.url, "approve").await;
                }
                let first = world.service.checkout.finish(payment).await;
                assert_eq!(first.is_ok(), disturbance == Disturbance::Repeats, "{state:?} {disturbance:?}");
                world.settle().await;
                let ended = world.service.store.payment(id).await.unwrap().unwrap().state;
                assert_eq!(ended, way.end, "{state:?} {disturbance:?}");
            }
        }
        world.check().await;
    }

    async fn a_refund_ends_well_whatever_befalls_any_step(db: Db) {
        let (world, buyer, by) = (World::new(db).await, customer(), staff());
        for &state in refund::State::ALL {
            for disturbance in DISTURBANCES {
                if state.step().is_none() {
                    continue;
                }
                let paid = world.paid(&buyer, &[700, 600]).await;
                let request = RefundRequest {
                    payment_id: paid.id.clone(),
                    ticket_ids: paid.ticket_ids[..1].to_vec(),
                    request_id: world.key(),
                    ..RefundRequest::default()
                };
                let mut new = crate::grpc::read_refund(&by, &request).unwrap();
                new.terms = refund::Terms::Staff;
                let now = world.clock.now();
                let begun = world.service.store.request_refund(&new, Lease::new(now), now).await.unwrap();
                let id = begun.id;
                disturb(Refunding::TABLE, id.uuid(), state.name(), disturbance);
                let first = world.service.refunds.finish(begun).await;
                assert_eq!(first.is_ok(), disturbance == Disturbance::Repeats, "{state:?} {disturbance:?}");
                world.settle().await;
                let ended = world.service.store.refund(id).await.unwrap().state;
                assert_eq!(ended, refund::State::Refunded, "{state:?} {disturbance:?}");
            }
        }
        world.check().await;
    }

    async fn a_refund_survives_the_death_of_its_process_anywhere(db: Db) {
        let (world, buyer, by) = (World::new(db).await, customer(), staff());
        let refunding = world.refunding();
        for &state in refund::State::ALL {
            let Some(step) = state.step() else { continue };
            for death in [Death::BeforeTheEffect, Death::AfterTheEffect] {
                let paid = world.paid(&buyer, &[700, 600]).await;
                let request = RefundRequest {
                    payment_id: paid.id.clone(),
                    ticket_ids: paid.ticket_ids[..1].to_vec(),
                    request_id: world.key(),
                    ..RefundRequest::default()
                };
                let mut new = crate::grpc::read_refund(&by, &request).unwrap();
                new.terms = refund::Terms::Staff;
                let now = world.clock.now();
                let mut left = world.service.store.request_refund(&new, Lease::new(now), now).await.unwrap();
                while left.state != state {
                    left = refunding.step(&left).await.unwrap();
                }
                if let Death::AfterTheEffect = death {
                    refunding.perform(step.action, &left).await.unwrap();
                }
                world.service.tick().await.unwrap();
                assert_eq!(world.service.store.refund(left.id).await.unwrap().state, state, "{death:?}");
                world.clock.advance(LEASE);
                world.service.tick().await.unwrap();
                let ended = world.service.store.refund(left.id).await.unwrap();
                assert_eq!((ended.state, ended.after.map(|returned| returned.refunded)), (refund::State::Refunded, Some(700)), "{state:?} {death:?}");
            }
        }
        world.check().await;
    }

    async fn who_lost_the_lease_writes_nothing_more(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let checkout = world.checkout();
        let reservation = world.hold(&buyer, &[700]);
        let stale = begin(&world.service, &buyer, &world.bill(&reservation, "tok_approve")).await;
        let stale = run_to(checkout, stale, State::Confirmed).await;
        world.clock.advance(LEASE);
        world.service.tick().await.unwrap();
        let lost = checkout.step(&stale).await;
        assert!(matches!(lost, Err(crate::runner::Halt::Lost)), "{lost:?}");
        assert_eq!(world.payment_for(&reservation).await.history.len(), 5);
        world.check().await;
    }

    async fn a_long_checkout_keeps_its_lease(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let checkout = world.checkout();
        let reservation = world.hold(&buyer, &[700]);
        let mut payment = begin(&world.service, &buyer, &world.bill(&reservation, "tok_approve")).await;
        while payment.state.step().is_some() {
            world.clock.advance(SignedDuration::from_secs(2));
            world.service.tick().await.unwrap();
            payment = checkout.step(&payment).await.unwrap();
        }
        assert_eq!(payment.state, State::Completed);
        world.check().await;
    }

    async fn a_row_that_cannot_be_read_does_not_stop_the_others(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let (broken, whole) = (world.hold(&buyer, &[700]), world.hold(&buyer, &[700]));
        let broken = begin(&world.service, &buyer, &world.bill(&broken, "tok_approve")).await;
        let whole = begin(&world.service, &buyer, &world.bill(&whole, "tok_approve")).await;
        sql("UPDATE payments SET state = 'FORGOTTEN' WHERE id = $1").bind(broken.id).execute(&world.db).await.unwrap();
        world.clock.advance(LEASE);
        world.service.tick().await.unwrap();
        let state = |id: PaymentId| sql("SELECT state FROM payments WHERE id = $1").bind(id).fetch_one(&world.db);
        assert_eq!(state(whole.id).await.unwrap().get::<String>("state").unwrap(), "COMPLETED");
        assert_eq!(state(broken.id).await.unwrap().get::<String>("state").unwrap(), "FORGOTTEN");
    }
}
