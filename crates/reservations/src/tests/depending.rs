//! What is answered when something that the service needs fails.

use moviebooking_auth::Caller;
use moviebooking_proto::{Reason, reservations::v1::SeatState};

use super::{
    everywhere,
    world::{World, create, named, reason},
};

everywhere! {
    async fn neighbours_that_cannot_be_reached_are_worth_another_try(world: World) {
        let alone = world.alone();
        let refused = create(&alone, &world.buyer(), named(world.showtime, &["A1"])).await;
        assert_eq!(reason(refused), Reason::Unavailable);
        let map = alone.seat_map(&Caller::Anonymous, world.showtime).await;
        assert_eq!(reason(map.map_err(Into::into)), Reason::Unavailable);
        // What needs no neighbour goes on.
        let buyer = world.buyer();
        let request = named(world.showtime, &["A1"]);
        let held = create(&world.service, &buyer, request.clone()).await.unwrap();
        assert_eq!(create(&alone, &buyer, request).await.unwrap(), held, "the answer of before");
        let id = moviebooking_fields::id("id", &held.id).unwrap();
        alone.confirm(id, world.payment()).await.unwrap();
        assert_eq!(world.seats(SeatState::Sold).await, ["A1"]);
    }

    async fn a_showtime_that_makes_no_sense_is_a_fault_of_ours(world: World) {
        let no_price = world.told(|showtime| showtime.prices.clear());
        let two_currencies =
            world.told(|showtime| showtime.prices[0].price.as_mut().unwrap().currency_code = "USD".to_owned());
        let no_hall = world.told(|showtime| showtime.hall_id.clear());
        for service in [no_price, two_currencies, no_hall] {
            let refused = create(&service, &world.buyer(), named(world.showtime, &["A1"])).await;
            assert_eq!(reason(refused), Reason::Internal);
        }
    }

    async fn a_seat_without_a_price_is_not_sold(world: World) {
        let service = world.told(|showtime| drop(showtime.prices.pop()));
        create(&service, &world.buyer(), named(world.showtime, &["A1"])).await.unwrap();
        let refused = create(&service, &world.buyer(), named(world.showtime, &["C1"])).await;
        assert_eq!(reason(refused), Reason::NotOnSale);
        world.must_be_sound().await;
    }

    async fn a_database_that_is_gone_is_worth_another_try(world: World) {
        let buyer = world.buyer();
        let held = world.hold(&buyer, &["A1"]).await.unwrap();
        world.database.db().close().await;
        assert_eq!(reason(world.hold(&buyer, &["A2"]).await), Reason::Unavailable);
        assert_eq!(reason(world.get(&buyer, &held.id).await), Reason::Unavailable);
        assert_eq!(reason(world.extend(&buyer, &held.id, "key").await), Reason::Unavailable);
    }
}
