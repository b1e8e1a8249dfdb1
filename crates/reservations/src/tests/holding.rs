//! Holding seats: the rules, the price, the key.

use moviebooking_auth::Caller;
use moviebooking_proto::{
    Reason,
    reservations::v1::{self as wire, ReservationState, SeatState},
};
use tonic_types::StatusExt as _;

use super::{
    everywhere,
    world::{World, best, create, fields, labels, named, reason},
};

everywhere! {
    async fn held_seats_are_priced_and_shown(world: World) {
        let buyer = world.buyer();
        let held = world.hold(&buyer, &["C1", "B1", "B2"]).await.unwrap();
        assert_eq!(labels(&held), ["B1", "B2", "C1"], "in the layout's order");
        assert_eq!(held.total.as_ref().unwrap().amount_minor, 1_000 + 1_000 + 1_450);
        assert_eq!(held.state(), ReservationState::Active);
        assert_eq!(held.theater_id, world.theater.to_string());
        let (created, expires) = (held.create_time.unwrap(), held.expire_time.unwrap());
        assert_eq!(expires.seconds - created.seconds, 600);
        assert_eq!(world.seats(SeatState::Held).await, ["B1", "B2", "C1"]);
        let mine = |map: wire::SeatMap| map.rows.iter().flat_map(|row| &row.seats).filter(|seat| seat.held_by_me).count();
        let map = world.map(&buyer).await;
        assert_eq!((map.sequence, map.free_count), (1, 35));
        assert_eq!(map.rows[2].seats[0].price.as_ref().unwrap().amount_minor, 1_450);
        assert_eq!(mine(map), 3);
        assert_eq!(mine(world.map(&world.buyer()).await), 0);
        assert_eq!(mine(world.map(&Caller::Anonymous).await), 0);
        assert_eq!(world.get(&buyer, &held.id).await.unwrap(), held);
        world.must_be_sound().await;
    }

    async fn the_best_seats_are_found(world: World) {
        let buyer = world.buyer();
        let held = create(&world.service, &buyer, best(world.showtime, 2, "", true)).await.unwrap();
        assert_eq!(labels(&held).len(), 2);
        let premium = create(&world.service, &buyer, best(world.showtime, 4, "premium", true)).await.unwrap();
        assert!(labels(&premium).iter().all(|label| label.starts_with('C')));
        let too_long = create(&world.service, &world.buyer(), best(world.showtime, 7, "premium", true)).await;
        assert_eq!(reason(too_long), Reason::NotEnoughSeats);
        let unknown = create(&world.service, &buyer, best(world.showtime, 1, "box", false)).await.unwrap_err();
        assert_eq!(fields(&unknown), ["best_available.category"]);
        world.must_be_sound().await;
    }

    async fn a_taken_seat_is_refused_and_all_taken_ones_are_named(world: World) {
        world.hold(&world.buyer(), &["A1", "A2", "A3"]).await.unwrap();
        let refused = world.hold(&world.buyer(), &["A4", "A3", "B1", "A2"]).await.unwrap_err();
        assert_eq!(fields(&refused), ["seats[1]", "seats[3]"]);
        assert_eq!(refused.message(), "A3, A2 are taken: choose other seats.");
        let details = refused.get_error_details();
        assert_eq!(details.error_info().unwrap().metadata["seats"], "A3,A2");
        assert_eq!(reason(Err::<(), _>(refused)), Reason::SeatUnavailable);
        assert_eq!(world.seats(SeatState::Held).await, ["A1", "A2", "A3"], "all or none");
    }

    async fn unknown_seats_are_refused_by_name(world: World) {
        let refused = world.hold(&world.buyer(), &["A1", "Z9", "", "a\0b"]).await.unwrap_err();
        assert_eq!(fields(&refused), ["seats[1]", "seats[2]", "seats[3]"]);
        assert_eq!(reason(Err::<(), _>(refused)), Reason::SeatNotFound);
        let long = "x".repeat(100_000);
        assert!(world.hold(&world.buyer(), &[&long]).await.unwrap_err().message().len() < 100);
    }

    async fn the_rules_of_the_hall_are_kept(world: World) {
        let buyer = world.buyer();
        assert_eq!(reason(world.hold(&buyer, &["A2"]).await), Reason::OrphanSeat);
        assert_eq!(reason(world.hold(&buyer, &["D2"]).await), Reason::CompanionAlone);
        world.hold(&buyer, &["D1"]).await.unwrap();
        assert_eq!(reason(world.hold(&world.buyer(), &["D2"]).await), Reason::CompanionAlone);
        world.hold(&buyer, &["D2"]).await.unwrap();
        world.hold(&world.buyer(), &["D9", "D10"]).await.unwrap();
        world.must_be_sound().await;
    }

    async fn a_buyer_gets_ten_seats_of_a_showtime_and_no_more(world: World) {
        let buyer = world.buyer();
        world.hold(&buyer, &["A1", "A2", "A3", "A4", "A5", "A6"]).await.unwrap();
        let sold = world.hold(&buyer, &["B1", "B2", "B3"]).await.unwrap();
        world.confirm(&sold.id, world.payment()).await.unwrap();
        let refused = world.hold(&buyer, &["B4", "B5"]).await.unwrap_err();
        assert_eq!(refused.get_error_details().error_info().unwrap().metadata["seats_left"], "1");
        assert_eq!(reason(Err::<(), _>(refused)), Reason::SeatLimit);
        assert_eq!(reason(create(&world.service, &buyer, best(world.showtime, 2, "", false)).await), Reason::SeatLimit);
        world.hold(&buyer, &["B4"]).await.unwrap();
        world.later(10);
        world.hold(&buyer, &["B4", "B5", "B6", "C1", "C2", "C3", "C4"]).await.unwrap();
        world.must_be_sound().await;
    }

    async fn what_is_not_on_sale_cannot_be_held(world: World) {
        let buyer = world.buyer();
        for (showtime, why) in [
            (world.not_yet_on_sale, Reason::NotOnSale),
            (world.no_more_on_sale, Reason::NotOnSale),
            (world.cancelled, Reason::ShowtimeCancelled),
            (moviebooking_domain::id::ShowtimeId::from(uuid::Uuid::nil()), Reason::ShowtimeNotFound),
        ] {
            assert_eq!(reason(create(&world.service, &buyer, named(showtime, &["A1"])).await), why);
        }
        world.later(60);
        create(&world.service, &buyer, named(world.not_yet_on_sale, &["A1"])).await.unwrap();
    }

    async fn the_same_request_gets_the_same_answer(world: World) {
        let buyer = world.buyer();
        let request = named(world.showtime, &["A1", "A2"]);
        let held = create(&world.service, &buyer, request.clone()).await.unwrap();
        assert_eq!(create(&world.service, &buyer, request.clone()).await.unwrap(), held);
        assert_eq!(create(&world.replica(), &buyer, request.clone()).await.unwrap(), held);
        world.release(&buyer, &held.id).await.unwrap();
        assert_eq!(create(&world.service, &buyer, request.clone()).await.unwrap(), held);
        assert!(world.seats(SeatState::Held).await.is_empty(), "a repetition holds nothing");
        let other = wire::CreateReservationRequest { seats: vec!["B1".to_owned()], ..request.clone() };
        assert_eq!(reason(create(&world.service, &buyer, other).await), Reason::IdempotencyKeyReused);
        let of_another = create(&world.service, &world.buyer(), request.clone()).await.unwrap();
        assert_ne!(of_another.id, held.id, "keys belong to their buyer");
        world.later(60 * 24);
        assert_eq!(create(&world.service, &buyer, request.clone()).await.unwrap(), held, "also after the sale");
        let without = wire::CreateReservationRequest { request_id: String::new(), ..request };
        assert_eq!(reason(create(&world.service, &buyer, without).await), Reason::IdempotencyKeyMissing);
        world.must_be_sound().await;
    }

    async fn the_best_seats_of_a_repetition_are_those_of_before(world: World) {
        let buyer = world.buyer();
        let request = best(world.showtime, 3, "", true);
        let held = create(&world.service, &buyer, request.clone()).await.unwrap();
        assert_eq!(create(&world.service, &buyer, request).await.unwrap(), held);
        assert_eq!(world.seats(SeatState::Held).await.len(), 3);
        world.must_be_sound().await;
    }

    async fn an_expired_hold_is_taken_over_at_its_end_and_not_before(world: World) {
        let first = world.buyer();
        let held = world.hold(&first, &["A1", "A2"]).await.unwrap();
        world.clock.advance(jiff::SignedDuration::from_micros(600_000_000 - 1));
        assert_eq!(reason(world.hold(&world.buyer(), &["A1", "A2"]).await), Reason::SeatUnavailable);
        assert_eq!(world.get(&first, &held.id).await.unwrap().state(), ReservationState::Active);
        world.clock.advance(jiff::SignedDuration::from_micros(1));
        assert_eq!(world.get(&first, &held.id).await.unwrap().state(), ReservationState::Expired);
        assert!(world.seats(SeatState::Held).await.is_empty());
        let taken = world.hold(&world.buyer(), &["A1", "A2"]).await.unwrap();
        assert_eq!(labels(&taken), ["A1", "A2"]);
        assert_eq!(reason(world.confirm(&held.id, world.payment()).await), Reason::HoldExpired);
        assert_eq!(world.release(&first, &held.id).await.unwrap().state(), ReservationState::Expired);
        assert_eq!(world.seats(SeatState::Held).await, ["A1", "A2"]);
        world.must_be_sound().await;
    }

    async fn a_process_that_is_behind_neither_refuses_nor_sells_wrongly(world: World) {
        let (one, two) = (world.service.clone(), world.replica());
        let held = create(&one, &world.buyer(), named(world.showtime, &["A1", "A2"])).await.unwrap();
        let taken = create(&two, &world.buyer(), named(world.showtime, &["A1"])).await;
        assert_eq!(reason(taken), Reason::SeatUnavailable);
        create(&two, &world.buyer(), named(world.showtime, &["B1"])).await.unwrap();
        // The first process knows nothing of B1.
        assert_eq!(reason(create(&one, &world.buyer(), named(world.showtime, &["B1"])).await), Reason::SeatUnavailable);
        create(&one, &world.buyer(), named(world.showtime, &["C1"])).await.unwrap();
        let admin = world.admin();
        world.release(&admin, &held.id).await.unwrap();
        create(&two, &world.buyer(), named(world.showtime, &["A1", "A2"])).await.unwrap();
        world.must_be_sound().await;
    }
}
