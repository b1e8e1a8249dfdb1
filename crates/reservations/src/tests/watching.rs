//! Watching seats: nothing is missed, nothing comes twice, and what the time frees is shown.

use std::{collections::BTreeMap, time::Duration};

use futures::{StreamExt as _, stream::BoxStream};
use moviebooking_auth::Caller;
use moviebooking_proto::{
    Reason,
    reservations::v1::{
        self as wire, SeatState, SeatsEvent, reservations_service_server::ReservationsService,
        seats_event::Event,
    },
};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::{
    everywhere,
    world::{World, by, create, map_of, named, reason},
};
use crate::Service;

/// The seats as a client that applies all events sees them.
struct Screen {
    events: BoxStream<'static, Result<SeatsEvent, Status>>,
    seats: BTreeMap<String, SeatState>,
    sequence: i64,
    snapshots: usize,
}

impl Screen {
    async fn open(service: &Service, world: &World, caller: &Caller, after: i64) -> Self {
        let request =
            wire::WatchSeatsRequest { showtime_id: world.showtime.to_string(), after_sequence: after };
        let events = service.watch_seats(by(caller, request)).await.unwrap().into_inner();
        Self { events, seats: BTreeMap::new(), sequence: 0, snapshots: 0 }
    }

    async fn next(&mut self) -> SeatsEvent {
        let event = tokio::time::timeout(Duration::from_secs(20), self.events.next()).await;
        let event = event.expect("an event comes").expect("the stream goes on").unwrap();
        assert!(event.sequence >= self.sequence, "{} after {}", event.sequence, self.sequence);
        self.sequence = event.sequence;
        match event.event.clone().unwrap() {
            Event::Snapshot(map) => {
                self.snapshots += 1;
                let seats = map.rows.iter().flat_map(|row| &row.seats);
                self.seats = seats.map(|seat| (seat.label.clone(), seat.state())).collect();
            }
            Event::Changes(changes) => {
                for change in changes.seats {
                    let state = change.state();
                    self.seats.insert(change.label, state);
                }
            }
        }
        event
    }

    async fn until(&mut self, sequence: i64) {
        while self.sequence < sequence {
            self.next().await;
        }
    }

    fn with(&self, state: SeatState) -> Vec<&str> {
        self.seats.iter().filter(|(_, is)| **is == state).map(|(label, _)| label.as_str()).collect()
    }
}

async fn shown(service: &Service, world: &World) -> (i64, BTreeMap<String, SeatState>) {
    let map = map_of(service, &Caller::Anonymous, world.showtime).await;
    let seats = map.rows.iter().flat_map(|row| &row.seats).map(|seat| (seat.label.clone(), seat.state()));
    (map.sequence, seats.collect())
}

everywhere! {
    async fn changes_of_every_process_are_seen(world: World) {
        let replica = world.replica();
        let buyer = world.buyer();
        let mut screen = Screen::open(&world.service, &world, &buyer, 0).await;
        screen.next().await;
        assert_eq!((screen.snapshots, screen.with(SeatState::Free).len()), (1, 38));
        let held = create(&replica, &buyer, named(world.showtime, &["A1", "A2"])).await.unwrap();
        screen.until(1).await;
        assert_eq!(screen.with(SeatState::Held), ["A1", "A2"]);
        create(&world.service, &world.buyer(), named(world.showtime, &["B1"])).await.unwrap();
        screen.until(2).await;
        assert_eq!(screen.with(SeatState::Held), ["A1", "A2", "B1"]);
        world.confirm(&held.id, world.payment()).await.unwrap();
        screen.until(3).await;
        assert_eq!(screen.with(SeatState::Sold), ["A1", "A2"]);
        world.close().await;
        screen.until(5).await;
        assert_eq!((screen.with(SeatState::Held).len(), screen.snapshots), (0, 2), "all of it is shown anew");
    }

    async fn what_the_time_frees_is_shown(world: World) {
        let mut screen = Screen::open(&world.service, &world, &world.buyer(), 0).await;
        screen.next().await;
        let held = world.hold(&world.buyer(), &["A1", "A2"]).await.unwrap();
        let kept = world.hold(&world.buyer(), &["B1"]).await.unwrap();
        world.confirm(&kept.id, world.payment()).await.unwrap();
        screen.until(3).await;
        world.later(10);
        while screen.with(SeatState::Held) != Vec::<&str>::new() {
            screen.next().await;
        }
        assert_eq!((screen.sequence, screen.with(SeatState::Sold)), (3, vec!["B1"]));
        assert_eq!(shown(&world.service, &world).await, (screen.sequence, screen.seats.clone()));
        // A payment that comes late takes them again: held and sold at once.
        world.confirm(&held.id, world.payment()).await.unwrap();
        screen.until(5).await;
        assert_eq!(screen.with(SeatState::Sold), ["A1", "A2", "B1"]);
    }

    async fn a_watcher_resumes_where_it_was(world: World) {
        let first = world.hold(&world.buyer(), &["A1", "A2"]).await.unwrap();
        let mut screen = Screen::open(&world.service, &world, &world.buyer(), 0).await;
        screen.next().await;
        let (seen, seats) = (screen.sequence, screen.seats.clone());
        drop(screen);
        world.hold(&world.buyer(), &["B1", "B2"]).await.unwrap();
        world.release(&world.admin(), &first.id).await.unwrap();
        world.hold(&world.buyer(), &["C1", "C2"]).await.unwrap();
        // Another process than before.
        let replica = world.replica();
        let mut screen = Screen::open(&replica, &world, &world.buyer(), seen).await;
        screen.seats = seats;
        screen.until(4).await;
        assert_eq!(screen.snapshots, 0);
        assert_eq!(screen.with(SeatState::Held), ["B1", "B2", "C1", "C2"]);
        let (seen, seats) = (screen.sequence, screen.seats.clone());
        drop(screen);
        world.later(10);
        let mut screen = Screen::open(&world.service, &world, &world.buyer(), seen).await;
        screen.seats = seats;
        screen.next().await;
        assert_eq!((screen.with(SeatState::Held).len(), screen.snapshots), (0, 0), "freed while away");
    }

    async fn who_watches_sees_that_the_showtime_is_closed(world: World) {
        let free = |event: SeatsEvent| match event.event {
            Some(Event::Snapshot(map)) => Some(map.free_count),
            _ => None,
        };
        let mut screen = Screen::open(&world.service, &world, &world.buyer(), 0).await;
        let seen = free(screen.next().await);
        assert!(seen.is_some_and(|free| free > 0));
        world.hold(&world.buyer(), &["A1", "A2"]).await.unwrap();
        screen.until(1).await;
        world.close().await;
        screen.until(3).await;
        assert_eq!(screen.snapshots, 2);
        let last = Screen::open(&world.service, &world, &world.buyer(), 1).await.next().await;
        assert_eq!(free(last), Some(0), "who was away");
    }

    async fn a_number_that_is_not_known_starts_with_the_map(world: World) {
        world.hold(&world.buyer(), &["A1", "A2"]).await.unwrap();
        for after in [2, 1_000_000, i64::MAX] {
            let mut screen = Screen::open(&world.service, &world, &world.buyer(), after).await;
            let event = screen.events.next().await.unwrap().unwrap();
            assert_eq!(event.sequence, 1);
            assert!(matches!(event.event, Some(Event::Snapshot(_))), "{after}");
        }
        let request = wire::WatchSeatsRequest { showtime_id: world.showtime.to_string(), after_sequence: -1 };
        let refused = world.service.watch_seats(by(&Caller::Anonymous, request)).await.map(|_| ());
        assert_eq!(reason(refused), Reason::InvalidArgument);
    }

    async fn every_watcher_ends_with_what_is_so(world: World) {
        let replica = world.replica();
        let mut screens = Vec::new();
        for service in [&world.service, &replica, &world.service] {
            screens.push(Screen::open(service, &world, &world.buyer(), 0).await);
        }
        // More changes than wait for a slow watcher, who reads none of them meanwhile.
        let (buyer, admin) = (world.buyer(), world.admin());
        for i in 0..70 {
            let service = if i % 2 == 0 { &world.service } else { &replica };
            let held = create(service, &buyer, named(world.showtime, &["A1", "A2"])).await.unwrap();
            if i < 69 {
                world.release(&admin, &held.id).await.unwrap();
            }
            if i == 35 {
                screens.push(Screen::open(service, &world, &buyer, 0).await);
            }
        }
        let now = shown(&world.service, &world).await;
        for mut screen in screens {
            screen.until(now.0).await;
            assert_eq!((screen.sequence, screen.seats), now);
        }
        world.must_be_sound().await;
    }

    async fn the_end_of_the_process_ends_all_watching(world: World) {
        let mut screen = Screen::open(&world.service, &world, &world.buyer(), 0).await;
        screen.next().await;
        let shutdown = CancellationToken::new();
        shutdown.cancel();
        world.service.run_background(shutdown).await;
        let end = tokio::time::timeout(Duration::from_secs(20), screen.events.next()).await;
        assert!(end.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_watcher_that_missed_too_much_is_shown_the_map_again() {
    let world = World::sqlite().await;
    let mut screen = Screen::open(&world.service, &world, &world.buyer(), 0).await;
    screen.next().await;
    let tail = world.service.watches.existing(world.showtime).unwrap().0;
    let (buyer, admin) = (world.buyer(), world.admin());
    for _ in 0..40 {
        let held = world.hold(&buyer, &["A1", "A2"]).await.unwrap();
        world.service.watches.follow(world.showtime, &tail).await.unwrap();
        world.release(&admin, &held.id).await.unwrap();
        world.service.watches.follow(world.showtime, &tail).await.unwrap();
    }
    let (sequence, seats) = shown(&world.service, &world).await;
    screen.until(sequence).await;
    assert_eq!((screen.snapshots, screen.seats), (2, seats));
}

#[tokio::test]
async fn only_so_many_may_watch_and_a_place_is_free_again_when_one_leaves() {
    let mut world = World::sqlite().await;
    world.service.watches =
        crate::watch::Watches::with_places(world.database.db().clone(), world.service.clock.clone(), 2);
    let buyer = world.buyer();
    let first = Screen::open(&world.service, &world, &buyer, 0).await;
    let second = Screen::open(&world.service, &world, &buyer, 0).await;
    let request = || wire::WatchSeatsRequest { showtime_id: world.showtime.to_string(), after_sequence: 0 };
    let refused = world.service.watch_seats(by(&buyer, request())).await.map(|_| ());
    assert_eq!(reason(refused), Reason::Overloaded);
    drop(second);
    world.service.watch_seats(by(&buyer, request())).await.unwrap();
    drop(first);
}

#[tokio::test]
async fn nothing_is_kept_of_a_showtime_that_nobody_watches_any_more() {
    let world = World::sqlite().await;
    let mut screen = Screen::open(&world.service, &world, &world.buyer(), 0).await;
    screen.next().await;
    assert!(world.service.watches.existing(world.showtime).is_some());
    drop(screen);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while world.service.watches.existing(world.showtime).is_some() {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
