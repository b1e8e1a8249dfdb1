//! What a showtime is, asked of `movies` and `theaters` and kept for a while: every ticket of it needs the same.

use std::{sync::Arc, time::Duration};

use moka::future::Cache;
use moviebooking_auth::ServiceLink;
use moviebooking_domain::id::ShowtimeId;
use moviebooking_fields as fields;
use moviebooking_proto::{
    Problem, Reason,
    movies::v1::{GetShowtimeRequest, movies_service_client::MoviesServiceClient},
    problem::reason_of,
    theaters::v1::{Address, GetTheaterRequest, Theater, theaters_service_client::TheatersServiceClient},
};
use tonic::{Code, Request, Status};

use crate::ticket::Show;

/// A bound on memory, some megabytes.
const MOST_KEPT: u64 = 2_000;
/// A theater's new name or address is on its tickets a minute later: after both.
const SHOW_KEPT: Duration = Duration::from_secs(50);
const THEATER_KEPT: Duration = Duration::from_secs(10);
/// Of each of the two calls.
const DEADLINE: Duration = Duration::from_secs(2);

/// What showtimes are.
#[derive(Clone)]
pub(crate) struct Shows {
    movies: MoviesServiceClient<ServiceLink>,
    theaters: TheatersServiceClient<ServiceLink>,
    shows_kept: Cache<ShowtimeId, Arc<Show>>,
    theaters_kept: Cache<String, Arc<Theater>>,
}

impl Shows {
    pub(crate) fn new(movies: ServiceLink, theaters: ServiceLink) -> Self {
        Self {
            movies: MoviesServiceClient::new(movies),
            theaters: TheatersServiceClient::new(theaters),
            shows_kept: Cache::builder().max_capacity(MOST_KEPT).time_to_live(SHOW_KEPT).build(),
            theaters_kept: Cache::builder().max_capacity(MOST_KEPT).time_to_live(THEATER_KEPT).build(),
        }
    }

    /// What is shown, where and when. Requests for one showtime at the same time ask once.
    pub(crate) async fn get(&self, showtime: ShowtimeId) -> Result<Arc<Show>, Problem> {
        self.shows_kept
            .try_get_with(showtime, self.fetch(showtime))
            .await
            .map_err(|problem: Arc<Problem>| Problem::clone(&problem))
    }

    async fn fetch(&self, id: ShowtimeId) -> Result<Arc<Show>, Problem> {
        let mut request = Request::new(GetShowtimeRequest { id: id.to_string() });
        request.set_timeout(DEADLINE);
        let showtime =
            self.movies.clone().get_showtime(request).await.map_err(|status| refusal(&status))?.into_inner();
        let theater = showtime.theater_id.clone();
        let theater = self.theaters_kept.try_get_with(theater.clone(), self.fetch_theater(theater)).await;
        let theater = theater.map_err(|problem| Problem::clone(&problem))?;
        Ok(Arc::new(Show {
            movie_title: showtime.movie_title,
            theater: fields::id("theater_id", &showtime.theater_id)
                .map_err(|problem| unexpected(&problem))?,
            theater_name: theater.display_name.clone(),
            theater_address: one_line(theater.address.clone().unwrap_or_default()),
            hall_name: showtime.hall_name,
            start: fields::time::required("start_time", showtime.start_time.as_ref())
                .map_err(|problem| unexpected(&problem))?,
            time_zone: showtime.time_zone,
            refund_policy: theater
                .refund_policy
                .map(|policy| fields::refund::from_wire("refund_policy", policy))
                .transpose()
                .map_err(|problem| unexpected(&problem))?,
        }))
    }

    async fn fetch_theater(&self, id: String) -> Result<Arc<Theater>, Problem> {
        let mut request = Request::new(GetTheaterRequest { id });
        request.set_timeout(DEADLINE);
        match self.theaters.clone().get_theater(request).await {
            Ok(theater) => Ok(Arc::new(theater.into_inner())),
            Err(status) => Err(refusal(&status)),
        }
    }
}

/// What to tell who asked for tickets.
fn refusal(status: &Status) -> Problem {
    match (status.code(), reason_of(status)) {
        (_, Some(Reason::ShowtimeNotFound)) => {
            Problem::new(Reason::ShowtimeNotFound, "There is no such showtime.")
                .field("showtime_id", "use the id of a showtime")
        }
        (Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted, _) => Problem::unavailable(
            "The catalogue cannot be reached to write the tickets; try again in a second.",
        ),
        _ => unexpected(status),
    }
}

fn unexpected(error: &(dyn std::error::Error + 'static)) -> Problem {
    tracing::error!(error, "a showtime or its theater cannot be understood");
    Problem::internal()
}

/// Street, postal code and city, region, country.
fn one_line(address: Address) -> String {
    let town = format!("{} {}", address.postal_code, address.city);
    let mut parts = address.lines;
    parts.extend([town, address.region, address.country_code]);
    let parts: Vec<&str> = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()).collect();
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_line_without_gaps() {
        let address = |lines: &[&str], region: &str| {
            one_line(Address {
                lines: lines.iter().map(ToString::to_string).collect(),
                postal_code: "10117".to_owned(),
                city: "Berlin".to_owned(),
                region: region.to_owned(),
                country_code: "DE".to_owned(),
            })
        };
        assert_eq!(address(&["Unter den Linden 1", ""], ""), "Unter den Linden 1, 10117 Berlin, DE");
        assert_eq!(address(&[], "BE"), "10117 Berlin, BE, DE");
        assert_eq!(one_line(Address::default()), "");
    }
}
