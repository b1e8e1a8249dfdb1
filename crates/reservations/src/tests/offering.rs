//! Offers to who paid too late: what is offered, for how long, and what it costs the buyer's other plans.

use moviebooking_proto::{
    Reason,
    reservations::v1::{self as wire, ReservationState, SeatState},
};

use super::{
    everywhere,
    world::{World, best, create, labels, named, reason},
};

/// A hold whose seats are sold to another buyer after it has expired.
async fn lost(world: &World, buyer: &moviebooking_auth::Caller, seats: &[&str]) -> wire::Reservation {
    let lost = world.hold(buyer, seats).await.unwrap();
    world.later(10);
    let rival = world.hold(&world.buyer(), seats).await.unwrap();
    world.confirm(&rival.id, world.payment()).await.unwrap();
    lost
}

everywhere! {
    async fn seats_of_the_same_category_are_offered_here_and_in_the_next_showtimes(world: World) {
        let (buyer, late) = (world.buyer(), world.payment());
        let lost = lost(&world, &buyer, &["C7", "C8"]).await;
        let offers = world.offers(&lost.id, late).await;
        let showtimes: Vec<&str> = offers.iter().map(|offer| offer.showtime_id.as_str()).collect();
        let expected = [world.showtime, world.next[0], world.next[1]].map(|id| id.to_string());
        assert_eq!(showtimes, expected);
        for offer in &offers {
            assert!(offer.seats.iter().all(|seat| seat.category == "premium"), "{offer:?}");
            assert_eq!((offer.seats.len(), offer.state()), (2, ReservationState::Active));
            assert_eq!((&offer.user_id, &offer.offered_for), (&lost.user_id, &late.to_string()));
            assert_eq!(offer.total, lost.total);
            let lasts = offer.expire_time.unwrap().seconds - offer.create_time.unwrap().seconds;
            assert_eq!(lasts, 5 * 60);
        }
        assert_eq!(labels(&offers[1]), ["C7", "C8"], "the very same seats where they are free");
        assert_eq!(world.offers(&lost.id, late).await, offers, "a repetition");
        assert_eq!(world.seats(SeatState::Held).await.len(), 2);
        world.later(5);
        assert!(world.seats(SeatState::Held).await.is_empty());
        assert_eq!(world.get(&buyer, &offers[0].id).await.unwrap().state(), ReservationState::Expired);
        world.must_be_sound().await;
    }

    async fn an_offer_does_not_keep_the_buyer_from_other_seats(world: World) {
        let (buyer, late) = (world.buyer(), world.payment());
        let lost = lost(&world, &buyer, &["A1", "A2", "A3", "A4"]).await;
        let offers = world.offers(&lost.id, late).await;
        assert_eq!(labels(&offers[0]).len(), 4);
        create(&world.service, &buyer, best(world.showtime, 10, "", false)).await.unwrap();
        assert_eq!(reason(world.extend(&buyer, &offers[0].id, "longer").await), Reason::HoldCapReached);
        // Ten and four would be more than a buyer may have; in another showtime they are not.
        assert_eq!(reason(world.confirm(&offers[0].id, world.payment()).await), Reason::SeatLimit);
        world.confirm(&offers[1].id, world.payment()).await.unwrap();
        world.must_be_sound().await;
    }

    async fn the_other_offers_are_released_when_one_is_bought(world: World) {
        let (buyer, late) = (world.buyer(), world.payment());
        let lost = lost(&world, &buyer, &["A1", "A2"]).await;
        let offers = world.offers(&lost.id, late).await;
        let payment = world.payment();
        let sold = world.confirm(&offers[0].id, payment).await.unwrap();
        assert_eq!(sold.state(), ReservationState::Confirmed);
        assert_eq!(world.confirm(&offers[0].id, payment).await.unwrap(), sold, "a repetition");
        for other in &offers[1..] {
            assert_eq!(world.get(&buyer, &other.id).await.unwrap().state(), ReservationState::Released);
            let again = named(other.showtime_id.parse::<uuid::Uuid>().unwrap().into(), &labels(other));
            create(&world.service, &world.buyer(), again).await.unwrap();
        }
        // What was bought counts among the buyer's seats.
        let nine = best(world.showtime, 9, "", false);
        assert_eq!(reason(create(&world.service, &buyer, nine).await), Reason::SeatLimit);
        world.must_be_sound().await;
    }

    async fn nothing_else_is_offered_for_a_wheelchair_space_or_where_nothing_is_free(world: World) {
        let (buyer, late) = (world.buyer(), world.payment());
        let space = lost(&world, &buyer, &["D1", "D2"]).await;
        let offers = world.offers(&space.id, late).await;
        assert_eq!(offers.iter().map(labels).collect::<Vec<_>>(), [["D1", "D2"], ["D1", "D2"]]);
        assert!(offers.iter().all(|offer| offer.showtime_id != world.showtime.to_string()));
        let premium = lost(&world, &buyer, &["C1", "C2", "C3", "C4"]).await;
        world.hold(&world.buyer(), &["C7", "C8"]).await.unwrap();
        let offers = world.offers(&premium.id, world.payment()).await;
        assert!(offers.iter().all(|offer| offer.showtime_id != world.showtime.to_string()));
        assert_eq!(offers.len(), 2);
        world.must_be_sound().await;
    }

    async fn seats_of_two_categories_are_offered_as_such(world: World) {
        let (buyer, late) = (world.buyer(), world.payment());
        let lost = lost(&world, &buyer, &["B1", "B2", "C1", "C2"]).await;
        let here = &world.offers(&lost.id, late).await[0];
        let of = |name: &str| here.seats.iter().filter(|seat| seat.category == name).count();
        assert_eq!((of("stalls"), of("premium")), (2, 2));
        assert_eq!(here.total, lost.total);
        world.must_be_sound().await;
    }
}
