use std::time::Duration;

use jiff::SignedDuration;
use moviebooking_movies::MIGRATIONS;
use moviebooking_proto::{
    Reason,
    movies::v1::{CancelShowtimeRequest, GetShowtimeRequest, Showtime, ShowtimeState, UpdateShowtimeRequest},
};
use moviebooking_store::{Db, both_engines, sql};
use tokio_util::sync::CancellationToken;

use crate::world::{World, reason, showtime};

async fn scheduled(world: &World) -> Showtime {
    let theater = world.theater("Europe/Berlin", "EUR");
    let hall = world.hall(&theater);
    let movie = world.movie("Brazil").await;
    world.schedule(showtime(&movie, &hall, world.in_hours(24))).await
}

fn cancel(showtime: &Showtime) -> CancelShowtimeRequest {
    CancelShowtimeRequest {
        id: showtime.id.clone(),
        reason: "the projector broke".to_owned(),
        request_id: String::new(),
    }
}

async fn unclosed(db: &Db) -> i64 {
    let count =
        "SELECT COUNT(*) AS count FROM showtimes WHERE cancelled_at IS NOT NULL AND NOT close_acknowledged";
    sql(count).fetch_one(db).await.unwrap().get("count").unwrap()
}

both_engines! {
    &MIGRATIONS;

    async fn a_cancelled_showtime_stays_visible_and_cancelled(db: Db) {
        let world = World::new(db);
        let mut movies = world.movies.clone();
        let made = scheduled(&world).await;
        let request = CancelShowtimeRequest { request_id: world.key(), ..cancel(&made) };
        let cancelled = movies.cancel_showtime(request.clone()).await.unwrap().into_inner();
        let expected = Showtime { state: ShowtimeState::Cancelled.into(), etag: "2".to_owned(), ..made.clone() };
        assert_eq!(cancelled, expected);
        assert_eq!(unclosed(&world.db).await, 0);

        assert_eq!(movies.get_showtime(GetShowtimeRequest { id: made.id.clone() }).await.unwrap().into_inner(), cancelled);
        assert_eq!(movies.cancel_showtime(request).await.unwrap().into_inner(), cancelled);
        assert_eq!(movies.cancel_showtime(cancel(&made)).await.unwrap().into_inner(), cancelled);
        assert_eq!(world.neighbours.closed(), [made.id.as_str()]);
        assert_eq!(world.neighbours.refunded(), [made.id.as_str()]);
        let update = UpdateShowtimeRequest { showtime: Some(cancelled), ..UpdateShowtimeRequest::default() };
        assert_eq!(reason(movies.update_showtime(update).await), Reason::ShowtimeCancelled);
    }

    async fn a_show_that_is_over_is_not_cancelled(db: Db) {
        let world = World::new(db);
        let made = scheduled(&world).await;
        let mut movies = world.movies.clone();
        world.clock.advance(SignedDuration::from_hours(30));
        assert_eq!(reason(movies.cancel_showtime(cancel(&made)).await), Reason::FailedPrecondition);
        let unknown = CancelShowtimeRequest { id: uuid::Uuid::now_v7().to_string(), ..cancel(&made) };
        assert_eq!(reason(movies.cancel_showtime(unknown).await), Reason::ShowtimeNotFound);
        let wordy = CancelShowtimeRequest { reason: "x".repeat(501), ..cancel(&made) };
        assert_eq!(reason(movies.cancel_showtime(wordy).await), Reason::InvalidArgument);
    }

    async fn cancelling_again_completes_what_reservations_missed(db: Db) {
        let world = World::without_reservations(db);
        let mut movies = world.movies.clone();
        let made = scheduled(&world).await;
        let request = CancelShowtimeRequest { request_id: world.key(), ..cancel(&made) };
        assert_eq!(reason(movies.cancel_showtime(request.clone()).await), Reason::Unavailable);
        let read = movies.get_showtime(GetShowtimeRequest { id: made.id.clone() }).await.unwrap().into_inner();
        assert_eq!(read.state(), ShowtimeState::Cancelled);
        assert_eq!(reason(movies.cancel_showtime(request.clone()).await), Reason::Unavailable);
        assert_eq!(unclosed(&world.db).await, 1);

        world.start_reservations();
        assert_eq!(movies.cancel_showtime(request).await.unwrap().into_inner(), read);
        assert_eq!(unclosed(&world.db).await, 0);
        assert_eq!(world.neighbours.closed(), [made.id]);
    }

    async fn background_work_completes_what_payments_missed(db: Db) {
        let world = World::without_payments(db);
        let made = scheduled(&world).await;
        assert_eq!(reason(world.movies.clone().cancel_showtime(cancel(&made)).await), Reason::Unavailable);
        assert_eq!((world.neighbours.closed().len(), world.neighbours.refunded().len()), (1, 0));
        world.start_payments();

        let shutdown = CancellationToken::new();
        let work = tokio::spawn({
            let (service, shutdown) = (world.service.clone(), shutdown.clone());
            async move { service.run_background(shutdown).await }
        });
        let completed = async {
            while unclosed(&world.db).await > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), completed).await.unwrap();
        shutdown.cancel();
        tokio::time::timeout(Duration::from_secs(20), work).await.unwrap().unwrap();
        assert_eq!(world.neighbours.refunded(), [made.id]);
    }
}
