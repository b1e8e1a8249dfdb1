//! The demo's theaters as the platform has them, and a week of showtimes in their halls.

use jiff::{SignedDuration, Timestamp, ToSpan as _, civil::Date, tz::TimeZone};
use moviebooking_proto::{
    Reason,
    money::v1::Money,
    movies::v1::{
        CategoryPrice, CreateShowtimeRequest, ListMoviesRequest, ListShowtimesRequest, Movie, Showtime,
    },
    problem::reason_of,
    theaters::v1::{
        CreateHallRequest, CreateTheaterRequest, Hall, ListHallsRequest, ListTheatersRequest,
        PublishLayoutRequest, Theater,
    },
};
use tonic::Status;
use uuid::Uuid;

use super::{
    api::Api,
    halls::{self, HallPlan, TheaterPlan},
};

/// Days from today on that have showtimes.
const DAYS: i32 = 7;
/// The first show of a day, and the last moment at which one may begin.
const OPENS: (i8, i8) = (13, 30);
const LAST_START: i8 = 22;
/// Advertisements before the movie and a little air, on top of the hall's cleaning.
const BETWEEN_SHOWS_MINUTES: i64 = 30;
/// A program needs variety, not the whole catalogue.
const MOVIES: usize = 14;

/// A theater of the demo that the platform has.
pub(super) struct DemoTheater {
    pub(super) id: String,
    time_zone: TimeZone,
    currency: String,
    prices: &'static [(&'static str, i64)],
    halls: Vec<Hall>,
}

/// The demo's theaters, made where they are missing.
pub(super) async fn theaters(api: &mut Api) -> Result<Vec<DemoTheater>, Status> {
    let known =
        api.theaters.list_theaters(ListTheatersRequest { page_size: 200, ..Default::default() }).await?;
    let known = known.into_inner().theaters;
    let mut made = Vec::new();
    for plan in halls::plan() {
        let theater = match known.iter().find(|theater| theater.display_name == plan.theater.display_name) {
            Some(theater) => theater.clone(),
            None => {
                let request =
                    CreateTheaterRequest { theater: Some(plan.theater.clone()), request_id: new_key() };
                api.theaters.create_theater(request).await?.into_inner()
            }
        };
        made.push(with_halls(api, theater, plan).await?);
    }
    Ok(made)
}

async fn with_halls(api: &mut Api, theater: Theater, plan: TheaterPlan) -> Result<DemoTheater, Status> {
    let request = ListHallsRequest { theater_id: theater.id.clone(), page_size: 200, ..Default::default() };
    let known = api.theaters.list_halls(request).await?.into_inner().halls;
    let mut halls = Vec::new();
    for HallPlan { hall, layout } in plan.halls {
        let mut hall = match known.iter().find(|known| known.display_name == hall.display_name) {
            Some(known) => known.clone(),
            None => {
                let request = CreateHallRequest {
                    theater_id: theater.id.clone(),
                    hall: Some(hall),
                    request_id: new_key(),
                };
                api.theaters.create_hall(request).await?.into_inner()
            }
        };
        if hall.layout_version == 0 {
            hall.categories = layout.categories.iter().map(|category| category.name.clone()).collect();
            let request = PublishLayoutRequest {
                hall_id: hall.id.clone(),
                layout: Some(layout),
                request_id: new_key(),
            };
            api.theaters.publish_layout(request).await?;
        }
        halls.push(hall);
    }
    let time_zone = TimeZone::get(&theater.time_zone)
        .map_err(|_| Status::internal("the demo's theater has an unknown time zone"))?;
    Ok(DemoTheater { id: theater.id, time_zone, currency: theater.currency_code, prices: plan.prices, halls })
}

/// Fills the days in view that have no showtimes yet.
pub(super) async fn showtimes(api: &mut Api, theaters: &[DemoTheater], now: Timestamp) -> Result<(), Status> {
    let program = program(api).await?;
    let mut turn = 0;
    for theater in theaters {
        let today = now.to_zoned(theater.time_zone.clone()).date();
        for hall in &theater.halls {
            for date in today.series(1.day()).take(DAYS.unsigned_abs() as usize) {
                if !has_showtimes(api, hall, date).await? {
                    turn = fill_day(api, theater, hall, date, &program, turn, now).await?;
                }
            }
        }
    }
    Ok(())
}

/// The movies that are shown: the best liked of a manageable length.
async fn program(api: &mut Api) -> Result<Vec<Movie>, Status> {
    let request = ListMoviesRequest {
        page_size: 200,
        min_running_time_minutes: 85,
        max_running_time_minutes: 165,
        released_from: "2000-01-01".to_owned(),
        ..ListMoviesRequest::default()
    };
    let mut movies = api.movies.list_movies(request).await?.into_inner().movies;
    movies.sort_by_key(|movie| std::cmp::Reverse(movie.audience_score));
    movies.truncate(MOVIES);
    if movies.is_empty() {
        return Err(Status::failed_precondition("the catalogue has no movie that could be shown"));
    }
    Ok(movies)
}

async fn has_showtimes(api: &mut Api, hall: &Hall, date: Date) -> Result<bool, Status> {
    let request = ListShowtimesRequest {
        page_size: 1,
        hall_id: hall.id.clone(),
        local_date: date.to_string(),
        show_cancelled: true,
        ..ListShowtimesRequest::default()
    };
    Ok(!api.movies.list_showtimes(request).await?.into_inner().showtimes.is_empty())
}

/// One show after another from opening until late; `turn` says whose turn it is, and the next one's comes back.
async fn fill_day(
    api: &mut Api,
    theater: &DemoTheater,
    hall: &Hall,
    date: Date,
    program: &[Movie],
    mut turn: usize,
    now: Timestamp,
) -> Result<usize, Status> {
    let local = |hour, minute| {
        let time = date.at(hour, minute, 0, 0).to_zoned(theater.time_zone.clone());
        time.map(|time| time.timestamp()).map_err(|_| Status::internal("the demo's day is in no calendar"))
    };
    let (mut start, last_start) = (local(OPENS.0, OPENS.1)?, local(LAST_START, 30)?);
    while start <= last_start {
        let movie = &program[turn % program.len()];
        turn += 1;
        if start > now {
            schedule(api, theater, hall, movie, start).await?;
        }
        let minutes = i64::from(movie.running_time_minutes.unwrap_or_default() + hall.cleaning_minutes);
        // The next full five minutes.
        let gap = (minutes + BETWEEN_SHOWS_MINUTES + 4) / 5 * 5;
        start += SignedDuration::from_mins(gap);
    }
    Ok(turn)
}

async fn schedule(
    api: &mut Api,
    theater: &DemoTheater,
    hall: &Hall,
    movie: &Movie,
    start: Timestamp,
) -> Result<(), Status> {
    let prices = theater
        .prices
        .iter()
        .filter(|(category, _)| hall.categories.iter().any(|known| known == category))
        .map(|(category, minor)| CategoryPrice {
            category: (*category).to_owned(),
            price: Some(Money { amount_minor: *minor, currency_code: theater.currency.clone() }),
        })
        .collect();
    let showtime = Showtime {
        movie_id: movie.id.clone(),
        hall_id: hall.id.clone(),
        start_time: Some(moviebooking_fields::time::to_wire(start)),
        prices,
        format: "2D".to_owned(),
        ..Showtime::default()
    };
    match api
        .movies
        .create_showtime(CreateShowtimeRequest { showtime: Some(showtime), request_id: new_key() })
        .await
    {
        // Somebody has put a show of their own there.
        Err(status) if reason_of(&status) == Some(Reason::ShowtimeOverlap) => Ok(()),
        Err(status) => Err(status),
        Ok(_) => Ok(()),
    }
}

fn new_key() -> String {
    Uuid::now_v7().to_string()
}
