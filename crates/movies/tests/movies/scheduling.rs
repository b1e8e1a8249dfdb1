use futures::future::join_all;
use jiff::SignedDuration;
use moviebooking_fields::time::to_wire;
use moviebooking_movies::MIGRATIONS;
use moviebooking_proto::{
    Reason,
    movies::v1::{
        CreateShowtimeRequest, GetShowtimeRequest, Movie, Showtime, ShowtimeState, UpdateShowtimeRequest,
    },
    theaters::v1::Hall,
};
use moviebooking_store::both_engines;
use prost_types::FieldMask;
use uuid::Uuid;

use crate::world::{World, reason, showtime, time};

/// Advertisements, a movie of 100 minutes, and the cleaning after it.
const TAKEN: SignedDuration = SignedDuration::from_mins(15 + 100 + 20);

both_engines! {
    &MIGRATIONS;

    async fn a_showtime_carries_what_was_true_at_scheduling(db: Db) {
        let world = World::new(db);
        let theater = world.theater("America/New_York", "EUR");
        let hall = world.hall(&theater);
        let movie = world.movie("Brazil").await;
        let wanted = Showtime {
            sales_start_time: Some(to_wire(time("2026-11-23T08:00:00Z"))),
            sales_end_time: Some(to_wire(time("2026-12-02T01:30:00Z"))),
            format: "OV".to_owned(),
            ..showtime(&movie, &hall, time("2026-12-02T01:15:00Z"))
        };
        let made = world.schedule(wanted.clone()).await;
        let expected = Showtime {
            id: made.id.clone(),
            theater_id: theater.id.clone(),
            layout_version: 1,
            end_time: Some(to_wire(time("2026-12-02T03:10:00Z"))),
            local_start_time: "2026-12-01T20:15:00-05:00".to_owned(),
            time_zone: "America/New_York".to_owned(),
            state: ShowtimeState::Scheduled.into(),
            movie_title: "Brazil".to_owned(),
            theater_name: theater.display_name.clone(),
            hall_name: hall.display_name.clone(),
            create_time: made.create_time,
            update_time: made.create_time,
            etag: "1".to_owned(),
            ..wanted
        };
        assert_eq!(made, expected);
        world.put(&Hall { layout_version: 2, categories: vec!["standard".to_owned()], ..hall });
        let read = world.movies.clone().get_showtime(GetShowtimeRequest { id: made.id.clone() }).await.unwrap();
        assert_eq!(read.into_inner(), made);
    }

    async fn of_sixteen_overlapping_showtimes_at_once_one_is_made(db: Db) {
        let world = World::new(db);
        let theater = world.theater("Europe/Berlin", "EUR");
        let hall = world.hall(&theater);
        // A movie each: what they have in common is the hall alone.
        let movies = join_all((0..16).map(|_| world.movie("Brazil"))).await;
        for day in 1..=3 {
            let tries = join_all((0_i64..).zip(&movies).map(|(number, movie)| {
                let start = world.in_hours(24 * day) + SignedDuration::from_mins(number * 8);
                let request = CreateShowtimeRequest { showtime: Some(showtime(movie, &hall, start)), request_id: world.key() };
                let mut movies = world.movies.clone();
                tokio::spawn(async move { movies.create_showtime(request).await })
            }))
            .await;
            let (made, refused): (Vec<_>, Vec<_>) = tries.into_iter().map(Result::unwrap).partition(Result::is_ok);
            assert_eq!((made.len(), refused.len()), (1, 15));
            assert!(refused.into_iter().all(|refused| reason(refused) == Reason::ShowtimeOverlap));
        }
    }

    async fn a_hall_is_free_again_when_it_is_clean(db: Db) {
        let world = World::new(db);
        let theater = world.theater("Europe/Berlin", "EUR");
        let (hall, other) = (world.hall(&theater), world.hall(&theater));
        let movie = world.movie("Brazil").await;
        let (start, second) = (time("2026-12-01T19:00:00Z"), SignedDuration::from_micros(1));
        let first = world.schedule(showtime(&movie, &hall, start)).await;
        for clash in [start, start + TAKEN - second, start - TAKEN + second] {
            let status = world.try_schedule(showtime(&movie, &hall, clash)).await.unwrap_err();
            assert!(status.message().contains("2026-12-01T19:00:00Z to 2026-12-01T21:15:00Z"), "{status}");
            assert_eq!(reason(Err::<(), _>(status)), Reason::ShowtimeOverlap);
        }
        world.schedule(showtime(&movie, &other, start)).await;
        world.schedule(showtime(&movie, &hall, start + TAKEN)).await;
        world.schedule(showtime(&movie, &hall, start - TAKEN)).await;

        let cancel = moviebooking_proto::movies::v1::CancelShowtimeRequest { id: first.id, ..Default::default() };
        world.movies.clone().cancel_showtime(cancel).await.unwrap();
        world.schedule(showtime(&movie, &hall, start)).await;
    }

    async fn a_repeated_scheduling_gets_its_answer_whatever_came_in_between(db: Db) {
        let world = World::new(db);
        let theater = world.theater("Europe/Berlin", "EUR");
        let hall = world.hall(&theater);
        let movie = world.movie("Brazil").await;
        let request = CreateShowtimeRequest { showtime: Some(showtime(&movie, &hall, world.in_hours(1))), request_id: world.key() };
        let mut movies = world.movies.clone();
        let answers = join_all((0..8).map(|_| {
            let (mut movies, request) = (world.movies.clone(), request.clone());
            async move { movies.create_showtime(request).await.unwrap().into_inner() }
        }))
        .await;
        assert!(answers.iter().all(|answer| *answer == answers[0]));
        world.clock.advance(SignedDuration::from_hours(5));
        assert_eq!(movies.create_showtime(request.clone()).await.unwrap().into_inner(), answers[0]);
        let other = CreateShowtimeRequest { showtime: Some(showtime(&movie, &hall, world.in_hours(9))), ..request.clone() };
        assert_eq!(reason(movies.create_showtime(other).await), Reason::IdempotencyKeyReused);
        let keyless = CreateShowtimeRequest { request_id: String::new(), ..request };
        assert_eq!(reason(movies.create_showtime(keyless).await), Reason::IdempotencyKeyMissing);
    }

    async fn what_cannot_be_shown_is_refused(db: Db) {
        let world = World::new(db);
        let theater = world.theater("Europe/Berlin", "EUR");
        let hall = world.hall(&theater);
        let movie = world.movie("Brazil").await;
        let start = world.in_hours(24);
        let good = || showtime(&movie, &hall, start);
        let unknown = Uuid::now_v7().to_string();

        assert_eq!(reason(world.try_schedule(Showtime { hall_id: unknown.clone(), ..good() }).await), Reason::HallNotFound);
        assert_eq!(reason(world.try_schedule(Showtime { movie_id: unknown, ..good() }).await), Reason::MovieNotFound);
        let empty = Hall { layout_version: 0, categories: vec![], ..world.hall(&theater) };
        let closed = Hall { closed: true, ..world.hall(&theater) };
        for unusable in [empty, closed] {
            world.put(&unusable);
            assert_eq!(reason(world.try_schedule(showtime(&movie, &unusable, start)).await), Reason::FailedPrecondition);
        }
        let endless = world.add(Movie { title: "Endless".to_owned(), ..Movie::default() }).await;
        assert_eq!(reason(world.try_schedule(showtime(&endless, &hall, start)).await), Reason::FailedPrecondition);

        let late = Some(to_wire(start + SignedDuration::from_hours(24)));
        for (wanted, field) in [
            (Showtime { movie_id: String::new(), ..good() }, "showtime.movie_id"),
            (Showtime { hall_id: "1".to_owned(), ..good() }, "showtime.hall_id"),
            (Showtime { start_time: None, ..good() }, "showtime.start_time"),
            (Showtime { start_time: Some(to_wire(world.in_hours(0))), ..good() }, "showtime.start_time"),
            (Showtime { prices: vec![], ..good() }, "showtime.prices"),
            (Showtime { prices: good().prices[..1].to_vec(), ..good() }, "showtime.prices"),
            (Showtime { sales_end_time: late, ..good() }, "showtime.sales_end_time"),
            (Showtime { sales_start_time: late, ..good() }, "showtime.sales_start_time"),
            (Showtime { format: "x".repeat(21), ..good() }, "showtime.format"),
        ] {
            let status = world.try_schedule(wanted).await.unwrap_err();
            assert!(status.message().starts_with(&format!("{field}: ")), "{status}");
        }
        world.schedule(good()).await;
    }

    async fn staff_schedule_in_their_own_theater_alone(db: Db) {
        let world = World::new(db);
        let (own, foreign) = (world.theater("Europe/Berlin", "EUR"), world.theater("Europe/Berlin", "EUR"));
        let (own_hall, foreign_hall) = (world.hall(&own), world.hall(&foreign));
        let movie = world.movie("Brazil").await;
        let mut staff = world.as_staff_of(&own.id);
        let request = |hall| CreateShowtimeRequest { showtime: Some(showtime(&movie, hall, world.in_hours(24))), request_id: world.key() };
        let made = staff.create_showtime(request(&own_hall)).await.unwrap().into_inner();
        assert_eq!(reason(staff.create_showtime(request(&foreign_hall)).await), Reason::PermissionDenied);

        let mut strangers = world.as_staff_of(&foreign.id);
        let update = UpdateShowtimeRequest { showtime: Some(made.clone()), ..UpdateShowtimeRequest::default() };
        assert_eq!(reason(strangers.update_showtime(update.clone()).await), Reason::PermissionDenied);
        staff.update_showtime(update).await.unwrap();
        let cancel = moviebooking_proto::movies::v1::CancelShowtimeRequest { id: made.id, ..Default::default() };
        assert_eq!(reason(strangers.cancel_showtime(cancel.clone()).await), Reason::PermissionDenied);
        staff.cancel_showtime(cancel).await.unwrap();
    }

    async fn offers_change_and_nothing_else(db: Db) {
        let world = World::new(db);
        let mut movies = world.movies.clone();
        let theater = world.theater("Europe/Berlin", "EUR");
        let hall = world.hall(&theater);
        let movie = world.movie("Brazil").await;
        let made = world.schedule(showtime(&movie, &hall, world.in_hours(24))).await;
        let mut wanted = Showtime { format: "IMAX".to_owned(), layout_version: 9, ..made.clone() };
        wanted.prices.reverse();
        wanted.prices[0].price.as_mut().unwrap().amount_minor = 1_500;
        let update = UpdateShowtimeRequest { showtime: Some(wanted.clone()), update_mask: None, request_id: world.key() };
        let changed = movies.update_showtime(update.clone()).await.unwrap().into_inner();
        let mut expected = Showtime { format: "IMAX".to_owned(), etag: "2".to_owned(), ..made.clone() };
        expected.prices[1].price.as_mut().unwrap().amount_minor = 1_500;
        assert_eq!(changed, expected);
        assert_eq!(movies.get_showtime(GetShowtimeRequest { id: made.id.clone() }).await.unwrap().into_inner(), changed);
        assert_eq!(movies.update_showtime(update).await.unwrap().into_inner(), changed);

        let stale = UpdateShowtimeRequest { showtime: Some(wanted), ..UpdateShowtimeRequest::default() };
        assert_eq!(reason(movies.update_showtime(stale).await), Reason::EtagMismatch);
        let fixed = UpdateShowtimeRequest {
            showtime: Some(changed.clone()),
            update_mask: Some(FieldMask { paths: vec!["start_time".to_owned()] }),
            request_id: String::new(),
        };
        assert_eq!(reason(movies.update_showtime(fixed).await), Reason::InvalidArgument);
        let sold_out = Showtime { prices: vec![], ..changed };
        let unpriced = UpdateShowtimeRequest { showtime: Some(sold_out), ..UpdateShowtimeRequest::default() };
        assert_eq!(reason(movies.update_showtime(unpriced).await), Reason::InvalidArgument);
        let nowhere = Showtime { id: Uuid::now_v7().to_string(), ..made };
        let unknown = UpdateShowtimeRequest { showtime: Some(nowhere), ..UpdateShowtimeRequest::default() };
        assert_eq!(reason(movies.update_showtime(unknown).await), Reason::ShowtimeNotFound);
    }
}
