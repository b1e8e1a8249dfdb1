//! Loads a catalogue from a file: JSON (an array of objects) or CSV (with a header line), with the same columns.
//!
//! | column | becomes |
//! |---|---|
//! | `Title` | the title; a row without one is rejected |
//! | `Release Date` | the release date: `Jun 12 1998` or `1998-06-12` |
//! | `MPAA Rating` | the content rating; `Not Rated` is none |
//! | `Running Time min` | the running time, 1 to 1,440 |
//! | `Distributor`, `Director` | the same |
//! | `Major Genre`, `Creative Type` | the genres |
//! | `Rotten Tomatoes Rating` | the critics' score, 0 to 100 |
//! | `IMDB Rating` | the audience's score: 0 to 10, times ten |
//!
//! Other columns have no place in the catalogue. `IMDB Votes`, `US Gross` and `Worldwide Gross` are read for one question:
//! whether a movie has been shown already.
//!
//! What is usable is taken. Of a value that is not, the rest of the row is taken, and the row counts as *repaired*; only a
//! row that cannot be told apart by its title is *rejected*. Repairs are:
//! - A title that is a number is taken as text.
//! - Text that was decoded wrongly is decoded again where that leaves no doubt: UTF-8 taken for Windows-1252 (`AmÃ©lie`),
//!   Windows-1252 taken for Mac Roman (`AmÈlie`), bytes that are not UTF-8 at all.
//! - A release date in the future of a movie that has been rated or has earned money was written with a year of two digits:
//!   it is read as a century earlier. So is any date more than five years ahead. A wrong date in the past looks like any
//!   other and is taken.
//! - Values out of range or of another kind, and rating `Open`, are left out; runs of white space become one space.
//!
//! A row is known by its title, without regard to case, and its release date as written. A second row of the file with
//! both the same is rejected as a duplicate. A row that an earlier run imported is *unchanged*: it is not written again,
//! whatever became of the movie, so an interrupted run is completed by running it again.

pub mod cli;
mod decode;
mod row;
mod source;

use std::{collections::HashMap, fmt};

use jiff::{Timestamp, tz::TimeZone};
use moviebooking_domain::{clock::Clock, id::MovieId};
use moviebooking_store::{Db, StoreError};
use serde::Serialize;

use crate::{
    import::row::Usable,
    movie::Movie,
    store::import::{ImportKey, add_new},
};

/// Bytes of a file at most.
pub const LARGEST_FILE: u64 = 100_000_000;

/// Rows in one transaction: what an interruption can lose, and between two reports of progress.
const BATCH: usize = 200;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// An array of objects.
    Json,
    /// Comma-separated values with a header line (RFC 4180).
    Csv,
}

/// What became of the rows: the other four numbers add up to `rows`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Rows of the file.
    pub rows: u64,
    /// Imported as they are.
    pub imported: u64,
    /// Imported after a repair.
    pub repaired: u64,
    /// Not imported.
    pub rejected: u64,
    /// Imported by an earlier run.
    pub unchanged: u64,
}

/// Why a row is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Imported after a repair.
    Repaired,
    /// Not imported.
    Rejected,
}

/// What was wrong with one value of a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// The column.
    pub field: &'static str,
    /// What was wrong, and what was done.
    pub reason: String,
}

/// A row that was repaired or rejected. Written as one line for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RowReport {
    /// Counted from 1; in CSV the line after the header is 1.
    pub row: u64,
    /// What became of it.
    pub outcome: Outcome,
    /// Why: at least one.
    pub notes: Vec<Note>,
}

impl fmt::Display for RowReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match self.outcome {
            Outcome::Repaired => "repaired",
            Outcome::Rejected => "rejected",
        };
        write!(f, "row {} {outcome}", self.row)?;
        for (index, Note { field, reason }) in self.notes.iter().enumerate() {
            write!(f, "{} {field}: {reason}", if index == 0 { ":" } else { ";" })?;
        }
        Ok(())
    }
}

/// Who hears of an import while it runs.
pub trait Report: Send {
    /// A row was repaired or rejected; called in the order of the rows, once the row is in the database.
    fn row(&mut self, row: RowReport);
    /// `done` of `rows` rows are done.
    fn progress(&mut self, done: u64, rows: u64);
}

/// Hears of an import and says nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Report for Silent {
    fn row(&mut self, _row: RowReport) {}
    fn progress(&mut self, _done: u64, _rows: u64) {}
}

/// Why a file was not imported, or not to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// It is larger than [`LARGEST_FILE`].
    #[error("the file is larger than {} MB: split it", LARGEST_FILE / 1_000_000)]
    TooLarge,
    /// It is not in the format that it should be in; the message names the line.
    #[error("the file is not as it should be: {0}")]
    Malformed(String),
    /// The database failed. What was reported is in it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Imports the movies of a file.
///
/// # Errors
/// [`ImportError`]; a row that cannot be used is none.
pub async fn run(
    db: &Db,
    clock: &dyn Clock,
    file: &[u8],
    format: Format,
    report: &mut impl Report,
) -> Result<Summary, ImportError> {
    if file.len() as u64 > LARGEST_FILE {
        return Err(ImportError::TooLarge);
    }
    let rows = source::read(&decode::text(file), format).map_err(ImportError::Malformed)?;
    let now = clock.now();
    let today = now.to_zoned(TimeZone::UTC).date();
    let mut summary = Summary { rows: rows.len() as u64, ..Summary::default() };
    let mut first_row: HashMap<ImportKey, u64> = HashMap::with_capacity(rows.len());
    let mut number = 0;
    for batch in rows.chunks(BATCH) {
        let mut read = Vec::with_capacity(batch.len());
        for raw in batch {
            number += 1;
            read.push((
                number,
                row::read(raw, today).and_then(|usable| once(usable, number, &mut first_row)),
            ));
        }
        write(db, now, read, &mut summary, report).await?;
        report.progress(number, summary.rows);
    }
    Ok(summary)
}

/// Refuses a row that stands in the file before.
fn once(usable: Usable, number: u64, first_row: &mut HashMap<ImportKey, u64>) -> Result<Usable, Note> {
    let first = *first_row.entry(usable.key).or_insert(number);
    if first == number {
        return Ok(usable);
    }
    let reason = format!("is a duplicate of row {first}, with the same title and release date");
    Err(Note { field: "Title", reason })
}

/// Writes a batch of rows, with their numbers, and counts what became of them.
async fn write(
    db: &Db,
    now: Timestamp,
    batch: Vec<(u64, Result<Usable, Note>)>,
    summary: &mut Summary,
    report: &mut impl Report,
) -> Result<(), StoreError> {
    let mut movies = Vec::with_capacity(batch.len());
    let mut rows = Vec::with_capacity(batch.len());
    for (row, read) in batch {
        match read {
            Ok(Usable { details, key, repairs }) => {
                let id = MovieId::new(now);
                movies.push((key, Movie { id, details, create_time: now, update_time: now, version: 1 }));
                rows.push((row, Ok((key, repairs))));
            }
            Err(note) => rows.push((row, Err(note))),
        }
    }
    let added = add_new(db, &movies, now).await?;
    for (row, read) in rows {
        match read {
            Ok((key, _)) if !added.contains(key.as_slice()) => summary.unchanged += 1,
            Ok((_, notes)) if notes.is_empty() => summary.imported += 1,
            Ok((_, notes)) => {
                summary.repaired += 1;
                report.row(RowReport { row, outcome: Outcome::Repaired, notes });
            }
            Err(note) => {
                summary.rejected += 1;
                report.row(RowReport { row, outcome: Outcome::Rejected, notes: vec![note] });
            }
        }
    }
    Ok(())
}
