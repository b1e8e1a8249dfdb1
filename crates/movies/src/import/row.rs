//! From a row of a file to a movie.

use jiff::{Span, ToSpan as _, civil::Date};
use moviebooking_fields as fields;
use moviebooking_proto::Problem;
use sha2::{Digest as _, Sha256};

use super::{
    Note, decode,
    source::{Cell, Cells, Column, RawRow},
};
use crate::{
    fold::fold,
    movie::{self, BEST_SCORE, Details, LONGEST_GENRE, LONGEST_NAME, LONGEST_RATING, LONGEST_RUNNING_TIME},
    store::import::ImportKey,
};

/// How far ahead a release may be announced.
const ANNOUNCED: i16 = 5;
/// Ratings that say there is none.
const NO_RATING: [&str; 3] = ["Not Rated", "Unrated", "NR"];

/// A row that can be imported.
#[derive(Debug)]
pub(super) struct Usable {
    pub(super) details: Details,
    pub(super) key: ImportKey,
    pub(super) repairs: Vec<Note>,
}

/// The movie of a row.
///
/// # Errors
/// Why the row cannot be used.
pub(super) fn read(raw: &RawRow, today: Date) -> Result<Usable, Note> {
    let cells = raw.as_ref().map_err(|reason| Note { field: "row", reason: reason.clone() })?;
    let mut row = Reader { cells, repairs: Vec::new() };
    let title = row.title()?;
    let written_date = row.date();
    let details = Details {
        synopsis: String::new(),
        genres: row.genres(),
        content_rating: row.rating(),
        running_time_minutes: row.number(Column::RunningTime, 1.0, f64::from(LONGEST_RUNNING_TIME), 1.0),
        release_date: written_date.map(|date| row.century(date, today)),
        director: row.optional_text(Column::Director, LONGEST_NAME),
        distributor: row.optional_text(Column::Distributor, LONGEST_NAME),
        critics_score: row.number(Column::RottenTomatoesRating, 0.0, f64::from(BEST_SCORE), 1.0),
        audience_score: row.number(Column::ImdbRating, 0.0, 10.0, 10.0),
        title,
    };
    Ok(Usable { key: key(&details.title, written_date), details, repairs: row.repairs })
}

/// Neither depends on the day of the import, so that the same row is the same movie in every run.
fn key(title: &str, written_date: Option<Date>) -> ImportKey {
    let date = written_date.map(|date| date.to_string()).unwrap_or_default();
    Sha256::new().chain_update(fold(title)).chain_update([0]).chain_update(date).finalize().into()
}

struct Reader<'a> {
    cells: &'a Cells,
    repairs: Vec<Note>,
}

impl Reader<'_> {
    fn repaired(&mut self, column: Column, reason: impl Into<String>) {
        self.repairs.push(Note { field: column.name(), reason: reason.into() });
    }

    fn title(&mut self) -> Result<String, Note> {
        let refused = |reason: String| Note { field: Column::Title.name(), reason };
        let written = match self.cells.get(Column::Title) {
            Cell::Empty => return Err(refused("is missing".to_owned())),
            Cell::Other => return Err(refused("is neither text nor a number".to_owned())),
            Cell::Number(number) => {
                let text = number.to_string();
                self.repaired(Column::Title, format!("is the number {text}; taken as text"));
                text
            }
            Cell::Text(text) => text.clone(),
        };
        let text = self.decoded(Column::Title, written);
        self.checked(Column::Title, &text, movie::title).map_err(refused)
    }

    /// A text that may be missing; one that cannot be used is left out.
    fn optional_text(&mut self, column: Column, longest: usize) -> String {
        let written = match self.cells.get(column) {
            Cell::Empty => return String::new(),
            Cell::Number(number) => number.to_string(),
            Cell::Text(text) => text.clone(),
            Cell::Other => {
                self.repaired(column, "is not text; left empty");
                return String::new();
            }
        };
        let text = self.decoded(column, written);
        match self.checked(column, &text, |name, text| fields::text(name, text, 0, longest)) {
            Ok(text) => text,
            Err(reason) => {
                self.repaired(column, format!("{reason}; left empty"));
                String::new()
            }
        }
    }

    /// Text as it was meant: in the right encoding, with single spaces.
    fn decoded(&mut self, column: Column, mut text: String) -> String {
        if let Some(decoded) = decode::stray_bytes(&text) {
            self.repaired(column, format!("is not UTF-8; read as Windows-1252: {decoded:?}"));
            text = decoded;
        }
        if let Some(decoded) = decode::utf8_read_as_windows_1252(&text) {
            self.repaired(column, format!("{text:?} was UTF-8 read as Windows-1252: {decoded:?}"));
            text = decoded;
        }
        if let Some(decoded) = decode::windows_1252_read_as_mac_roman(&text) {
            self.repaired(column, format!("{text:?} was Windows-1252 read as Mac Roman: {decoded:?}"));
            text = decoded;
        }
        let spaced = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if spaced != text.trim() {
            self.repaired(column, "white space made single spaces");
        }
        spaced
    }

    /// What a request's field may hold; why not, if it may not. Characters that a decoder gave up on are refused, too.
    fn checked(
        &self,
        column: Column,
        text: &str,
        check: impl Fn(&str, &str) -> Result<String, Problem>,
    ) -> Result<String, String> {
        if text.contains(char::REPLACEMENT_CHARACTER) {
            return Err("has characters that were lost in an earlier conversion".to_owned());
        }
        let name = column.name();
        check(name, text).map_err(|problem| {
            let fix = problem.message();
            let fix = fix.strip_prefix(name).and_then(|fix| fix.strip_prefix(": ")).unwrap_or(fix);
            format!("cannot be used ({fix})")
        })
    }

    fn genres(&mut self) -> Vec<String> {
        let mut genres = Vec::new();
        for column in [Column::MajorGenre, Column::CreativeType] {
            let genre = self.optional_text(column, LONGEST_GENRE);
            if !genre.is_empty() && !genres.contains(&genre) {
                genres.push(genre);
            }
        }
        genres
    }

    fn rating(&mut self) -> String {
        let rating = self.optional_text(Column::MpaaRating, LONGEST_RATING);
        if NO_RATING.contains(&rating.as_str()) {
            return String::new();
        }
        if rating == "Open" {
            self.repaired(Column::MpaaRating, "\"Open\" is no rating; left empty");
            return String::new();
        }
        rating
    }

    /// A number from `least` to `most`, times `factor`, rounded; one that cannot be used is left out.
    fn number(&mut self, column: Column, least: f64, most: f64, factor: f64) -> Option<i32> {
        let (shown, value) = match self.cells.get(column) {
            Cell::Empty => return None,
            Cell::Number(number) => (number.to_string(), number.as_f64()),
            Cell::Text(text) => (short(text), text.trim().parse().ok()),
            Cell::Other => ("this".to_owned(), None),
        };
        match value.filter(|value| (least..=most).contains(value)) {
            #[expect(clippy::cast_possible_truncation, reason = "no bound is above some thousands")]
            Some(value) => Some((value * factor).round() as i32),
            None => {
                self.repaired(column, format!("{shown} is not a number from {least} to {most}; left empty"));
                None
            }
        }
    }

    /// The release date as it is written.
    fn date(&mut self) -> Option<Date> {
        let text = match self.cells.get(Column::ReleaseDate) {
            Cell::Empty => return None,
            Cell::Text(text) => text.trim(),
            Cell::Number(_) | Cell::Other => "this",
        };
        let date =
            Date::strptime("%b %d %Y", text).ok().or_else(|| fields::optional_date("", text).ok().flatten());
        if date.is_none() {
            let shown = short(text);
            self.repaired(
                Column::ReleaseDate,
                format!("{shown} is not a date such as \"Jun 12 1998\"; left empty"),
            );
        }
        date
    }

    /// The date in the right century, if it was written with two digits of the year.
    fn century(&mut self, date: Date, today: Date) -> Date {
        let announced = today.saturating_add(Span::new().years(ANNOUNCED));
        let why = if date > today && self.was_shown() {
            "the movie has been shown"
        } else if date > announced {
            "that is too far ahead"
        } else {
            return date;
        };
        let meant = date.saturating_sub(100.years());
        self.repaired(Column::ReleaseDate, format!("{date} lies in the future, but {why}; taken as {meant}"));
        meant
    }

    /// Whether somebody has seen it: it was rated or has earned money.
    fn was_shown(&self) -> bool {
        [
            Column::RottenTomatoesRating,
            Column::ImdbRating,
            Column::ImdbVotes,
            Column::UsGross,
            Column::WorldwideGross,
        ]
        .into_iter()
        .any(|column| match self.cells.get(column) {
            Cell::Number(number) => number.as_f64().is_some_and(|value| value > 0.0),
            Cell::Text(text) => text.trim().parse().is_ok_and(|value: f64| value > 0.0),
            Cell::Empty | Cell::Other => false,
        })
    }
}

/// Enough of a text to find it by.
fn short(text: &str) -> String {
    format!("{:?}", text.chars().take(40).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::{super::Format, super::source, *};

    const TODAY: Date = Date::constant(2026, 11, 22);

    fn row(json: &str) -> Result<Usable, Note> {
        read(&source::read(&format!("[{json}]"), Format::Json).unwrap()[0], TODAY)
    }

    fn repairs(json: &str) -> Vec<&'static str> {
        row(json).unwrap().repairs.iter().map(|note| note.field).collect()
    }

    #[test]
    fn a_clean_row_is_taken_as_it_is() {
        let usable = row(
            r#"{"Title": "Brazil", "Release Date": "Dec 18 1985", "MPAA Rating": "R", "Running Time min": 136,
                "Distributor": "Universal", "Director": "Terry Gilliam", "Major Genre": "Black Comedy",
                "Creative Type": "Fantasy", "Rotten Tomatoes Rating": 98, "IMDB Rating": 8}"#,
        )
        .unwrap();
        let expected = Details {
            title: "Brazil".to_owned(),
            synopsis: String::new(),
            genres: vec!["Black Comedy".to_owned(), "Fantasy".to_owned()],
            content_rating: "R".to_owned(),
            running_time_minutes: Some(136),
            release_date: Some(Date::constant(1985, 12, 18)),
            director: "Terry Gilliam".to_owned(),
            distributor: "Universal".to_owned(),
            critics_score: Some(98),
            audience_score: Some(80),
        };
        assert_eq!((usable.details, usable.repairs), (expected, vec![]));
    }

    #[test]
    fn what_cannot_be_used_is_left_out_and_told() {
        for (json, field) in [
            (r#"{"Title": 1941}"#, "Title"),
            (r#"{"Title": "LÈon"}"#, "Title"),
            (r#"{"Title": "The Helix...  Loaded"}"#, "Title"),
            (r#"{"Title": "a", "Release Date": "Feb 30 1998"}"#, "Release Date"),
            (r#"{"Title": "a", "Release Date": 1998}"#, "Release Date"),
            (r#"{"Title": "a", "Running Time min": 0}"#, "Running Time min"),
            (r#"{"Title": "a", "Running Time min": 1e300}"#, "Running Time min"),
            (r#"{"Title": "a", "Running Time min": "two hours"}"#, "Running Time min"),
            (r#"{"Title": "a", "Rotten Tomatoes Rating": 101}"#, "Rotten Tomatoes Rating"),
            (r#"{"Title": "a", "IMDB Rating": -0.1}"#, "IMDB Rating"),
            (r#"{"Title": "a", "IMDB Rating": "NaN"}"#, "IMDB Rating"),
            (r#"{"Title": "a", "Director": ["b"]}"#, "Director"),
            (r#"{"Title": "a", "Director": "b\u0000c"}"#, "Director"),
            (r#"{"Title": "a", "Director": "b�"}"#, "Director"),
            (r#"{"Title": "a", "MPAA Rating": "Open"}"#, "MPAA Rating"),
        ] {
            assert_eq!(repairs(json), [field], "{json}");
        }
        assert!(
            repairs(r#"{"Title": "a", "MPAA Rating": "Not Rated", "Director": " ", "IMDB Votes": "?"}"#)
                .is_empty()
        );
    }

    #[test]
    fn a_row_without_a_title_is_rejected() {
        for json in [
            "{}",
            r#"{"Title": null}"#,
            r#"{"Title": "  "}"#,
            r#"{"Title": {"a": 1}}"#,
            r#"{"Title": "a\u0000"}"#,
            r#"{"Title": "L�on"}"#,
        ] {
            assert_eq!(row(json).unwrap_err().field, "Title", "{json}");
        }
        assert_eq!(row("1").unwrap_err().field, "row");
    }

    #[test]
    fn a_date_that_cannot_be_is_a_century_earlier() {
        let date = |json| row(json).unwrap().details.release_date.unwrap().to_string();
        assert_eq!(
            date(r#"{"Title": "a", "Release Date": "Aug 12 2027", "IMDB Rating": 7.9}"#),
            "1927-08-12"
        );
        assert_eq!(date(r#"{"Title": "a", "Release Date": "Aug 12 2027", "US Gross": 0}"#), "2027-08-12");
        assert_eq!(date(r#"{"Title": "a", "Release Date": "Aug 12 2040"}"#), "1940-08-12");
        assert_eq!(date(r#"{"Title": "a", "Release Date": "2025-12-30", "IMDB Rating": 8}"#), "2025-12-30");
    }

    #[test]
    fn the_key_does_not_depend_on_the_day() {
        let json = r#"[{"Title": "Wings", "Release Date": "Aug 12 2027", "IMDB Rating": 7.9}]"#;
        let rows = source::read(json, Format::Json).unwrap();
        let later = read(&rows[0], Date::constant(2030, 1, 1)).unwrap();
        assert_eq!(read(&rows[0], TODAY).unwrap().key, later.key);
        assert_ne!(row(r#"{"Title": "Wings"}"#).unwrap().key, later.key);
        assert_eq!(row(r#"{"Title": "WINGS", "Release Date": "2027-08-12"}"#).unwrap().key, later.key);
    }
}
