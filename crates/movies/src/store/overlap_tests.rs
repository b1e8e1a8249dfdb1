//! The rule for overlaps against a model that knows each minute of the hall.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use moviebooking_domain::id::{HallId, MovieId, ShowtimeId, TheaterId};
use moviebooking_store::{Db, both_engines};
use proptest::{collection::vec, prelude::*, strategy::ValueTree as _, test_runner::TestRunner};

use super::{movies, showtimes};
use crate::{
    movie::{Details, Movie},
    showtime::{LocalStart, Offer, Place, Price, Showtime, Slot},
};

const PLANS: usize = 25;

/// A wish for the hall: its start in minutes, the running time, the cleaning, and whether it is cancelled afterwards.
type Wish = (i64, i32, i32, bool);

async fn a_movie(db: &Db) -> MovieId {
    let now = Timestamp::UNIX_EPOCH;
    let details = Details { title: "Brazil".to_owned(), ..Details::default() };
    let movie = Movie { id: MovieId::new(now), details, create_time: now, update_time: now, version: 1 };
    let mut tx = db.begin().await.unwrap();
    movies::add(&mut tx, &movie).await.unwrap();
    tx.commit().await.unwrap();
    movie.id
}

fn planned(movie_id: MovieId, hall_id: HallId, slot: Slot) -> Showtime {
    let now = Timestamp::UNIX_EPOCH;
    Showtime {
        id: ShowtimeId::new(now),
        movie_id,
        movie_title: String::new(),
        place: Place {
            hall_id,
            hall_name: "1".to_owned(),
            theater_id: TheaterId::new(now),
            theater_name: "Lichtspielhaus".to_owned(),
            layout_version: 1,
            currency: "EUR".parse().unwrap(),
            time_zone: "Europe/Berlin".to_owned(),
        },
        slot,
        local_start: LocalStart::new(slot.start, "Europe/Berlin").unwrap(),
        offer: Offer {
            prices: vec![Price { category: "standard".to_owned(), minor: 900 }],
            ..Offer::default()
        },
        cancelled_at: None,
        close_acknowledged: false,
        create_time: now,
        update_time: now,
        version: 1,
    }
}

/// Takes the hall for each wish that the model allows, and fails where the database says something else.
async fn agree(db: &Db, movie: MovieId, wishes: &[Wish]) {
    let hall = HallId::new(Timestamp::UNIX_EPOCH);
    let opening: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
    let mut taken: HashSet<i64> = HashSet::new();
    for (at, running_time, cleaning, cancelled) in wishes.iter().copied() {
        let slot = Slot::new(opening + SignedDuration::from_mins(at), running_time, cleaning).unwrap();
        let minutes: Vec<i64> = (at..at + 15 + i64::from(running_time + cleaning)).collect();
        let free = minutes.iter().all(|minute| !taken.contains(minute));
        let mut tx = db.begin().await.unwrap();
        let overlapping = showtimes::overlapping(&mut tx, hall, &slot).await.unwrap();
        assert_eq!(overlapping.is_none(), free, "{at} {running_time} {cleaning} of {wishes:?}");
        if free {
            let mut showtime = planned(movie, hall, slot);
            showtimes::add(&mut tx, &showtime).await.unwrap();
            if cancelled {
                showtime.cancelled_at = Some(opening);
                showtimes::cancel(&mut tx, &showtime, "").await.unwrap();
            } else {
                taken.extend(minutes);
            }
        }
        tx.commit().await.unwrap();
    }
}

both_engines! {
    &crate::MIGRATIONS;

    async fn the_database_agrees_with_a_model_of_the_hall(db: Db) {
        let movie = a_movie(&db).await;
        // All times are multiples of five minutes, so that many begin at the very minute at which another ends.
        let fives = |range: std::ops::Range<i32>| range.prop_map(|fives| fives * 5);
        let start = prop_oneof![4 => fives(0..120), 1 => fives(0..400)].prop_map(i64::from);
        let running_time = prop_oneof![9 => fives(1..5), 1 => Just(1_440)];
        let cleaning = prop_oneof![3 => fives(0..7), 1 => Just(240)];
        let wish = (start, running_time, cleaning, prop::bool::weighted(0.1));
        let plans = vec(wish, 30);
        let mut runner = TestRunner::deterministic();
        for _ in 0..PLANS {
            agree(&db, movie, &plans.new_tree(&mut runner).unwrap().current()).await;
        }
    }
}
