//! Selling, freeing, and closing a showtime.

use moviebooking_proto::{
    Reason,
    reservations::v1::{self as wire, ReservationState, SeatState},
};

use super::{
    everywhere,
    world::{World, fields, reason},
};

fn freed(reservation: &wire::Reservation) -> Vec<&str> {
    reservation.seats.iter().filter(|seat| seat.freed).map(|seat| seat.label.as_str()).collect()
}

everywhere! {
    async fn a_sale_belongs_to_one_payment(world: World) {
        let held = world.hold(&world.buyer(), &["A1", "A2"]).await.unwrap();
        let payment = world.payment();
        let sold = world.confirm(&held.id, payment).await.unwrap();
        assert_eq!((sold.state(), sold.payment_id.clone()), (ReservationState::Confirmed, payment.to_string()));
        world.later(60);
        assert_eq!(world.confirm(&held.id, payment).await.unwrap(), sold, "a repetition");
        assert_eq!(reason(world.confirm(&held.id, world.payment()).await), Reason::AlreadyPaid);
        assert_eq!(world.seats(SeatState::Sold).await, ["A1", "A2"], "what is sold does not expire");
        assert_eq!(reason(world.hold(&world.buyer(), &["A1"]).await), Reason::SeatUnavailable);
        world.must_be_sound().await;
    }

    async fn an_expired_hold_is_not_sold_although_nobody_took_its_seats(world: World) {
        let held = world.hold(&world.buyer(), &["A1", "A2"]).await.unwrap();
        world.later(10);
        assert_eq!(reason(world.confirm(&held.id, world.payment()).await), Reason::HoldExpired);
        assert!(world.seats(SeatState::Sold).await.is_empty());
        world.must_be_sound().await;
    }

    async fn sold_seats_are_freed_one_by_one_or_all(world: World) {
        let held = world.hold(&world.buyer(), &["A1", "A2", "A3"]).await.unwrap();
        let payment = world.payment();
        assert_eq!(world.free(&held.id, payment, &[]).await.unwrap(), held, "there is nothing to free");
        world.confirm(&held.id, payment).await.unwrap();
        let other = world.payment();
        assert_eq!(reason(world.free(&held.id, other, &[]).await), Reason::AlreadyPaid);
        let unknown = world.free(&held.id, payment, &["A1", "B1"]).await.unwrap_err();
        assert_eq!(fields(&unknown), ["seats[1]"]);
        let one = world.free(&held.id, payment, &["A3"]).await.unwrap();
        assert_eq!((one.state(), freed(&one)), (ReservationState::Confirmed, vec!["A3"]));
        assert_eq!(world.free(&held.id, payment, &["A3"]).await.unwrap(), one, "a repetition");
        assert_eq!(world.seats(SeatState::Sold).await, ["A1", "A2"]);
        world.hold(&world.buyer(), &["A3"]).await.unwrap();
        let all = world.free(&held.id, payment, &[]).await.unwrap();
        assert_eq!((all.state(), freed(&all)), (ReservationState::Released, vec!["A1", "A2", "A3"]));
        assert_eq!(world.free(&held.id, payment, &[]).await.unwrap(), all, "a repetition");
        assert_eq!(world.seats(SeatState::Held).await, ["A3"], "what another buyer holds is not freed");
        assert_eq!(reason(world.confirm(&held.id, payment).await), Reason::HoldReleased);
        world.must_be_sound().await;
    }

    async fn a_closed_showtime_keeps_its_sales_and_nothing_else(world: World) {
        let (buyer, other) = (world.buyer(), world.buyer());
        let sold = world.hold(&buyer, &["A1", "A2"]).await.unwrap();
        let payment = world.payment();
        world.confirm(&sold.id, payment).await.unwrap();
        let expired = world.hold(&other, &["C1", "C2"]).await.unwrap();
        world.later(10);
        let held = world.hold(&buyer, &["B1", "B2"]).await.unwrap();
        let also = world.hold(&other, &["B3", "B4"]).await.unwrap();
        world.close().await;
        let sequence = world.map(&buyer).await.sequence;
        world.close().await;
        let map = world.map(&buyer).await;
        assert_eq!((map.sequence, map.free_count), (sequence, 0), "closing again changes nothing");
        for (hold, state) in [
            (&held, ReservationState::Released),
            (&also, ReservationState::Released),
            (&expired, ReservationState::Expired),
        ] {
            assert_eq!(world.get(&world.admin(), &hold.id).await.unwrap().state(), state);
        }
        assert_eq!(reason(world.confirm(&held.id, world.payment()).await), Reason::HoldReleased);
        assert_eq!(reason(world.hold(&world.buyer(), &["B1"]).await), Reason::ShowtimeCancelled);
        assert_eq!(reason(world.hold(&world.buyer(), &["A1"]).await), Reason::ShowtimeCancelled);
        assert_eq!(world.seats(SeatState::Sold).await, ["A1", "A2"]);
        world.free(&sold.id, payment, &[]).await.unwrap();
        assert!(world.seats(SeatState::Sold).await.is_empty());
        world.must_be_sound().await;
    }

    async fn a_showtime_can_be_closed_before_anybody_asked_for_it(world: World) {
        world.close().await;
        assert_eq!(reason(world.hold(&world.buyer(), &["B1"]).await), Reason::ShowtimeCancelled);
        world.must_be_sound().await;
    }
}
