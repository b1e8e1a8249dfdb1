//! What the neighbours know of showtimes and halls, kept for as long as it holds.

use std::{collections::HashMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use moka::future::Cache;
use moviebooking_auth::ServiceLink;
use moviebooking_domain::{
    id::{HallId, MovieId, ShowtimeId, TheaterId},
    money::{Currency, Money},
};
use moviebooking_proto::{
    Problem, Reason,
    movies::v1::{self as movies, movies_service_client::MoviesServiceClient},
    problem::reason_of,
    theaters::v1::{self as theaters, theaters_service_client::TheatersServiceClient},
};
use tonic::{Request, Status};

use crate::{error::Error, hall::Hall};

/// How long a neighbour may take to answer.
const DEADLINE: Duration = Duration::from_secs(3);
/// How long a change of prices or sales windows may stay unseen. A cancelled showtime is closed in our own tables, at
/// once.
const SHOWTIME_KEPT: Duration = Duration::from_secs(10);
const MOST_SHOWTIMES: u64 = 10_000;
/// How many of a movie's next showtimes are looked at.
const NEXT_SHOWTIMES: i32 = 20;
/// Layouts never change and are kept for as long as there is room: for this many seats, of about 150 bytes each.
const MOST_SEATS: u64 = 100_000;

/// A showtime, as far as its seats are concerned.
#[derive(Debug)]
pub(crate) struct Showtime {
    pub(crate) id: ShowtimeId,
    pub(crate) theater: TheaterId,
    pub(crate) hall: HallId,
    movie: MovieId,
    start: Timestamp,
    layout_version: i32,
    sales_start: Option<Timestamp>,
    sales_end: Timestamp,
    pub(crate) cancelled: bool,
    prices: HashMap<String, i64>,
    currency: Currency,
}

impl Showtime {
    /// The price of a seat of this category; `None` when it is not sold.
    pub(crate) fn price(&self, category: &str) -> Option<Money> {
        self.prices.get(category).map(|minor| Money::new(*minor, self.currency))
    }

    /// No money, in the currency of the prices.
    pub(crate) fn nothing(&self) -> Money {
        Money::new(0, self.currency)
    }

    /// # Errors
    /// [`Error::ShowtimeCancelled`], [`Error::NotOnSale`]
    pub(crate) fn must_be_on_sale(&self, now: Timestamp) -> Result<(), Error> {
        if self.cancelled {
            return Err(Error::ShowtimeCancelled);
        }
        match self.sales_start {
            Some(start) if now < start => {
                Err(Error::NotOnSale { why: format!("The sale of this showtime starts at {start}.") })
            }
            _ if now >= self.sales_end => Err(Error::NotOnSale {
                why: format!("The sale of this showtime ended at {}.", self.sales_end),
            }),
            _ => Ok(()),
        }
    }
}

/// Showtimes of movies and layouts of theaters.
pub(crate) struct Catalogue {
    movies: MoviesServiceClient<ServiceLink>,
    theaters: TheatersServiceClient<ServiceLink>,
    showtimes: Cache<ShowtimeId, Arc<Showtime>>,
    halls: Cache<(HallId, i32), Arc<Hall>>,
}

impl Catalogue {
    pub(crate) fn new(movies: ServiceLink, theaters: ServiceLink) -> Self {
        Self {
            movies: MoviesServiceClient::new(movies),
            theaters: TheatersServiceClient::new(theaters),
            showtimes: Cache::builder().max_capacity(MOST_SHOWTIMES).time_to_live(SHOWTIME_KEPT).build(),
            halls: Cache::builder()
                .max_capacity(MOST_SEATS)
                .weigher(|_, hall: &Arc<Hall>| u32::try_from(hall.plan.len()).unwrap_or(u32::MAX))
                .build(),
        }
    }

    /// # Errors
    /// `SHOWTIME_NOT_FOUND`; `UNAVAILABLE` when movies does not answer.
    pub(crate) async fn showtime(&self, id: ShowtimeId) -> Result<Arc<Showtime>, Problem> {
        let load = async {
            let mut request = Request::new(movies::GetShowtimeRequest { id: id.to_string() });
            request.set_timeout(DEADLINE);
            match self.movies.clone().get_showtime(request).await {
                Ok(answer) => {
                    parse_showtime(&answer.into_inner()).map(Arc::new).map_err(|problem| nonsense(&problem))
                }
                Err(status) if reason_of(&status) == Some(Reason::ShowtimeNotFound) => {
                    Err(Problem::new(Reason::ShowtimeNotFound, "There is no such showtime."))
                }
                Err(status) => Err(failed(&status)),
            }
        };
        self.showtimes.try_get_with(id, load).await.map_err(|problem| (*problem).clone())
    }

    /// The next showtimes of the movie at the theater that are on sale, the soonest first.
    ///
    /// # Errors
    /// `UNAVAILABLE` when movies does not answer.
    pub(crate) async fn next(&self, after: &Showtime, now: Timestamp) -> Result<Vec<Arc<Showtime>>, Problem> {
        let mut request = Request::new(movies::ListShowtimesRequest {
            page_size: NEXT_SHOWTIMES,
            movie_id: after.movie.to_string(),
            theater_id: after.theater.to_string(),
            start_time_from: Some(moviebooking_fields::time::to_wire(after.start.max(now))),
            ..movies::ListShowtimesRequest::default()
        });
        request.set_timeout(DEADLINE);
        let listed = self.movies.clone().list_showtimes(request).await.map_err(|status| failed(&status))?;
        let mut next = Vec::new();
        for message in listed.into_inner().showtimes {
            let showtime = parse_showtime(&message).map_err(|problem| nonsense(&problem))?;
            if showtime.id != after.id && showtime.must_be_on_sale(now).is_ok() {
                next.push(Arc::new(showtime));
            }
        }
        Ok(next)
    }

    /// The hall of a showtime, in the version that was frozen into it.
    ///
    /// # Errors
    /// `UNAVAILABLE` when theaters does not answer.
    pub(crate) async fn hall(&self, showtime: &Showtime) -> Result<Arc<Hall>, Problem> {
        let (id, version) = (showtime.hall, showtime.layout_version);
        let load = async {
            let mut request = Request::new(theaters::GetLayoutRequest { hall_id: id.to_string(), version });
            request.set_timeout(DEADLINE);
            let layout = self
                .theaters
                .clone()
                .get_layout(request)
                .await
                .map_err(|status| failed(&status))?
                .into_inner();
            let allow_orphans = layout.allow_orphan_seats;
            let layout =
                moviebooking_fields::layout::from_wire("", layout).map_err(|problem| nonsense(&problem))?;
            Ok(Arc::new(Hall::new(id, version, layout, allow_orphans)))
        };
        self.halls.try_get_with((id, version), load).await.map_err(|problem: Arc<Problem>| (*problem).clone())
    }
}

fn parse_showtime(message: &movies::Showtime) -> Result<Showtime, Problem> {
    use moviebooking_fields::{id, money, time};

    let start = time::required("start_time", message.start_time.as_ref())?;
    let mut currency = None;
    let mut prices = HashMap::with_capacity(message.prices.len());
    for entry in &message.prices {
        let price = money("prices.price", entry.price.as_ref())?;
        if currency.replace(price.currency).is_some_and(|other| other != price.currency) {
            return Err(Problem::invalid("prices", "use one currency"));
        }
        prices.insert(entry.category.clone(), price.minor);
    }
    Ok(Showtime {
        id: id("id", &message.id)?,
        theater: id("theater_id", &message.theater_id)?,
        hall: id("hall_id", &message.hall_id)?,
        movie: id("movie_id", &message.movie_id)?,
        start,
        layout_version: message.layout_version,
        sales_start: time::optional("sales_start_time", message.sales_start_time.as_ref())?,
        sales_end: time::optional("sales_end_time", message.sales_end_time.as_ref())?.unwrap_or(start),
        cancelled: message.state() == movies::ShowtimeState::Cancelled,
        prices,
        currency: currency.ok_or_else(|| Problem::invalid("prices", "give one"))?,
    })
}

/// A neighbour's answer that breaks its contract is a fault of the platform, not of who called us.
fn nonsense(problem: &Problem) -> Problem {
    tracing::error!(%problem, "a neighbour's answer cannot be used");
    Problem::internal()
}

fn failed(status: &Status) -> Problem {
    use tonic::Code::{Aborted, Cancelled, DeadlineExceeded, ResourceExhausted, Unavailable};

    if matches!(status.code(), Unavailable | DeadlineExceeded | ResourceExhausted | Aborted | Cancelled) {
        tracing::warn!(%status, "a neighbour does not answer");
        Problem::unavailable("The catalogue cannot be reached; try again in a second.")
    } else {
        tracing::error!(%status, "a neighbour refused a call");
        Problem::internal()
    }
}
