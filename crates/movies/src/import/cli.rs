//! The import as a command.

use std::{
    io::{IsTerminal as _, Write},
    path::PathBuf,
};

use moviebooking_domain::clock::Clock;
use moviebooking_serve::StartError;
use moviebooking_store::{Db, StoreError};
use serde::Serialize;

use super::{Format, ImportError, LARGEST_FILE, Report, RowReport, Summary, run};

/// What is imported and how it is told.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// File with the movies: JSON (an array of objects) or CSV (with a header line).
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Format of the file [default: by the ending of its name].
    // Not called `format` by clap: the global options of a process have one of that name.
    #[arg(id = "file-format", long = "format", value_enum)]
    format: Option<Format>,
    /// Write the outcome as one JSON document instead of lines.
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Imports the file. Writes a line per repaired or rejected row and the summary to standard output, and progress to
    /// standard error. Rejected rows are no failure.
    ///
    /// # Errors
    /// 64 when the format is not known, 65 when the file is not in it, 66 when the file cannot be read, 69 or 70 when the
    /// database fails.
    pub async fn run(&self, db: &Db, clock: &dyn Clock) -> Result<(), StartError> {
        let format = self.format()?;
        let file = self.read().await?;
        let mut printer = Printer {
            out: std::io::stdout(),
            progress: std::io::stderr(),
            in_place: std::io::stderr().is_terminal(),
            lines: !self.json,
            rows: Vec::new(),
        };
        let summary =
            run(db, clock, &file, format, &mut printer).await.map_err(|error| self.failed(&error))?;
        printer.finish(summary);
        Ok(())
    }

    fn format(&self) -> Result<Format, StartError> {
        let ending = self.file.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        match (self.format, ending.as_deref()) {
            (Some(format), _) => Ok(format),
            (None, Some("json")) => Ok(Format::Json),
            (None, Some("csv")) => Ok(Format::Csv),
            (None, _) => Err(StartError::usage(format!(
                "the name {} does not tell the format: say --format json or --format csv",
                self.file.display()
            ))),
        }
    }

    async fn read(&self) -> Result<Vec<u8>, StartError> {
        let unreadable = |error: std::io::Error| {
            StartError::no_input(format!("cannot read {}: {error}", self.file.display()))
        };
        let length = tokio::fs::metadata(&self.file).await.map_err(unreadable)?.len();
        if length > LARGEST_FILE {
            return Err(self.failed(&ImportError::TooLarge));
        }
        tokio::fs::read(&self.file).await.map_err(unreadable)
    }

    fn failed(&self, error: &ImportError) -> StartError {
        let file = self.file.display();
        match error {
            ImportError::TooLarge | ImportError::Malformed(_) => StartError::data(format!("{file}: {error}")),
            ImportError::Store(error @ StoreError::Unavailable { .. }) => {
                StartError::unavailable(error.chain())
            }
            ImportError::Store(error) => StartError::software(error.chain()),
        }
    }
}

/// Tells people, or a program, how the import goes. Nobody reading any more does not stop it.
struct Printer<O, P> {
    out: O,
    progress: P,
    /// Progress overwrites itself, as on a terminal.
    in_place: bool,
    /// Rows are told as lines at once instead of being collected for the document at the end.
    lines: bool,
    rows: Vec<RowReport>,
}

/// The outcome for programs.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    summary: Summary,
    reports: &'a [RowReport],
}

impl<O: Write, P: Write> Printer<O, P> {
    fn finish(mut self, summary: Summary) {
        if self.in_place {
            let _ = writeln!(self.progress);
        }
        if self.lines {
            let Summary { rows, imported, repaired, rejected, unchanged } = summary;
            let _ = writeln!(
                self.out,
                "{rows} rows: {imported} imported, {repaired} repaired and imported, {rejected} rejected, \
                 {unchanged} unchanged"
            );
            if rows > 0 && imported + repaired == 0 {
                let _ = writeln!(self.out, "nothing changed");
            }
        } else {
            let document = Document { summary, reports: &self.rows };
            let _ = serde_json::to_writer(&mut self.out, &document);
            let _ = writeln!(self.out);
        }
        let _ = self.out.flush();
    }
}

impl<O: Write + Send, P: Write + Send> Report for Printer<O, P> {
    fn row(&mut self, row: RowReport) {
        if self.lines {
            if self.in_place {
                let _ = write!(self.progress, "\r\x1b[K");
            }
            let _ = writeln!(self.out, "{row}");
        } else {
            self.rows.push(row);
        }
    }

    fn progress(&mut self, done: u64, rows: u64) {
        let _ = match self.in_place {
            true => write!(self.progress, "\r{done} of {rows} rows"),
            false => writeln!(self.progress, "{done} of {rows} rows"),
        };
        let _ = self.progress.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Note, Outcome},
        *,
    };

    fn told(lines: bool, in_place: bool) -> (String, String) {
        let (mut out, mut progress) = (Vec::new(), Vec::new());
        let mut printer =
            Printer { out: &mut out, progress: &mut progress, in_place, lines, rows: Vec::new() };
        let note = |field, reason: &str| Note { field, reason: reason.to_owned() };
        printer.row(RowReport {
            row: 2,
            outcome: Outcome::Rejected,
            notes: vec![note("Title", "is missing")],
        });
        let notes = vec![note("Title", "is the number 9"), note("Director", "is not text")];
        printer.row(RowReport { row: 3, outcome: Outcome::Repaired, notes });
        printer.progress(3, 3);
        printer.finish(Summary { rows: 3, imported: 1, repaired: 1, rejected: 1, unchanged: 0 });
        (String::from_utf8(out).unwrap(), String::from_utf8(progress).unwrap())
    }

    #[test]
    fn people_read_a_line_per_row() {
        let (out, progress) = told(true, false);
        assert_eq!(
            out,
            "row 2 rejected: Title: is missing\n\
             row 3 repaired: Title: is the number 9; Director: is not text\n\
             3 rows: 1 imported, 1 repaired and imported, 1 rejected, 0 unchanged\n"
        );
        assert_eq!(progress, "3 of 3 rows\n");
        assert_eq!(told(true, true).0, out);
    }

    #[test]
    fn programs_read_one_document() {
        let document: serde_json::Value = serde_json::from_str(&told(false, false).0).unwrap();
        assert_eq!(document["rejected"], 1);
        assert_eq!(document["reports"][0]["outcome"], "rejected");
        assert_eq!(document["reports"][1]["notes"][1]["field"], "Director");
    }
}
