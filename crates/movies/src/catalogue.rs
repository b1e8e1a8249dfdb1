//! Use cases of the catalogue.

use jiff::civil::Date;
use moviebooking_domain::id::MovieId;
use moviebooking_events::outbox;
use moviebooking_fields::{self as fields, Mask, Page};
use moviebooking_proto::{Problem, Reason, movies::v1 as wire};
use moviebooking_store::idempotency::Request;

use crate::{
    Error, Service,
    fold::fold,
    movie::{Details, LONGEST_GENRE, LONGEST_RATING, LONGEST_RUNNING_TIME, Movie},
    store::movies::{self, After},
};

const LONGEST_QUERY: usize = 200;
/// Genres or ratings that a list is filtered by.
const MOST_FILTERS: usize = 20;

/// Which movies a list shows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    /// Folded words that all stand in the title.
    pub(crate) words: Vec<String>,
    /// Any of these; all movies when empty.
    pub(crate) genres: Vec<String>,
    /// Any of these; all movies when empty.
    pub(crate) content_ratings: Vec<String>,
    pub(crate) released_from: Option<Date>,
    pub(crate) released_to: Option<Date>,
    /// Minutes; movies without a running time are left out when it is set.
    pub(crate) least_running_time: Option<i32>,
    /// Minutes; movies without a running time are left out when it is set.
    pub(crate) most_running_time: Option<i32>,
}

impl Filter {
    pub(crate) fn read(request: &wire::ListMoviesRequest) -> Result<Self, Problem> {
        let query = fields::text("query", &request.query, 0, LONGEST_QUERY)?;
        let running_time = |field, value| match fields::number(field, value, 0, LONGEST_RUNNING_TIME)? {
            0 => Ok::<_, Problem>(None),
            bound => Ok(Some(bound)),
        };
        let filter = Self {
            words: query.split_whitespace().map(fold).collect(),
            genres: any_of("genres", &request.genres, LONGEST_GENRE)?,
            content_ratings: any_of("content_ratings", &request.content_ratings, LONGEST_RATING)?,
            released_from: fields::optional_date("released_from", &request.released_from)?,
            released_to: fields::optional_date("released_to", &request.released_to)?,
            least_running_time: running_time("min_running_time_minutes", request.min_running_time_minutes)?,
            most_running_time: running_time("max_running_time_minutes", request.max_running_time_minutes)?,
        };
        if matches!((filter.released_from, filter.released_to), (Some(from), Some(to)) if from > to) {
            return Err(Problem::invalid("released_to", "must not lie before released_from"));
        }
        if matches!((filter.least_running_time, filter.most_running_time), (Some(least), Some(most)) if least > most)
        {
            let fix = "must not be less than min_running_time_minutes";
            return Err(Problem::invalid("max_running_time_minutes", fix));
        }
        Ok(filter)
    }
}

fn any_of(field: &str, values: &[String], longest: usize) -> Result<Vec<String>, Problem> {
    fields::at_most(field, values, MOST_FILTERS)?;
    values
        .iter()
        .enumerate()
        .map(|(index, value)| fields::text(&format!("{field}[{index}]"), value, 0, longest))
        .collect()
}

/// The page that a request asks for; its token belongs to the request's filters.
pub(crate) fn page(request: &wire::ListMoviesRequest) -> Result<(Page, Option<After>), Problem> {
    let page = Page::parse(
        request.page_size,
        &request.page_token,
        "movies",
        &[
            &request.query,
            &request.genres.join("\0"),
            &request.content_ratings.join("\0"),
            &request.released_from,
            &request.released_to,
            &request.min_running_time_minutes.to_string(),
            &request.max_running_time_minutes.to_string(),
        ],
    )?;
    let after = match page.after.as_deref() {
        None => None,
        Some([title_key, id]) => {
            let id = fields::id("page_token", id).map_err(|_| foreign_token())?;
            Some(After { title_key: title_key.clone(), id })
        }
        Some(_) => return Err(foreign_token()),
    };
    Ok((page, after))
}

/// The answer to a token whose checksum holds but which this list never gave.
pub(crate) fn foreign_token() -> Problem {
    let fix = "use next_page_token of this list, or leave it empty for the first page";
    Problem::new(Reason::InvalidPageToken, format!("page_token: {fix}")).field("page_token", fix)
}

impl Service {
    pub(crate) async fn find_movies(
        &self,
        filter: &Filter,
        page: &Page,
        after: Option<&After>,
    ) -> Result<(Vec<Movie>, String), Error> {
        let mut found = movies::list(&self.db, filter, after, page.limit()).await?;
        let next = page.cut(&mut found, |movie| vec![fold(&movie.details.title), movie.id.to_string()]);
        Ok((found, next))
    }

    pub(crate) async fn movie(&self, id: MovieId) -> Result<Movie, Error> {
        movies::get(&self.db, id).await?.ok_or(Error::MovieNotFound { field: "id" })
    }

    pub(crate) async fn add_movie(&self, details: Details, key: &Request) -> Result<wire::Movie, Error> {
        let now = self.clock.now();
        let movie = Movie { id: MovieId::new(now), details, create_time: now, update_time: now, version: 1 };
        let mut tx = self.db.begin().await?;
        if let Some(answer) = key.begin(&mut tx, now).await? {
            return Ok(answer);
        }
        movies::add(&mut tx, &movie).await?;
        outbox::append(&mut tx, now, movie.id, &wire::MovieCreated { movie_id: movie.id.to_string() })
            .await?;
        let answer = movie.into();
        key.finish(&mut tx, &answer).await?;
        tx.commit().await?;
        Ok(answer)
    }

    pub(crate) async fn change_movie(
        &self,
        id: MovieId,
        wanted: &wire::Movie,
        mask: &Mask,
        key: &Request,
    ) -> Result<wire::Movie, Error> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        if let Some(answer) = key.begin(&mut tx, now).await? {
            return Ok(answer);
        }
        movies::lock(&mut tx, id).await?;
        let mut movie = movies::get(&mut tx, id).await?.ok_or(Error::MovieNotFound { field: "movie.id" })?;
        fields::etag(&wanted.etag, movie.version)?;
        movie.details.change(wanted, mask)?;
        movie.update_time = now;
        movie.version += 1;
        movies::change(&mut tx, &movie).await?;
        outbox::append(&mut tx, now, id, &wire::MovieUpdated { movie_id: id.to_string() }).await?;
        let answer = movie.into();
        key.finish(&mut tx, &answer).await?;
        tx.commit().await?;
        Ok(answer)
    }

    /// Takes a movie out of the catalogue. The lock on it keeps a showtime from being scheduled between the look at its
    /// showtimes and the deletion.
    pub(crate) async fn remove_movie(&self, id: MovieId, key: &Request) -> Result<(), Error> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        if key.begin::<()>(&mut tx, now).await?.is_some() {
            return Ok(());
        }
        movies::lock(&mut tx, id).await?;
        if movies::get(&mut tx, id).await?.is_none() {
            return Err(Error::MovieNotFound { field: "id" });
        }
        let count = movies::showtimes_to_come(&mut tx, id, now).await?;
        if count > 0 {
            return Err(Error::MovieHasShowtimes { count });
        }
        movies::remove(&mut tx, id, now).await?;
        outbox::append(&mut tx, now, id, &wire::MovieDeleted { movie_id: id.to_string() }).await?;
        key.finish(&mut tx, &()).await?;
        tx.commit().await?;
        Ok(())
    }
}
