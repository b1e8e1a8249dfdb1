//! Many at once: every seat has one owner, every rule holds, and nobody gets a fault.

use std::{collections::BTreeMap, sync::Arc};

use futures::future::join_all;
use jiff::SignedDuration;
use moviebooking_auth::Caller;
use moviebooking_proto::{
    Reason,
    problem::reason_of,
    reservations::v1::{self as wire, ReservationState, SeatState},
};
use tokio::sync::Barrier;
use tonic::Status;

use super::{
    everywhere,
    world::{World, best, confirm, create, labels, named},
};
use crate::Service;

/// All requests at the same moment, each in a task of its own.
async fn together<T: Send + 'static>(
    requests: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let requests: Vec<_> = requests.into_iter().collect();
    let start = Arc::new(Barrier::new(requests.len()));
    let tasks = requests.into_iter().map(|request| {
        let start = Arc::clone(&start);
        tokio::spawn(async move {
            start.wait().await;
            request.await
        })
    });
    join_all(tasks).await.into_iter().map(Result::unwrap).collect()
}

type Outcome = Result<wire::Reservation, Status>;

fn hold(
    service: &Service,
    caller: Caller,
    request: wire::CreateReservationRequest,
) -> impl Future<Output = Outcome> + use<> {
    let service = service.clone();
    async move { create(&service, &caller, request).await }
}

/// Counts the outcomes; any but a hold and the expected refusals is a failure.
fn outcomes(results: &[Outcome], expected: &[Reason]) -> usize {
    for refused in results.iter().filter_map(|result| result.as_ref().err()) {
        let reason = reason_of(refused);
        assert!(reason.is_some_and(|reason| expected.contains(&reason)), "{refused:?}");
    }
    results.iter().filter(|result| result.is_ok()).count()
}

everywhere! {
    async fn thirty_two_buyers_for_the_same_seats(world: World) {
        let services = [world.service.clone(), world.replica()];
        for seats in [["A1", "A2", "A3"], ["B4", "B5", "B6"], ["A4", "A5", "A6"]] {
            let requests = (0..32).map(|i| hold(&services[i % 2], world.buyer(), named(world.showtime, &seats)));
            assert_eq!(outcomes(&together(requests).await, &[Reason::SeatUnavailable]), 1);
        }
        assert_eq!(world.seats(SeatState::Held).await.len(), 9);
        world.must_be_sound().await;
    }

    async fn overlapping_choices_in_any_order_never_fail(world: World) {
        let services = [world.service.clone(), world.replica()];
        let choices = [["A1", "A2", "A3"], ["A3", "A2", "A1"], ["A3", "A4", "A5"], ["A5", "A4", "A3"], ["B1", "A1", "A2"], ["A2", "A1", "B1"]];
        let requests = (0..36).map(|i| hold(&services[i % 2], world.buyer(), named(world.showtime, &choices[i % 6])));
        let held = outcomes(&together(requests).await, &[Reason::SeatUnavailable, Reason::OrphanSeat]);
        assert!((1..=3).contains(&held), "{held}");
        world.must_be_sound().await;
    }

    async fn the_whole_hall_is_sold_once(world: World) {
        let services = [world.service.clone(), world.replica()];
        let requests = (0..40).map(|i| hold(&services[i % 2], world.buyer(), best(world.showtime, 2, "", false)));
        let results = together(requests).await;
        let held = outcomes(&results, &[Reason::NotEnoughSeats]);
        let mut owners: BTreeMap<&str, usize> = BTreeMap::new();
        for label in results.iter().flatten().flat_map(labels) {
            *owners.entry(label).or_default() += 1;
        }
        assert!(owners.values().all(|count| *count == 1), "{owners:?}");
        assert_eq!(owners.len(), held * 2);
        assert_eq!(held, 17, "34 seats are ordinary ones");
        world.must_be_sound().await;
    }

    async fn one_buyer_with_many_requests_stays_within_the_cap(world: World) {
        let services = [world.service.clone(), world.replica()];
        let buyer = world.buyer();
        let requests = (0..16).map(|i| hold(&services[i % 2], buyer.clone(), best(world.showtime, 3, "", true)));
        assert_eq!(outcomes(&together(requests).await, &[Reason::SeatLimit]), 3);
        assert_eq!(world.seats(SeatState::Held).await.len(), 9);
        world.must_be_sound().await;
    }

    async fn two_good_choices_never_leave_a_seat_alone_together(world: World) {
        let services = [world.service.clone(), world.replica()];
        for row in ["A", "B"] {
            let seats = |numbers: [u32; 2]| numbers.map(|number| format!("{row}{number}"));
            // Each leaves two free seats beside it; both together would leave one between them.
            let choices = [seats([3, 4]), seats([6, 7])];
            let requests = (0..2).map(|i: usize| {
                let choice = choices[i].each_ref().map(String::as_str);
                hold(&services[i], world.buyer(), named(world.showtime, &choice))
            });
            assert_eq!(outcomes(&together(requests).await, &[Reason::OrphanSeat]), 1);
        }
        world.must_be_sound().await;
    }

    async fn one_request_sent_many_times_at_once_has_one_effect(world: World) {
        let services = [world.service.clone(), world.replica()];
        let (buyer, request) = (world.buyer(), best(world.showtime, 2, "", true));
        let requests = (0..12).map(|i| hold(&services[i % 2], buyer.clone(), request.clone()));
        let results = together(requests).await;
        let first = results[0].as_ref().unwrap();
        assert!(results.iter().all(|result| result.as_ref().unwrap() == first));
        assert_eq!(world.seats(SeatState::Held).await.len(), 2);
        world.must_be_sound().await;
    }

    async fn a_hold_that_expires_is_sold_or_taken_over_and_never_both(world: World) {
        let services = [world.service.clone(), world.replica()];
        for row in ["A", "B"] {
            let seats = [1, 2].map(|number| format!("{row}{number}"));
            let seats = seats.each_ref().map(String::as_str);
            let held = world.hold(&world.buyer(), &seats).await.unwrap();
            world.clock.advance(SignedDuration::from_micros(600_000_000 - 1));
            let (clock, id, payment) = (Arc::clone(&world.clock), held.id.clone(), world.payment());
            let service = world.service.clone();
            let sale = tokio::spawn(async move { confirm(&service, &id, payment).await });
            let time = tokio::spawn(async move { clock.advance(SignedDuration::from_micros(1)) });
            let takers = (0..8).map(|i| hold(&services[i % 2], world.buyer(), named(world.showtime, &seats)));
            let taken = outcomes(&together(takers).await, &[Reason::SeatUnavailable]);
            time.await.unwrap();
            let sold = usize::from(sale.await.unwrap().is_ok());
            // Those who asked before the end were refused, so that perhaps nobody has the seats.
            assert!(sold + taken <= 1, "sold {sold}, taken {taken}");
            let state = world.get(&world.admin(), &held.id).await.unwrap().state();
            assert_eq!(state, if sold == 1 { ReservationState::Confirmed } else { ReservationState::Expired });
            world.must_be_sound().await;
        }
    }

    async fn everything_at_once_stays_sound(world: World) {
        let services = [world.service.clone(), world.replica()];
        let admin = world.admin();
        let lives = (0..24).map(|i: usize| {
            let (service, caller, clock) = (services[i % 2].clone(), world.buyer(), Arc::clone(&world.clock));
            let (admin, showtime) = (admin.clone(), world.showtime);
            async move {
                for round in 0..4 {
                    let Ok(held) = create(&service, &caller, best(showtime, 1 + i32::try_from(i % 3).unwrap(), "", false)).await
                    else { continue };
                    let id: moviebooking_domain::id::ReservationId = moviebooking_fields::id("id", &held.id).unwrap();
                    let payment = moviebooking_domain::id::PaymentId::from(uuid::Uuid::new_v4());
                    match (i + round) % 4 {
                        0 => drop(service.confirm(id, payment).await.unwrap()),
                        1 => {
                            service.confirm(id, payment).await.unwrap();
                            let first = held.seats[0].label.clone();
                            service.free(id, payment, &[first]).await.unwrap();
                            service.free(id, payment, &[]).await.unwrap();
                        }
                        2 => drop(service.release(&admin, id, &no_key()).await.unwrap()),
                        _ => clock.advance(SignedDuration::from_secs(1)),
                    }
                }
            }
        });
        together(lives).await;
        world.close().await;
        world.must_be_sound().await;
    }
}

fn no_key() -> moviebooking_store::idempotency::Request {
    moviebooking_store::idempotency::Request::optional("", "", "", &()).unwrap()
}
