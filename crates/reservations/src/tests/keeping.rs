//! What becomes of holds: extended, released, listed, and whose business they are.

use moviebooking_auth::Caller;
use moviebooking_proto::{
    Reason,
    reservations::v1::{
        self as wire, ReservationState, SeatState, reservations_service_server::ReservationsService,
    },
};
use tonic::Status;
use uuid::Uuid;

use super::{
    everywhere,
    world::{World, by, reason},
};
use crate::Config;

fn minutes(reservation: &wire::Reservation) -> i64 {
    (reservation.expire_time.unwrap().seconds - reservation.create_time.unwrap().seconds) / 60
}

fn key() -> String {
    Uuid::new_v4().to_string()
}

async fn list(
    world: &World,
    caller: &Caller,
    request: wire::ListReservationsRequest,
) -> Result<wire::ListReservationsResponse, Status> {
    world.service.list_reservations(by(caller, request)).await.map(tonic::Response::into_inner)
}

async fn count(world: &World, caller: &Caller, request: wire::ListReservationsRequest) -> usize {
    list(world, caller, request).await.unwrap().reservations.len()
}

everywhere! {
    async fn a_hold_lasts_as_long_as_the_operator_says(world: World) {
        let mut world = world;
        world.service = world.service.with(Config { hold_seconds: 120 });
        let buyer = world.buyer();
        let held = world.hold(&buyer, &["A1", "A2"]).await.unwrap();
        assert_eq!(minutes(&held), 2);
        world.later(1);
        assert_eq!(minutes(&world.extend(&buyer, &held.id, &key()).await.unwrap()), 3);
        world.later(2);
        assert_eq!(reason(world.extend(&buyer, &held.id, &key()).await), Reason::HoldExpired);
        assert_eq!(minutes(&world.hold(&world.buyer(), &["A1", "A2"]).await.unwrap()), 2);
        world.must_be_sound().await;
    }

    async fn a_hold_is_extended_to_thirty_minutes_at_most(world: World) {
        let buyer = world.buyer();
        let held = world.hold(&buyer, &["A1", "A2"]).await.unwrap();
        world.later(9);
        let request = key();
        let extended = world.extend(&buyer, &held.id, &request).await.unwrap();
        assert_eq!(minutes(&extended), 19);
        world.later(9);
        assert_eq!(world.seats(SeatState::Held).await, ["A1", "A2"], "the seats stay held as long");
        assert_eq!(minutes(&world.extend(&buyer, &held.id, &key()).await.unwrap()), 28);
        assert_eq!(world.extend(&buyer, &held.id, &request).await.unwrap(), extended, "a repetition");
        world.later(9);
        assert_eq!(minutes(&world.extend(&buyer, &held.id, &key()).await.unwrap()), 30);
        assert_eq!(reason(world.extend(&buyer, &held.id, &key()).await), Reason::HoldCapReached);
        world.later(3);
        assert_eq!(reason(world.extend(&buyer, &held.id, &key()).await), Reason::HoldExpired);
        assert_eq!(reason(world.extend(&buyer, &held.id, "").await), Reason::IdempotencyKeyMissing);
        assert_eq!(world.extend(&buyer, &held.id, &request).await.unwrap(), extended, "a late repetition");
        world.hold(&world.buyer(), &["A1", "A2"]).await.unwrap();
        world.must_be_sound().await;
    }

    async fn a_hold_is_kept_for_a_payment_that_waits_up_to_its_cap(world: World) {
        let (buyer, payment) = (world.buyer(), world.payment());
        let held = world.hold(&buyer, &["A1", "A2"]).await.unwrap();
        world.later(9);
        assert_eq!(minutes(&world.keep(&held.id, payment).await.unwrap()), 19);
        world.later(9);
        world.keep(&held.id, payment).await.unwrap();
        world.later(9);
        let longest = world.keep(&held.id, payment).await.unwrap();
        assert_eq!(minutes(&longest), 30);
        assert_eq!(world.keep(&held.id, payment).await.unwrap(), longest, "at its cap it stays as it is");
        assert_eq!(world.seats(SeatState::Held).await, ["A1", "A2"]);
        world.later(3);
        assert_eq!(reason(world.keep(&held.id, payment).await), Reason::HoldExpired);
        let sold = world.hold(&world.buyer(), &["A1", "A2"]).await.unwrap();
        assert_eq!(reason(world.confirm(&held.id, payment).await), Reason::HoldExpired);
        world.confirm(&sold.id, payment).await.unwrap();
        assert_eq!(reason(world.keep(&sold.id, payment).await), Reason::AlreadyPaid);
        world.must_be_sound().await;
    }

    async fn extending_at_once_changes_nothing(world: World) {
        let buyer = world.buyer();
        let held = world.hold(&buyer, &["A1"]).await.unwrap();
        assert_eq!(world.extend(&buyer, &held.id, &key()).await.unwrap(), held);
        world.must_be_sound().await;
    }

    async fn released_seats_are_free_at_once(world: World) {
        let buyer = world.buyer();
        let held = world.hold(&buyer, &["A1", "A2"]).await.unwrap();
        let released = world.release(&buyer, &held.id).await.unwrap();
        assert_eq!(released.state(), ReservationState::Released);
        assert_eq!(world.release(&buyer, &held.id).await.unwrap(), released);
        assert_eq!(reason(world.extend(&buyer, &held.id, &key()).await), Reason::HoldReleased);
        assert_eq!(reason(world.confirm(&held.id, world.payment()).await), Reason::HoldReleased);
        let again = world.hold(&world.buyer(), &["A1", "A2"]).await.unwrap();
        world.release(&buyer, &held.id).await.unwrap();
        world.confirm(&again.id, world.payment()).await.unwrap();
        world.must_be_sound().await;
    }

    async fn what_is_sold_is_neither_released_nor_extended(world: World) {
        let buyer = world.buyer();
        let held = world.hold(&buyer, &["A1", "A2"]).await.unwrap();
        world.confirm(&held.id, world.payment()).await.unwrap();
        assert_eq!(reason(world.release(&buyer, &held.id).await), Reason::AlreadyPaid);
        assert_eq!(reason(world.extend(&buyer, &held.id, &key()).await), Reason::AlreadyPaid);
        assert_eq!(world.seats(SeatState::Sold).await, ["A1", "A2"]);
        world.must_be_sound().await;
    }

    async fn the_reservations_of_others_do_not_exist(world: World) {
        let held = world.hold(&world.buyer(), &["A1", "A2"]).await.unwrap();
        let stranger = world.buyer();
        let payments = Caller::Service("payments".into());
        assert_eq!(reason(world.get(&stranger, &held.id).await), Reason::ReservationNotFound);
        assert_eq!(reason(world.release(&stranger, &held.id).await), Reason::ReservationNotFound);
        assert_eq!(reason(world.extend(&stranger, &held.id, &key()).await), Reason::ReservationNotFound);
        assert_eq!(reason(world.release(&payments, &held.id).await), Reason::PermissionDenied);
        assert_eq!(reason(world.hold(&payments, &["B1"]).await), Reason::PermissionDenied);
        let nobody = Uuid::nil().to_string();
        assert_eq!(reason(world.get(&stranger, &nobody).await), Reason::ReservationNotFound);
        assert_eq!(reason(world.confirm(&nobody, world.payment()).await), Reason::ReservationNotFound);
        for may in [&payments, &world.staff(), &world.admin()] {
            assert_eq!(world.get(may, &held.id).await.unwrap(), held);
        }
        assert_eq!(world.release(&world.staff(), &held.id).await.unwrap().state(), ReservationState::Released);
    }

    async fn lists_show_what_the_caller_may_see(world: World) {
        let (buyer, other, staff, admin) = (world.buyer(), world.buyer(), world.staff(), world.admin());
        for seats in [["A1", "A2"], ["A3", "A4"], ["B1", "B2"]] {
            world.hold(&buyer, &seats).await.unwrap();
            world.later(1);
        }
        world.hold(&other, &["B9", "B10"]).await.unwrap();
        let ask = wire::ListReservationsRequest::default;
        let of = |caller: &Caller| caller.user().unwrap().id.to_string();
        let here = || wire::ListReservationsRequest { showtime_id: world.showtime.to_string(), ..ask() };
        let elsewhere = wire::ListReservationsRequest { showtime_id: world.cancelled.to_string(), ..ask() };
        assert_eq!(count(&world, &buyer, ask()).await, 3);
        assert_eq!(count(&world, &buyer, here()).await, 3);
        assert_eq!(count(&world, &buyer, elsewhere.clone()).await, 0);
        assert_eq!(count(&world, &buyer, wire::ListReservationsRequest { user_id: of(&buyer), ..ask() }).await, 3);
        let foreign = wire::ListReservationsRequest { user_id: of(&other), ..ask() };
        assert_eq!(reason(list(&world, &buyer, foreign.clone()).await), Reason::PermissionDenied);
        assert_eq!(reason(list(&world, &staff, foreign.clone()).await), Reason::PermissionDenied);
        assert_eq!(count(&world, &admin, foreign.clone()).await, 1);
        assert_eq!(count(&world, &staff, ask()).await, 0);
        assert_eq!(count(&world, &staff, here()).await, 4);
        assert_eq!(count(&world, &staff, wire::ListReservationsRequest { user_id: of(&other), ..here() }).await, 1);
        assert_eq!(count(&world, &admin, ask()).await, 4);
        assert_eq!(count(&world, &admin, elsewhere).await, 0);

        let first = wire::ListReservationsRequest { page_size: 2, ..ask() };
        let page = list(&world, &buyer, first.clone()).await.unwrap();
        assert!(page.reservations.iter().map(|held| &held.id).is_sorted_by(|newer, older| newer > older));
        let next = wire::ListReservationsRequest { page_token: page.next_page_token, ..first };
        let last = list(&world, &buyer, next.clone()).await.unwrap();
        assert_eq!((last.reservations.len(), last.next_page_token.as_str()), (1, ""));
        let other_list = wire::ListReservationsRequest { showtime_id: world.showtime.to_string(), ..next };
        assert_eq!(reason(list(&world, &buyer, other_list).await), Reason::InvalidPageToken);
    }
}
