//! What the database guarantees, whoever asks how often at once.

use futures::future::join_all;
use jiff::SignedDuration;
use moviebooking_domain::clock::Clock as _;
use moviebooking_proto::payments::v1::ChargeRequest;
use moviebooking_store::{both_engines, sql};

use super::world::{World, customer};
use crate::{
    charge::ChargeError,
    kind::Kind,
    ledger::{Moved, Movement},
    payment::{Event, Payment},
    saga::State,
    store::{LEASE, Lease},
};

async fn begin(
    world: &World,
    buyer: &moviebooking_auth::Caller,
    bill: &ChargeRequest,
) -> Result<Payment, ChargeError> {
    let charge = crate::grpc::read_charge(buyer, bill).unwrap();
    world.service.begin(buyer.user().unwrap().id, &charge).await
}

fn event() -> Event {
    Event { kind: "noted", ..Event::default() }
}

both_engines! {
    &crate::MIGRATIONS;

    async fn one_payment_at_a_time_holds_a_reservation(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let reservation = world.hold(&buyer, &[500]);
        let bills: Vec<_> = (0..16).map(|_| world.bill(&reservation, "tok_approve")).collect();
        let begun = join_all(bills.iter().map(|bill| begin(&world, &buyer, bill))).await;
        let (begun, refused): (Vec<_>, Vec<_>) = begun.into_iter().partition(Result::is_ok);
        assert_eq!(begun.len(), 1);
        assert!(refused.iter().all(|refused| matches!(refused, Err(ChargeError::InProgress))));
        let first = begun.into_iter().next().unwrap().unwrap();
        let declined = Payment { state: State::Declined, lease: Lease::default(), ..first.clone() };
        assert!(world.service.store.advance_payment(&first, &declined, &event(), &[]).await.unwrap());
        assert!(begin(&world, &buyer, &world.bill(&reservation, "tok_approve")).await.is_ok());
    }

    async fn a_key_begins_one_payment(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let mut bills: Vec<_> = (0..8).map(|_| world.bill(&world.hold(&buyer, &[500]), "tok_approve")).collect();
        let key = bills[0].request_id.clone();
        bills.iter_mut().for_each(|bill| bill.request_id.clone_from(&key));
        let begun = join_all(bills.iter().map(|bill| begin(&world, &buyer, bill))).await;
        assert_eq!(begun.iter().filter(|begun| begun.is_ok()).count(), 1);
    }

    async fn one_of_many_makes_a_transition_and_its_event(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let bill = world.bill(&world.hold(&buyer, &[500]), "tok_approve");
        let before = begin(&world, &buyer, &bill).await.unwrap();
        let after = Payment { state: State::Authorised, token: None, ..before.clone() };
        let store = &world.service.store;
        let event = event();
        let made = join_all((0..8).map(|_| store.advance_payment(&before, &after, &event, &[]))).await;
        assert_eq!(made.into_iter().filter(|made| *made.as_ref().unwrap()).count(), 1);
        assert_eq!(store.history(before.id).await.unwrap().len(), 2);
        let stored = store.payment(before.id).await.unwrap().unwrap();
        assert_eq!((stored.state, stored.token.is_none()), (State::Authorised, true));
        // With another's lease it does nothing either.
        let other = Payment { lease: Lease::new(world.clock.now()), ..after.clone() };
        let further = Payment { state: State::Confirmed, ..after };
        assert!(!store.advance_payment(&other, &further, &event, &[]).await.unwrap());
    }

    async fn payments_that_step_together_each_have_their_own_end(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let store = &world.service.store;
        let bills = [(); 3].map(|()| world.bill(&world.hold(&buyer, &[500]), "tok_approve"));
        let begun = join_all(bills.iter().map(|bill| begin(&world, &buyer, bill))).await;
        let mut begun: Vec<Payment> = begun.into_iter().map(Result::unwrap).collect();
        begun[1].lease = Lease::new(world.clock.now());
        let moved = Some(Moved { how: Movement::Authorised, amount: 500 });
        let event = Event { moved, ..event() };
        let steps = begun.iter().map(async |before| {
            let after = Payment { state: State::Authorised, token: None, ..before.clone() };
            store.advance_payment(before, &after, &event, &[]).await.unwrap()
        });
        assert_eq!(join_all(steps).await, [true, false, true]);
        for (payment, events) in begun.iter().zip([2, 1, 2]) {
            assert_eq!(store.history(payment.id).await.unwrap().len(), events);
            let booked = sql("SELECT COUNT(*) AS booked FROM ledger WHERE payment_id = $1").bind(payment.id);
            let booked: i64 = booked.fetch_one(&world.db).await.unwrap().get("booked").unwrap();
            assert_eq!(booked > 0, events == 2);
        }
    }

    async fn a_lease_has_one_holder(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        let bill = world.bill(&world.hold(&buyer, &[500]), "tok_approve");
        let payment = begin(&world, &buyer, &bill).await.unwrap();
        let leases = world.service.store.leases(Kind::Checkout);
        let id = payment.id.uuid();
        let claim = async || {
            let now = world.clock.now();
            let claims = join_all((0..8).map(|_| leases.claim(id, now))).await;
            let due = join_all((0..8).map(|_| leases.claim_due(10, now))).await;
            let claims = claims.into_iter().filter_map(Result::unwrap).count();
            claims + due.into_iter().map(|rows| rows.unwrap().len()).sum::<usize>()
        };
        assert_eq!(claim().await, 0);
        world.clock.advance(LEASE);
        assert_eq!(claim().await, 1);
        assert_eq!(claim().await, 0);
        // Who lost it cannot give it back.
        leases.postpone(id, payment.lease, world.clock.now()).await.unwrap();
        assert_eq!(claim().await, 0);
        let held = world.service.store.payment(payment.id).await.unwrap().unwrap();
        assert!(held.lease.retried());
        leases.postpone(id, held.lease, world.clock.now()).await.unwrap();
        assert!(leases.claim_due(10, world.clock.now()).await.unwrap().is_empty());
        assert_eq!(claim().await, 1);
        let held = world.service.store.payment(payment.id).await.unwrap().unwrap();
        leases.postpone(id, held.lease, world.clock.now()).await.unwrap();
        world.clock.advance(SignedDuration::from_mins(1));
        assert_eq!(leases.claim_due(10, world.clock.now()).await.unwrap().len(), 1);
    }

    async fn a_token_is_forgotten_when_the_provider_has_answered(db: Db) {
        let (world, buyer) = (World::new(db).await, customer());
        for token in ["tok_approve", "tok_fraud", "no such token"] {
            let _ = world.charge(&buyer, &world.bill(&world.hold(&buyer, &[500]), token)).await;
        }
        let kept = sql("SELECT id FROM payments WHERE payment_token IS NOT NULL").fetch_all(&world.db).await.unwrap();
        assert!(kept.is_empty());
    }
}
