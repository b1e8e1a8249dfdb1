//! Selling, freeing, and closing a showtime.

use jiff::SignedDuration;
use moviebooking_auth::Caller;
use moviebooking_proto::{
    Reason,
    reservations::v1::{
        self as wire, ReservationState, SeatState, reservations_service_server::ReservationsService as _,
    },
};

use super::{
    everywhere,
    world::{World, by, confirm, fields, reason},
};

fn freed(reservation: &wire::Reservation) -> Vec<&str> {
    reservation.seats.iter().filter(|seat| seat.freed).map(|seat| seat.label.as_str()).collect()
}

/// The payment that a reservation was sold to.
async fn rival_payment(world: &World, id: &str) -> moviebooking_domain::id::PaymentId {
    let sold = world.get(&world.admin(), id).await.unwrap();
    moviebooking_domain::id::PaymentId::from(uuid::Uuid::try_parse(&sold.payment_id).unwrap())
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

    async fn an_expired_hold_takes_its_seats_again_if_all_of_them_are_free(world: World) {
        let (buyer, payment) = (world.buyer(), world.payment());
        let held = world.hold(&buyer, &["A1", "A2"]).await.unwrap();
        let other = world.hold(&world.buyer(), &["B1", "B2", "B3"]).await.unwrap();
        world.later(10);
        let sold = world.confirm(&held.id, payment).await.unwrap();
        assert_eq!(sold.state(), ReservationState::Confirmed);
        assert_eq!(world.confirm(&held.id, payment).await.unwrap(), sold, "a repetition");
        assert_eq!(world.seats(SeatState::Sold).await, ["A1", "A2"]);
        // One seat of three was taken meanwhile, held or sold, or taken and given back.
        let rival = world.hold(&world.buyer(), &["B3", "B4"]).await.unwrap();
        assert_eq!(reason(world.confirm(&other.id, payment).await), Reason::HoldExpired);
        world.confirm(&rival.id, world.payment()).await.unwrap();
        assert_eq!(reason(world.confirm(&other.id, payment).await), Reason::HoldExpired);
        assert_eq!(world.get(&world.admin(), &other.id).await.unwrap().state(), ReservationState::Expired);
        world.free(&rival.id, rival_payment(&world, &rival.id).await, &[]).await.unwrap();
        world.confirm(&other.id, payment).await.unwrap();
        assert_eq!(world.seats(SeatState::Sold).await, ["A1", "A2", "B1", "B2", "B3"]);
        world.must_be_sound().await;
    }

    async fn an_expired_hold_takes_nothing_that_is_no_longer_sold(world: World) {
        let buyer = world.buyer();
        let held = world.hold(&buyer, &["A1", "A2"]).await.unwrap();
        world.later(10);
        let now = moviebooking_fields::time::to_wire(moviebooking_domain::clock::Clock::now(&*world.clock));
        let ended = world.told(|showtime| showtime.sales_end_time = Some(now));
        assert_eq!(reason(confirm(&ended, &held.id, world.payment()).await), Reason::HoldExpired);
        let cancelled = world.told(|showtime| showtime.set_state(moviebooking_proto::movies::v1::ShowtimeState::Cancelled));
        assert_eq!(reason(confirm(&cancelled, &held.id, world.payment()).await), Reason::ShowtimeCancelled);
        assert_eq!(reason(confirm(&world.alone(), &held.id, world.payment()).await), Reason::Unavailable);
        world.close().await;
        assert_eq!(reason(world.confirm(&held.id, world.payment()).await), Reason::ShowtimeCancelled);
        assert!(world.seats(SeatState::Sold).await.is_empty());
        world.must_be_sound().await;
    }

    async fn a_hold_of_a_closed_showtime_is_not_sold_by_a_clock_that_is_behind(world: World) {
        let buyer = world.buyer();
        let held = world.hold(&buyer, &["A1", "A2"]).await.unwrap();
        world.later(10);
        // It has ended, so it is not released.
        world.close().await;
        world.clock.advance(-SignedDuration::from_secs(20));
        assert_eq!(world.get(&buyer, &held.id).await.unwrap().state(), ReservationState::Active);
        for behind in [20, 2] {
            assert_eq!(reason(world.confirm(&held.id, world.payment()).await), Reason::ShowtimeCancelled, "{behind}");
            assert_eq!(reason(world.keep(&held.id, world.payment()).await), Reason::ShowtimeCancelled, "{behind}");
            assert_eq!(reason(world.extend(&buyer, &held.id, &format!("key-{behind}")).await), Reason::ShowtimeCancelled, "{behind}");
            world.clock.advance(SignedDuration::from_secs(18));
        }
        assert!(world.seats(SeatState::Sold).await.is_empty());
        world.must_be_sound().await;
    }

    async fn a_hold_that_has_ended_for_others_takes_no_more_seats_than_one_buyer_may_have(world: World) {
        let buyer = world.buyer();
        let held = world.hold(&buyer, &["A1", "A2"]).await.unwrap();
        world.later(10);
        world.hold(&buyer, &["B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B9"]).await.unwrap();
        world.clock.advance(-SignedDuration::from_secs(2));
        assert_eq!(reason(world.confirm(&held.id, world.payment()).await), Reason::SeatLimit);
        world.must_be_sound().await;
    }

    async fn an_expired_hold_takes_no_more_seats_than_one_buyer_may_have(world: World) {
        let buyer = world.buyer();
        let held = world.hold(&buyer, &["A1", "A2"]).await.unwrap();
        world.later(10);
        world.hold(&buyer, &["B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B9"]).await.unwrap();
        assert_eq!(reason(world.confirm(&held.id, world.payment()).await), Reason::SeatLimit);
        world.must_be_sound().await;
    }

    async fn a_sale_just_after_a_look_is_of_what_the_reservation_is_by_then(world: World) {
        // As payments do: it looks, then it confirms, in a process that does not see what others do in between.
        let (buyer, here) = (world.buyer(), world.replica());
        let look = async |id: &str| {
            let message = wire::GetReservationRequest { id: id.to_owned() };
            here.get_reservation(by(&Caller::Service("payments".into()), message)).await.unwrap();
        };
        let released = world.hold(&buyer, &["A1"]).await.unwrap();
        look(&released.id).await;
        world.release(&buyer, &released.id).await.unwrap();
        assert_eq!(reason(confirm(&here, &released.id, world.payment()).await), Reason::HoldReleased);

        let sold = world.hold(&buyer, &["A1"]).await.unwrap();
        look(&sold.id).await;
        world.confirm(&sold.id, world.payment()).await.unwrap();
        assert_eq!(reason(confirm(&here, &sold.id, world.payment()).await), Reason::AlreadyPaid);

        let (extended, expired) =
            (world.hold(&buyer, &["A2"]).await.unwrap(), world.hold(&buyer, &["A3"]).await.unwrap());
        look(&extended.id).await;
        look(&expired.id).await;
        world.later(5);
        world.extend(&buyer, &extended.id, "later").await.unwrap();
        world.later(5);
        world.hold(&world.buyer(), &["A3"]).await.unwrap();
        let payment = world.payment();
        let bought = confirm(&here, &extended.id, payment).await.unwrap();
        assert_eq!(bought.state(), ReservationState::Confirmed);
        assert_eq!(confirm(&here, &extended.id, payment).await.unwrap(), bought, "a repetition");
        assert_eq!(reason(confirm(&here, &expired.id, payment).await), Reason::HoldExpired);
        world.must_be_sound().await;
    }

    async fn a_look_sees_what_its_own_process_has_done(world: World) {
        let (buyer, payments) = (world.buyer(), Caller::Service("payments".into()));
        let kept = world.hold(&buyer, &["A1"]).await.unwrap();
        assert_eq!(world.get(&payments, &kept.id).await.unwrap(), kept);
        world.later(5);
        let extended = world.extend(&buyer, &kept.id, "later").await.unwrap();
        assert_ne!(extended.expire_time, kept.expire_time);
        assert_eq!(world.get(&payments, &kept.id).await.unwrap(), extended);
        let released = world.hold(&buyer, &["A2"]).await.unwrap();
        let answered = world.release(&buyer, &released.id).await.unwrap();
        assert_eq!(world.get(&payments, &released.id).await.unwrap(), answered);
        let sold = world.hold(&buyer, &["A2"]).await.unwrap();
        let answered = world.confirm(&sold.id, world.payment()).await.unwrap();
        assert_eq!(world.get(&payments, &sold.id).await.unwrap(), answered);
        world.later(10);
        assert_eq!(world.get(&payments, &kept.id).await.unwrap().state(), ReservationState::Expired);
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
