use std::collections::HashSet;

use moviebooking_fields::time::to_wire;
use moviebooking_movies::MIGRATIONS;
use moviebooking_proto::{
    Reason,
    movies::v1::{CancelShowtimeRequest, DeleteMovieRequest, ListMoviesRequest, ListShowtimesRequest, Movie},
};
use moviebooking_store::both_engines;

use crate::world::{World, reason, showtime, time};

async fn titles(world: &World, request: ListMoviesRequest) -> HashSet<String> {
    let found = world.movies.clone().list_movies(request).await.unwrap().into_inner();
    found.movies.into_iter().map(|movie| movie.title).collect()
}

/// All showtimes by id, page for page.
async fn ids(world: &World, mut request: ListShowtimesRequest) -> Vec<String> {
    let mut ids = Vec::new();
    loop {
        let page = world.movies.clone().list_showtimes(request.clone()).await.unwrap().into_inner();
        ids.extend(page.showtimes.into_iter().map(|showtime| showtime.id));
        if page.next_page_token.is_empty() {
            return ids;
        }
        request.page_token = page.next_page_token;
    }
}

fn all() -> ListMoviesRequest {
    ListMoviesRequest::default()
}

fn every() -> ListShowtimesRequest {
    ListShowtimesRequest::default()
}

both_engines! {
    &MIGRATIONS;

    async fn movies_are_found_by_what_is_asked(db: Db) {
        let world = World::new(db);
        for (title, genres, rating, minutes, released) in [
            ("Die Straße", &["Drama"][..], "PG", Some(108), "1954-09-22"),
            ("LE FABULEUX DESTIN D'AMÉLIE POULAIN", &["Comedy", "Romance"], "R", Some(122), "2001-04-25"),
            ("100% Wolf_\\ness", &["Comedy"], "PG", Some(96), "2020-05-29"),
            ("100 Wolves", &["Drama"], "", None, ""),
            ("Ёлки", &[], "", Some(90), "2010-12-16"),
        ] {
            world.add(Movie {
                title: title.to_owned(),
                genres: genres.iter().map(ToString::to_string).collect(),
                content_rating: rating.to_owned(),
                running_time_minutes: minutes,
                release_date: released.to_owned(),
                ..Movie::default()
            })
            .await;
        }
        let text = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        for (request, expected) in [
            (ListMoviesRequest { query: "strasse DIE".to_owned(), ..all() }, &["Die Straße"][..]),
            (ListMoviesRequest { query: "amélie  des".to_owned(), ..all() }, &["LE FABULEUX DESTIN D'AMÉLIE POULAIN"]),
            (ListMoviesRequest { query: "amelie".to_owned(), ..all() }, &[]),
            (ListMoviesRequest { query: "ёЛКИ".to_owned(), ..all() }, &["Ёлки"]),
            (ListMoviesRequest { query: "100% wolf".to_owned(), ..all() }, &["100% Wolf_\\ness"]),
            (ListMoviesRequest { query: "_\\".to_owned(), ..all() }, &["100% Wolf_\\ness"]),
            (ListMoviesRequest { query: "'; --".to_owned(), ..all() }, &[]),
            (ListMoviesRequest { genres: text(&["Romance", "Drama"]), ..all() }, &["Die Straße", "LE FABULEUX DESTIN D'AMÉLIE POULAIN", "100 Wolves"]),
            (ListMoviesRequest { content_ratings: text(&["R", ""]), ..all() }, &["LE FABULEUX DESTIN D'AMÉLIE POULAIN", "100 Wolves", "Ёлки"]),
            (ListMoviesRequest { released_from: "2001-04-25".to_owned(), released_to: "2020-05-28".to_owned(), ..all() }, &["LE FABULEUX DESTIN D'AMÉLIE POULAIN", "Ёлки"]),
            (ListMoviesRequest { min_running_time_minutes: 96, max_running_time_minutes: 108, ..all() }, &["Die Straße", "100% Wolf_\\ness"]),
            (ListMoviesRequest { query: "100".to_owned(), genres: text(&["Comedy"]), min_running_time_minutes: 1, ..all() }, &["100% Wolf_\\ness"]),
        ] {
            let expected: HashSet<String> = expected.iter().map(ToString::to_string).collect();
            assert_eq!(titles(&world, request.clone()).await, expected, "{request:?}");
        }
    }

    async fn pages_stay_stable_while_movies_come_and_go(db: Db) {
        let world = World::new(db);
        let mut kept = HashSet::new();
        let mut fleeting = Vec::new();
        for number in 0..12 {
            // Pairs of titles that only the id tells apart.
            kept.insert(world.movie(&format!("Part {}", number / 2)).await.id);
            fleeting.push(world.movie(&format!("PART {}", number / 2)).await.id);
        }
        let mut request = ListMoviesRequest { page_size: 3, query: "part".to_owned(), ..all() };
        let mut seen = Vec::new();
        let mut keys = Vec::new();
        loop {
            let page = world.movies.clone().list_movies(request.clone()).await.unwrap().into_inner();
            assert!(page.movies.len() <= 3);
            keys.extend(page.movies.iter().map(|movie| (movie.title.to_lowercase(), movie.id.clone())));
            seen.extend(page.movies.into_iter().map(|movie| movie.id));
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
            if let Some(id) = fleeting.pop() {
                world.movies.clone().delete_movie(DeleteMovieRequest { id, ..DeleteMovieRequest::default() }).await.unwrap();
                world.movie("A part that comes too early to be seen").await;
            }
        }
        assert!(keys.is_sorted());
        let unique: HashSet<String> = seen.iter().cloned().collect();
        assert_eq!(unique.len(), seen.len());
        assert!(kept.is_subset(&unique));

        let mut movies = world.movies.clone();
        let other_filter = ListMoviesRequest { query: String::new(), ..request.clone() };
        assert_eq!(reason(movies.list_movies(other_filter).await), Reason::InvalidPageToken);
        let tampered = ListMoviesRequest { page_token: format!("{}A", request.page_token), ..request.clone() };
        assert_eq!(reason(movies.list_movies(tampered).await), Reason::InvalidPageToken);
        let other_list = ListShowtimesRequest { page_token: request.page_token, ..every() };
        assert_eq!(reason(movies.list_showtimes(other_list).await), Reason::InvalidPageToken);
    }

    async fn showtimes_are_found_by_what_is_asked(db: Db) {
        let world = World::new(db);
        let (berlin, lisbon) = (world.theater("Europe/Berlin", "EUR"), world.theater("Europe/Lisbon", "EUR"));
        let halls = [world.hall(&berlin), world.hall(&berlin), world.hall(&lisbon)];
        let movies = [world.movie("Brazil").await, world.movie("Metropolis").await];
        let plan = async |movie: usize, hall: usize, start: &str| {
            world.schedule(showtime(&movies[movie], &halls[hall], time(start))).await.id
        };
        // 23:30 UTC is the next day in Berlin and the same one in Lisbon.
        let late_berlin = plan(0, 0, "2026-12-01T23:30:00Z").await;
        let late_lisbon = plan(0, 2, "2026-12-01T23:30:00Z").await;
        let noon = plan(1, 0, "2026-12-02T11:00:00Z").await;
        let other_hall = plan(1, 1, "2026-12-02T12:00:00Z").await;
        let gone = plan(0, 1, "2026-12-02T18:00:00Z").await;
        let request = CancelShowtimeRequest { id: gone.clone(), ..CancelShowtimeRequest::default() };
        world.movies.clone().cancel_showtime(request).await.unwrap();

        let mut at_once = [late_berlin.clone(), late_lisbon.clone()];
        at_once.sort();
        let [first, second] = at_once.clone();
        let start_time_from = Some(to_wire(time("2026-12-02T11:00:00Z")));
        for (request, expected) in [
            (every(), vec![&first, &second, &noon, &other_hall]),
            (ListShowtimesRequest { show_cancelled: true, ..every() }, vec![&first, &second, &noon, &other_hall, &gone]),
            (ListShowtimesRequest { movie_id: movies[1].id.clone(), ..every() }, vec![&noon, &other_hall]),
            (ListShowtimesRequest { theater_id: lisbon.id.clone(), ..every() }, vec![&late_lisbon]),
            (ListShowtimesRequest { hall_id: halls[0].id.clone(), ..every() }, vec![&late_berlin, &noon]),
            (ListShowtimesRequest { local_date: "2026-12-02".to_owned(), ..every() }, vec![&late_berlin, &noon, &other_hall]),
            (
                ListShowtimesRequest { theater_id: berlin.id.clone(), local_date: "2026-12-02".to_owned(), movie_id: movies[0].id.clone(), show_cancelled: true, ..every() },
                vec![&late_berlin, &gone],
            ),
            (ListShowtimesRequest { start_time_from, ..every() }, vec![&noon, &other_hall]),
        ] {
            let expected: Vec<String> = expected.into_iter().cloned().collect();
            for page_size in [0, 1, 2] {
                assert_eq!(ids(&world, ListShowtimesRequest { page_size, ..request.clone() }).await, expected, "{request:?}");
            }
        }
        for (request, field) in [
            (ListShowtimesRequest { movie_id: "x".to_owned(), ..every() }, "movie_id"),
            (ListShowtimesRequest { local_date: "2026-13-01".to_owned(), ..every() }, "local_date"),
            (ListShowtimesRequest { start_time_from: Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 }), ..every() }, "start_time_from"),
        ] {
            let status = world.movies.clone().list_showtimes(request).await.unwrap_err();
            assert!(status.message().starts_with(&format!("{field}: ")), "{status}");
        }
    }
}
