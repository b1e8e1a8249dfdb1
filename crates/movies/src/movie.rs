//! A movie: its fields, what they may be, and how they look in requests and answers.

use jiff::{Timestamp, civil::Date};
use moviebooking_domain::id::MovieId;
use moviebooking_fields::{self as fields, Mask, time};
use moviebooking_proto::{Problem, movies::v1 as wire};

use crate::fold::fold;

/// Characters of a title.
pub(crate) const LONGEST_TITLE: usize = 300;
/// Bytes of a folded title, so that it fits into an index entry and a page token. No title of ordinary letters has more.
const LONGEST_TITLE_KEY: usize = 1_200;
const LONGEST_SYNOPSIS: usize = 5_000;
/// Characters of a director's or distributor's name.
pub(crate) const LONGEST_NAME: usize = 200;
/// Characters of a content rating.
pub(crate) const LONGEST_RATING: usize = 20;
/// Characters of a genre.
pub(crate) const LONGEST_GENRE: usize = 50;
const MOST_GENRES: usize = 10;
/// Minutes.
pub(crate) const LONGEST_RUNNING_TIME: i32 = 1_440;
/// Of critics and audience.
pub(crate) const BEST_SCORE: i32 = 100;

/// What an update can change.
pub(crate) const CHANGEABLE: &[&str] = &[
    "title",
    "synopsis",
    "genres",
    "content_rating",
    "running_time_minutes",
    "release_date",
    "director",
    "distributor",
    "critics_score",
    "audience_score",
];

/// A movie of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Movie {
    pub(crate) id: MovieId,
    pub(crate) details: Details,
    pub(crate) create_time: Timestamp,
    pub(crate) update_time: Timestamp,
    pub(crate) version: i64,
}

/// What people say about a movie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Details {
    pub(crate) title: String,
    pub(crate) synopsis: String,
    pub(crate) genres: Vec<String>,
    pub(crate) content_rating: String,
    pub(crate) running_time_minutes: Option<i32>,
    pub(crate) release_date: Option<Date>,
    pub(crate) director: String,
    pub(crate) distributor: String,
    pub(crate) critics_score: Option<i32>,
    pub(crate) audience_score: Option<i32>,
}

impl Details {
    /// The details of a new movie.
    pub(crate) fn read(movie: &wire::Movie) -> Result<Self, Problem> {
        let mut details = Self::default();
        details.change(movie, &Mask::parse(None, CHANGEABLE)?)?;
        Ok(details)
    }

    /// Takes the fields that the mask names from a request.
    pub(crate) fn change(&mut self, movie: &wire::Movie, mask: &Mask) -> Result<(), Problem> {
        if mask.has("title") {
            self.title = title("movie.title", &movie.title)?;
        }
        if mask.has("synopsis") {
            self.synopsis = fields::long_text("movie.synopsis", &movie.synopsis, 0, LONGEST_SYNOPSIS)?;
        }
        if mask.has("genres") {
            self.genres = genres(&movie.genres)?;
        }
        if mask.has("content_rating") {
            self.content_rating =
                fields::text("movie.content_rating", &movie.content_rating, 0, LONGEST_RATING)?;
        }
        if mask.has("running_time_minutes") {
            let field = "movie.running_time_minutes";
            self.running_time_minutes =
                optional_number(field, movie.running_time_minutes, 1, LONGEST_RUNNING_TIME)?;
        }
        if mask.has("release_date") {
            self.release_date = fields::optional_date("movie.release_date", &movie.release_date)?;
        }
        if mask.has("director") {
            self.director = fields::text("movie.director", &movie.director, 0, LONGEST_NAME)?;
        }
        if mask.has("distributor") {
            self.distributor = fields::text("movie.distributor", &movie.distributor, 0, LONGEST_NAME)?;
        }
        if mask.has("critics_score") {
            self.critics_score = optional_number("movie.critics_score", movie.critics_score, 0, BEST_SCORE)?;
        }
        if mask.has("audience_score") {
            self.audience_score =
                optional_number("movie.audience_score", movie.audience_score, 0, BEST_SCORE)?;
        }
        Ok(())
    }
}

/// A title, as requests and files may have it.
pub(crate) fn title(field: &str, value: &str) -> Result<String, Problem> {
    let title = fields::text(field, value, 1, LONGEST_TITLE)?;
    if fold(&title).len() > LONGEST_TITLE_KEY {
        return Err(Problem::invalid(field, "use fewer characters: these take too much space"));
    }
    Ok(title)
}

fn genres(given: &[String]) -> Result<Vec<String>, Problem> {
    fields::at_most("movie.genres", given, MOST_GENRES)?;
    let mut genres = Vec::with_capacity(given.len());
    for (index, genre) in given.iter().enumerate() {
        let field = format!("movie.genres[{index}]");
        let genre = fields::text(&field, genre, 1, LONGEST_GENRE)?;
        if genres.contains(&genre) {
            return Err(Problem::invalid(field, "name each genre once"));
        }
        genres.push(genre);
    }
    Ok(genres)
}

fn optional_number(field: &str, value: Option<i32>, least: i32, most: i32) -> Result<Option<i32>, Problem> {
    value.map(|value| fields::number(field, value, least, most)).transpose()
}

impl From<Movie> for wire::Movie {
    fn from(movie: Movie) -> Self {
        let details = movie.details;
        Self {
            id: movie.id.to_string(),
            title: details.title,
            synopsis: details.synopsis,
            genres: details.genres,
            content_rating: details.content_rating,
            running_time_minutes: details.running_time_minutes,
            release_date: details.release_date.map_or_else(String::new, |date| date.to_string()),
            director: details.director,
            distributor: details.distributor,
            critics_score: details.critics_score,
            audience_score: details.audience_score,
            create_time: Some(time::to_wire(movie.create_time)),
            update_time: Some(time::to_wire(movie.update_time)),
            etag: fields::to_etag(movie.version),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl Fn(&mut wire::Movie)) -> String {
        let mut movie = wire::Movie { title: "Metropolis".to_owned(), ..wire::Movie::default() };
        change(&mut movie);
        Details::read(&movie).unwrap_err().message().to_owned()
    }

    #[test]
    fn every_refusal_names_its_field() {
        assert!(refused(|movie| movie.title = " ".to_owned()).starts_with("movie.title: "));
        assert!(refused(|movie| movie.title = "x".repeat(301)).starts_with("movie.title: "));
        assert!(refused(|movie| movie.title = "ᾷ".repeat(300)).starts_with("movie.title: "));
        assert!(refused(|movie| movie.synopsis = "a\0b".to_owned()).starts_with("movie.synopsis: "));
        assert!(refused(|movie| movie.genres = vec![String::new()]).starts_with("movie.genres[0]: "));
        assert!(refused(|movie| movie.genres = vec!["Drama".to_owned(); 2]).starts_with("movie.genres[1]: "));
        assert!(refused(|movie| movie.genres = vec!["Drama".to_owned(); 11]).starts_with("movie.genres: "));
        assert!(
            refused(|movie| movie.running_time_minutes = Some(0)).starts_with("movie.running_time_minutes: ")
        );
        assert!(
            refused(|movie| movie.release_date = "1927-02-30".to_owned()).starts_with("movie.release_date: ")
        );
        assert!(refused(|movie| movie.critics_score = Some(101)).starts_with("movie.critics_score: "));
        assert!(refused(|movie| movie.audience_score = Some(-1)).starts_with("movie.audience_score: "));
    }

    #[test]
    fn only_what_the_mask_names_is_looked_at() {
        let mut details = Details { title: "Metropolis".to_owned(), ..Details::default() };
        let wanted = wire::Movie { director: "Fritz Lang".to_owned(), ..wire::Movie::default() };
        details.change(&wanted, &Mask::parse(None, &["director"]).unwrap()).unwrap();
        assert_eq!((details.title.as_str(), details.director.as_str()), ("Metropolis", "Fritz Lang"));
    }
}
