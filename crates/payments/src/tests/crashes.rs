//! A process that dies before or after the effect of any step, and another that finds what it left.

use jiff::SignedDuration;
use moviebooking_domain::{clock::Clock as _, id::PaymentId};
use moviebooking_proto::{
    Reason,
    payments::v1::{ChargeRequest, RefundRequest},
};
use moviebooking_store::{both_engines, sql};

use super::{
    neighbours::Fault,
    world::{World, customer, staff},
};
use crate::{
    payment::Payment,
    refund,
    runner::Saga as _,
    saga::{Checkout, State},
    store::LEASE,
};

/// How the process dies.
#[derive(Clone, Copy, Debug)]
enum Death {
    BeforeTheEffect,
    AfterTheEffect,
}

/// How a checkout gets into a state: the token, and which call is refused with what.
fn way_to(state: State) -> Option<(&'static str, Option<(&'static str, Reason)>)> {
    match state {
        State::Created | State::Authorised | State::Confirmed | State::Captured => {
            Some(("tok_approve", None))
        }
        State::Freeing | State::Voiding => Some(("tok_capture_fails", None)),
        State::Offering => Some(("tok_approve", Some(("confirm", Reason::HoldExpired)))),
        State::Returning | State::Repaying => {
            Some(("tok_approve", Some(("issue", Reason::ShowtimeCancelled))))
        }
        State::Completed | State::Declined | State::Voided | State::Refunded | State::PartiallyRefunded => {
            None
        }
    }
}

/// The payment as the charge leaves it in the database before the checkout's first step.
async fn begin(world: &World, buyer: &moviebooking_auth::Caller, bill: &ChargeRequest) -> Payment {
    let charge = crate::grpc::read_charge(buyer, bill).unwrap();
    world.service.begin(buyer.user().unwrap().id, &charge).await.unwrap()
}

async fn run_to(checkout: &Checkout, mut payment: Payment, state: State) -> Payment {
    while payment.state != state {
        payment = checkout.step(&payment).await.unwrap();
    }
    payment
}

both_engines! {
    &crate::MIGRATIONS;

    async fn a_checkout_survives_the_death_of_its_process_anywhere(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let checkout = world.checkout();
        for state in State::ALL {
            assert_eq!(way_to(state).is_none(), state.step().is_none(), "{state:?}");
            let (Some((token, refusal)), Some(step)) = (way_to(state), state.step()) else { continue };
            for death in [Death::BeforeTheEffect, Death::AfterTheEffect] {
                let reservation = world.hold(&buyer, &[700, 600]);
                let bill = world.bill(&reservation, token);
                if let Some((call, reason)) = refusal {
                    world.faults.next(call, Fault::Refused(reason), 1);
                }
                let left = run_to(&checkout, begin(&world, &buyer, &bill).await, state).await;
                if let Death::AfterTheEffect = death {
                    // Of a capture that is declined there is no effect to have had.
                    let _ = checkout.perform(step.action, &left).await;
                }
                world.service.tick().await.unwrap();
                assert_eq!(world.service.store.payment(left.id).await.unwrap().unwrap().state, state, "{death:?}");
                world.clock.advance(LEASE);
                world.service.tick().await.unwrap();
                let ended = world.service.store.payment(left.id).await.unwrap().unwrap().state;
                let expected = match (token, refusal) {
                    ("tok_capture_fails", _) | (_, Some(("confirm", _))) => State::Voided,
                    (_, Some(_)) => State::Refunded,
                    _ => State::Completed,
                };
                assert_eq!(ended, expected, "{state:?} {death:?}");
            }
        }
        world.check().await;
    }

    async fn a_refund_survives_the_death_of_its_process_anywhere(db: Db) {
        let (world, buyer, by) = (World::new(db).await, customer(), staff());
        let refunding = world.refunding();
        for state in refund::State::ALL {
            let Some(step) = state.step() else { continue };
            for death in [Death::BeforeTheEffect, Death::AfterTheEffect] {
                let paid = world.paid(&buyer, &[700, 600]).await;
                let request = RefundRequest {
                    payment_id: paid.id.clone(),
                    ticket_ids: paid.ticket_ids[..1].to_vec(),
                    request_id: world.key(),
                    ..RefundRequest::default()
                };
                let new = crate::grpc::read_refund(&by, &request).unwrap();
                let mut left = world.service.store.request_refund(&new, world.clock.now()).await.unwrap();
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
                assert_eq!((ended.state, ended.refunded_after), (refund::State::Refunded, Some(700)), "{state:?} {death:?}");
            }
        }
        world.check().await;
    }

    async fn who_lost_the_lease_writes_nothing_more(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let checkout = world.checkout();
        let reservation = world.hold(&buyer, &[700]);
        let stale = begin(&world, &buyer, &world.bill(&reservation, "tok_approve")).await;
        let stale = run_to(&checkout, stale, State::Confirmed).await;
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
        let mut payment = begin(&world, &buyer, &world.bill(&reservation, "tok_approve")).await;
        while payment.state.step().is_some() {
            world.clock.advance(SignedDuration::from_secs(14));
            world.service.tick().await.unwrap();
            payment = checkout.step(&payment).await.unwrap();
        }
        assert_eq!(payment.state, State::Completed);
        world.check().await;
    }

    async fn a_row_that_cannot_be_read_does_not_stop_the_others(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let (broken, whole) = (world.hold(&buyer, &[700]), world.hold(&buyer, &[700]));
        let broken = begin(&world, &buyer, &world.bill(&broken, "tok_approve")).await;
        let whole = begin(&world, &buyer, &world.bill(&whole, "tok_approve")).await;
        sql("UPDATE payments SET state = 'FORGOTTEN' WHERE id = $1").bind(broken.id).execute(&world.db).await.unwrap();
        world.clock.advance(LEASE);
        world.service.tick().await.unwrap();
        let state = |id: PaymentId| sql("SELECT state FROM payments WHERE id = $1").bind(id).fetch_one(&world.db);
        assert_eq!(state(whole.id).await.unwrap().get::<String>("state").unwrap(), "COMPLETED");
        assert_eq!(state(broken.id).await.unwrap().get::<String>("state").unwrap(), "FORGOTTEN");
    }
}
