//! Any step, whatever comes of it, fails, happens twice, loses its reply, or is the last that its process does; and
//! what is left goes on.

use http::StatusCode;
use jiff::SignedDuration;
use moviebooking_auth::Caller;
use moviebooking_domain::{clock::Clock as _, id::PaymentId};
use moviebooking_proto::payments::v1::{ChargeRequest, RefundRequest};
use moviebooking_sandbox_bank::Bank;
use moviebooking_store::{both_engines, sql};

use super::{
    disturb::{Disturbance, disturb},
    neighbours::Fault,
    steps::{self, Outcome, Refusal, Step, Turn, Way, way_of_refund},
    world::{World, admin, customer, decide, staff},
};
use crate::{
    Service,
    kind::Kind,
    payment::Payment,
    refund::{self, Refund},
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

/// A payment in this state, whose lease is the caller's.
async fn reach(world: &World, buyer: &Caller, state: State, way: &Way) -> Payment {
    let begun = if way.exchange {
        let old = world.returnable(buyer, &[500]).await;
        let mut swap = world.swap(buyer, &old, &[0], &[700], 200);
        swap.payment_token = way.token.to_owned();
        let swap = crate::grpc::read_exchange(buyer, &swap).unwrap();
        world.service.begin_exchange(buyer, &swap).await.unwrap()
    } else {
        let reservation = world.hold(buyer, &[700, 600]);
        begin(&world.service, buyer, &world.bill(&reservation, way.token)).await
    };
    if let Some(refusal) = way.refusal {
        refuse(world, refusal);
    }
    bring(&world.service, &world.at_bank, begun, state, way).await
}

/// Has neighbours refuse something, also when they are asked for it again.
fn refuse(world: &World, refusal: Refusal) {
    for (call, reason) in refusal.calls() {
        world.faults.next(call, Fault::Refused(*reason), 2);
    }
}

/// Lets something befall a step, and the saga go on to its end, which is as it should be. Answers whether the process that
/// it befell went on by itself.
async fn befall(world: &World, step: Step, disturbance: Disturbance) -> bool {
    let (buyer, service) = (customer(), &world.service);
    let disturb = |id| disturb(step.kind(), id, step.state(), disturbance);
    match step {
        Step::Checkout(state, _, way) => {
            let payment = reach(world, &buyer, state, &way).await;
            let id = payment.id;
            let known = events(service, id).await.len();
            disturb(id.uuid());
            let first = service.checkout.finish(payment).await;
            world.settle().await;
            assert_eq!(events(service, id).await[known], step.event(), "{step:?} {disturbance:?}");
            let ended = service.store.payment(id).await.unwrap().unwrap().state;
            assert_eq!(ended, way.end, "{step:?} {disturbance:?}");
            first.is_ok()
        }
        Step::Refund(state, outcome) => {
            let refund = reach_refund(world, &buyer, state, outcome).await;
            let (id, payment) = (refund.id, refund.payment_id);
            let known = events(service, payment).await.len();
            disturb(id.uuid());
            let first = service.refunds.finish(refund).await;
            world.settle().await;
            assert_eq!(events(service, payment).await[known], step.event(), "{step:?} {disturbance:?}");
            let ended = service.store.refund(id).await.unwrap().state;
            assert_eq!(ended, way_of_refund(state, outcome).1, "{step:?} {disturbance:?}");
            first.is_ok()
        }
        Step::Cancellation(_) => {
            world.another_showtime();
            let bought = [world.paid(&buyer, &[900]).await, world.paid(&buyer, &[800, 700]).await];
            world.cancel().await;
            let showtime = service.store.cancelled(world.showtime()).await.unwrap().unwrap();
            disturb(showtime.id.uuid());
            let first = service.cancellations.follow(showtime).await;
            world.settle().await;
            for payment in bought {
                let refunded = world.payment(&payment.id).await.refunded;
                assert_eq!(refunded, payment.amount, "{step:?} {disturbance:?}");
            }
            first.is_ok()
        }
    }
}

/// A refund of one of two tickets in this state, whose lease is the caller's.
async fn reach_refund(world: &World, buyer: &Caller, state: refund::State, outcome: Outcome) -> Refund {
    let paid = world.paid(buyer, &[700, 600]).await;
    let request = RefundRequest {
        payment_id: paid.id.clone(),
        ticket_ids: paid.ticket_ids[..1].to_vec(),
        request_id: world.key(),
        ..RefundRequest::default()
    };
    let mut new = crate::grpc::read_refund(&staff(), &request).unwrap();
    new.terms = refund::Terms::Staff;
    let now = world.clock.now();
    let mut refund = world
        .service
        .store
        .request_refund(&new, &*world.service.provider, Lease::new(now), now)
        .await
        .unwrap();
    if let (Some(refusal), _) = way_of_refund(state, outcome) {
        refuse(world, refusal);
    }
    while refund.state != state {
        refund = world.refunding().step(&refund).await.unwrap();
    }
    refund
}

/// Brings a payment that has begun into this state; its lease is the caller's.
pub(super) async fn bring(
    service: &Service,
    bank: &Bank,
    begun: Payment,
    state: State,
    way: &Way,
) -> Payment {
    let (checkout, mut payment) = (service.checkout.saga(), begun);
    if let Some((turned, by)) = way.turned {
        payment = turn_round(service, run_to(checkout, payment, turned).await, by).await;
    }
    payment = run_to(checkout, payment, state).await;
    match way.decision {
        Some(decision) => confirm(service, bank, payment, decision).await,
        None => payment,
    }
}

/// Has a checkout turned round, and takes it up again.
async fn turn_round(service: &Service, left: Payment, by: Turn) -> Payment {
    let Turn::Admin { made } = by else {
        return service.withdraw(left.id).await.unwrap().unwrap();
    };
    if made {
        service.checkout.saga().perform(left.state.step().unwrap().action, &left).await.unwrap();
    }
    park(service, &left).await;
    service.compensate(&admin(), left.id).await.unwrap();
    take_up(service, left.id).await
}

/// Has the seats kept of a payment that its buyer must confirm, has the buyer decide, and takes it up again.
async fn confirm(service: &Service, bank: &Bank, asked: Payment, decision: &str) -> Payment {
    let kept = service.checkout.saga().step(&asked).await.unwrap();
    let page = kept.confirmation.unwrap().action.url;
    assert_eq!(decide(bank, &page, decision).await, StatusCode::OK);
    take_up(service, kept.id).await
}

/// Takes the lease of a payment on which nobody works.
async fn take_up(service: &Service, id: PaymentId) -> Payment {
    let leases = service.store.leases(Kind::Checkout);
    let claimed = leases.claim(id.uuid(), service.clock.now()).await.unwrap().unwrap();
    Payment::read(&claimed).unwrap()
}

/// What has happened to a payment.
pub(super) async fn events(service: &Service, id: PaymentId) -> Vec<String> {
    let history = service.store.history(id).await.unwrap();
    history.into_iter().map(|event| event.kind).collect()
}

/// Sets a payment aside as if its step had been tried for long enough.
pub(super) async fn park(service: &Service, left: &Payment) {
    let leases = service.store.leases(Kind::Checkout);
    let item = (left.id.uuid(), left.id);
    assert!(leases.park(item, left.lease, "tried by the test", service.clock.now()).await.unwrap());
}

/// The payment as the charge leaves it in the database before the checkout's first step.
pub(super) async fn begin(service: &Service, buyer: &Caller, bill: &ChargeRequest) -> Payment {
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
        for step in steps::all() {
            let Step::Checkout(state, _, way) = step else { continue };
            for death in [Death::BeforeTheEffect, Death::AfterTheEffect] {
                let left = reach(&world, &buyer, state, &way).await;
                let known = events(&world.service, left.id).await.len();
                if let Death::AfterTheEffect = death {
                    // Of what is refused there is no effect to have had.
                    let _ = world.checkout().perform(state.step().unwrap().action, &left).await;
                }
                world.service.tick().await.unwrap();
                assert_eq!(world.service.store.payment(left.id).await.unwrap().unwrap().state, state, "{death:?}");
                world.clock.advance(LEASE);
                world.service.tick().await.unwrap();
                assert_eq!(events(&world.service, left.id).await[known], step.event(), "{step:?} {death:?}");
                // The time of a buyer who does not confirm, and what exchanges leave to their refunds.
                world.settle().await;
                let ended = world.service.store.payment(left.id).await.unwrap().unwrap().state;
                assert_eq!(ended, way.end, "{step:?} {death:?}");
                world.faults.clear();
            }
        }
        world.check().await;
    }

    async fn a_refund_survives_the_death_of_its_process_anywhere(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let refunding = world.refunding();
        for step in steps::all() {
            let Step::Refund(state, outcome) = step else { continue };
            for death in [Death::BeforeTheEffect, Death::AfterTheEffect] {
                let left = reach_refund(&world, &buyer, state, outcome).await;
                let known = events(&world.service, left.payment_id).await.len();
                if let Death::AfterTheEffect = death {
                    // Of what is refused there is no effect to have had.
                    let _ = refunding.perform(state.step().unwrap().action, &left).await;
                }
                world.service.tick().await.unwrap();
                assert_eq!(world.service.store.refund(left.id).await.unwrap().state, state, "{death:?}");
                world.clock.advance(LEASE);
                world.service.tick().await.unwrap();
                assert_eq!(events(&world.service, left.payment_id).await[known], step.event(), "{step:?} {death:?}");
                let ended = world.service.store.refund(left.id).await.unwrap();
                let (end, returned) = (way_of_refund(state, outcome).1, ended.after.map(|returned| returned.refunded));
                let expected = (end == refund::State::Refunded).then_some(700);
                assert_eq!((ended.state, returned), (end, expected), "{step:?} {death:?}");
                world.faults.clear();
            }
        }
        world.check().await;
    }

    async fn every_saga_ends_well_whatever_befalls_any_step(db: Db) {
        let world = World::new(db).await;
        for step in steps::all() {
            for disturbance in DISTURBANCES {
                let first = befall(&world, step, disturbance).await;
                assert_eq!(first, disturbance == Disturbance::Repeats, "{step:?} {disturbance:?}");
                world.faults.clear();
            }
            world.check().await;
        }
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
