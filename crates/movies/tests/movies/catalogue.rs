use futures::future::join_all;
use jiff::SignedDuration;
use moviebooking_movies::MIGRATIONS;
use moviebooking_proto::{
    Reason,
    movies::v1::{
        CancelShowtimeRequest, CreateMovieRequest, DeleteMovieRequest, GetMovieRequest, GetShowtimeRequest,
        ListMoviesRequest, Movie, UpdateMovieRequest,
    },
};
use moviebooking_store::both_engines;
use prost_types::FieldMask;

use crate::world::{World, reason, showtime};

fn metropolis() -> Movie {
    Movie {
        title: "Metropolis".to_owned(),
        synopsis: "In a city of the future,\na worker rises.".to_owned(),
        genres: vec!["Science Fiction".to_owned(), "Drama".to_owned()],
        content_rating: "PG".to_owned(),
        running_time_minutes: Some(153),
        release_date: "1927-01-10".to_owned(),
        director: "Fritz Lang".to_owned(),
        distributor: "UFA".to_owned(),
        critics_score: Some(0),
        audience_score: Some(83),
        ..Movie::default()
    }
}

fn mask(paths: &[&str]) -> Option<FieldMask> {
    Some(FieldMask { paths: paths.iter().map(ToString::to_string).collect() })
}

both_engines! {
    &MIGRATIONS;

    async fn a_movie_comes_back_as_it_was_made_and_changed(db: Db) {
        let world = World::new(db);
        let mut movies = world.movies.clone();
        let made = world.add(metropolis()).await;
        let read = movies.get_movie(GetMovieRequest { id: made.id.clone() }).await.unwrap().into_inner();
        assert_eq!(read, made);
        let given = Movie { id: String::new(), create_time: None, update_time: None, etag: String::new(), ..read };
        assert_eq!(given, metropolis());

        world.clock.advance(SignedDuration::from_secs(60));
        let wanted = Movie {
            id: made.id.clone(),
            genres: vec!["Drama".to_owned()],
            etag: made.etag.clone(),
            ..Movie::default()
        };
        let request = UpdateMovieRequest {
            movie: Some(wanted),
            update_mask: mask(&["genres", "running_time_minutes", "release_date"]),
            request_id: String::new(),
        };
        let changed = movies.update_movie(request.clone()).await.unwrap().into_inner();
        let expected = Movie {
            genres: vec!["Drama".to_owned()],
            running_time_minutes: None,
            release_date: String::new(),
            update_time: changed.update_time,
            etag: changed.etag.clone(),
            ..made.clone()
        };
        assert_eq!(changed, expected);
        assert!(changed.update_time.unwrap().seconds > made.update_time.unwrap().seconds);
        let read = movies.get_movie(GetMovieRequest { id: made.id.clone() }).await.unwrap().into_inner();
        assert_eq!(read, changed);

        assert_eq!(reason(movies.update_movie(request).await), Reason::EtagMismatch);
    }

    async fn a_deleted_movie_is_gone(db: Db) {
        let world = World::new(db);
        let mut movies = world.movies.clone();
        let movie = world.movie("Metropolis").await;
        let delete = DeleteMovieRequest { id: movie.id.clone(), request_id: world.key() };
        movies.delete_movie(delete.clone()).await.unwrap();
        movies.delete_movie(delete).await.unwrap();

        let again = DeleteMovieRequest { id: movie.id.clone(), request_id: String::new() };
        assert_eq!(reason(movies.delete_movie(again).await), Reason::MovieNotFound);
        assert_eq!(reason(movies.get_movie(GetMovieRequest { id: movie.id.clone() }).await), Reason::MovieNotFound);
        let update = UpdateMovieRequest { movie: Some(movie), ..UpdateMovieRequest::default() };
        assert_eq!(reason(movies.update_movie(update).await), Reason::MovieNotFound);
        assert!(movies.list_movies(ListMoviesRequest::default()).await.unwrap().into_inner().movies.is_empty());
    }

    async fn a_movie_is_not_deleted_while_it_is_to_be_shown(db: Db) {
        let world = World::new(db);
        let mut movies = world.movies.clone();
        let theater = world.theater("Europe/Berlin", "EUR");
        let hall = world.hall(&theater);
        let movie = world.movie("Metropolis").await;
        let first = world.schedule(showtime(&movie, &hall, world.in_hours(1))).await;
        let second = world.schedule(showtime(&movie, &hall, world.in_hours(48))).await;
        let delete = DeleteMovieRequest { id: movie.id.clone(), request_id: String::new() };
        assert_eq!(reason(movies.delete_movie(delete.clone()).await), Reason::MovieHasShowtimes);

        let cancel = CancelShowtimeRequest { id: second.id, ..CancelShowtimeRequest::default() };
        movies.cancel_showtime(cancel).await.unwrap();
        assert_eq!(reason(movies.delete_movie(delete.clone()).await), Reason::MovieHasShowtimes);

        world.clock.advance(SignedDuration::from_hours(1));
        movies.delete_movie(delete).await.unwrap();
        let shown = movies.get_showtime(GetShowtimeRequest { id: first.id }).await.unwrap().into_inner();
        assert_eq!(shown.movie_title, "Metropolis");
        let again = showtime(&movie, &hall, world.in_hours(24));
        assert_eq!(reason(world.try_schedule(again).await), Reason::MovieNotFound);
    }

    async fn deleting_and_scheduling_at_once_never_both_succeed(db: Db) {
        let world = World::new(db);
        let theater = world.theater("Europe/Berlin", "EUR");
        let hall = world.hall(&theater);
        for day in 1..=8 {
            let movie = world.movie("Metropolis").await;
            let mut movies = world.movies.clone();
            let delete = DeleteMovieRequest { id: movie.id.clone(), request_id: String::new() };
            let planned = showtime(&movie, &hall, world.in_hours(24 * day));
            let (deleted, scheduled) = tokio::join!(movies.delete_movie(delete), world.try_schedule(planned));
            assert_ne!(deleted.is_ok(), scheduled.is_ok(), "{deleted:?} {scheduled:?}");
        }
    }

    async fn the_same_request_again_gets_the_same_answer(db: Db) {
        let world = World::new(db);
        let mut movies = world.movies.clone();
        let create = CreateMovieRequest { movie: Some(metropolis()), request_id: world.key() };
        let answers = join_all((0..8).map(|_| {
            let (mut movies, create) = (movies.clone(), create.clone());
            async move { movies.create_movie(create).await.unwrap().into_inner() }
        }))
        .await;
        assert!(answers.iter().all(|answer| *answer == answers[0]));
        assert_eq!(movies.list_movies(ListMoviesRequest::default()).await.unwrap().into_inner().movies.len(), 1);

        let other = CreateMovieRequest { movie: Some(Movie { critics_score: None, ..metropolis() }), ..create.clone() };
        assert_eq!(reason(movies.create_movie(other).await), Reason::IdempotencyKeyReused);
        let keyless = CreateMovieRequest { request_id: String::new(), ..create };
        assert_eq!(reason(movies.create_movie(keyless).await), Reason::IdempotencyKeyMissing);

        let update = UpdateMovieRequest {
            movie: Some(Movie { id: answers[0].id.clone(), director: "F. Lang".to_owned(), etag: answers[0].etag.clone(), ..Movie::default() }),
            update_mask: mask(&["director"]),
            request_id: world.key(),
        };
        let once = movies.update_movie(update.clone()).await.unwrap().into_inner();
        assert_eq!(movies.update_movie(update).await.unwrap().into_inner(), once);
    }

    async fn updates_side_by_side_do_not_undo_each_other(db: Db) {
        let world = World::new(db);
        let movie = world.add(metropolis()).await;
        let update = |field: &'static str, wanted: Movie| {
            let mut movies = world.movies.clone();
            let movie = Some(Movie { id: movie.id.clone(), ..wanted });
            let request = UpdateMovieRequest { movie, update_mask: mask(&[field]), request_id: String::new() };
            async move { movies.update_movie(request).await.unwrap() }
        };
        let text = || "changed".to_owned();
        tokio::join!(
            update("director", Movie { director: text(), ..Movie::default() }),
            update("synopsis", Movie { synopsis: text(), ..Movie::default() }),
            update("distributor", Movie { distributor: text(), ..Movie::default() }),
            update("genres", Movie { genres: vec![text()], ..Movie::default() }),
        );
        let read = world.movies.clone().get_movie(GetMovieRequest { id: movie.id }).await.unwrap().into_inner();
        assert_eq!([read.director, read.synopsis, read.distributor, read.genres.concat()], [text(), text(), text(), text()]);
        assert_eq!(read.etag, "5");
    }

    async fn what_is_not_valid_is_refused_by_name(db: Db) {
        let world = World::new(db);
        let mut movies = world.movies.clone();
        let movie = world.movie("Metropolis").await;
        assert_eq!(reason(movies.get_movie(GetMovieRequest { id: "12".to_owned() }).await), Reason::InvalidArgument);
        let nothing = CreateMovieRequest { movie: None, request_id: world.key() };
        assert_eq!(reason(movies.create_movie(nothing).await), Reason::InvalidArgument);
        let update = UpdateMovieRequest {
            movie: Some(movie),
            update_mask: mask(&["create_time"]),
            ..UpdateMovieRequest::default()
        };
        let status = movies.update_movie(update).await.unwrap_err();
        assert!(status.message().starts_with("update_mask: "), "{status}");
        for (request, field) in [
            (ListMoviesRequest { page_size: -1, ..ListMoviesRequest::default() }, "page_size"),
            (ListMoviesRequest { query: "a\0".to_owned(), ..ListMoviesRequest::default() }, "query"),
            (ListMoviesRequest { query: "a".repeat(201), ..ListMoviesRequest::default() }, "query"),
            (ListMoviesRequest { genres: vec!["a".to_owned(); 21], ..ListMoviesRequest::default() }, "genres"),
            (ListMoviesRequest { content_ratings: vec!["a".repeat(21)], ..ListMoviesRequest::default() }, "content_ratings[0]"),
            (ListMoviesRequest { released_from: "2026-02-30".to_owned(), ..ListMoviesRequest::default() }, "released_from"),
            (ListMoviesRequest { released_from: "2026-02-03".to_owned(), released_to: "2026-02-02".to_owned(), ..ListMoviesRequest::default() }, "released_to"),
            (ListMoviesRequest { min_running_time_minutes: -1, ..ListMoviesRequest::default() }, "min_running_time_minutes"),
            (ListMoviesRequest { max_running_time_minutes: i32::MAX, ..ListMoviesRequest::default() }, "max_running_time_minutes"),
            (ListMoviesRequest { min_running_time_minutes: 9, max_running_time_minutes: 8, ..ListMoviesRequest::default() }, "max_running_time_minutes"),
        ] {
            let status = movies.list_movies(request).await.unwrap_err();
            assert!(status.message().starts_with(&format!("{field}: ")), "{status}");
        }
    }
}
