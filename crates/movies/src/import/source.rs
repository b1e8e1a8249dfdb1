//! From the text of a file to its rows.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Number, Value};

use super::Format;

/// The columns that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Title,
    ReleaseDate,
    MpaaRating,
    RunningTime,
    Distributor,
    Director,
    MajorGenre,
    CreativeType,
    RottenTomatoesRating,
    ImdbRating,
    ImdbVotes,
    UsGross,
    WorldwideGross,
}

const COLUMNS: [(Column, &str); 13] = [
    (Column::Title, "Title"),
    (Column::ReleaseDate, "Release Date"),
    (Column::MpaaRating, "MPAA Rating"),
    (Column::RunningTime, "Running Time min"),
    (Column::Distributor, "Distributor"),
    (Column::Director, "Director"),
    (Column::MajorGenre, "Major Genre"),
    (Column::CreativeType, "Creative Type"),
    (Column::RottenTomatoesRating, "Rotten Tomatoes Rating"),
    (Column::ImdbRating, "IMDB Rating"),
    (Column::ImdbVotes, "IMDB Votes"),
    (Column::UsGross, "US Gross"),
    (Column::WorldwideGross, "Worldwide Gross"),
];

impl Column {
    /// Its name in files.
    pub(super) fn name(self) -> &'static str {
        COLUMNS[self as usize].1
    }

    fn of(name: &str) -> Option<Self> {
        COLUMNS.iter().find(|(_, known)| *known == name.trim()).map(|(column, _)| *column)
    }
}

/// What stands in a column of a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Cell {
    #[default]
    Empty,
    Text(String),
    Number(Number),
    /// A boolean, a list or an object.
    Other,
}

impl From<Value> for Cell {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Empty,
            Value::String(text) => Self::from(text.as_str()),
            Value::Number(number) => Self::Number(number),
            Value::Bool(_) | Value::Array(_) | Value::Object(_) => Self::Other,
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        if text.trim().is_empty() { Self::Empty } else { Self::Text(text.to_owned()) }
    }
}

/// The cells of a row, by column.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Cells([Cell; COLUMNS.len()]);

impl Cells {
    pub(super) fn get(&self, column: Column) -> &Cell {
        &self.0[column as usize]
    }

    fn set(&mut self, column: Column, cell: Cell) {
        self.0[column as usize] = cell;
    }
}

/// A row, or why it is none.
pub(super) type RawRow = Result<Cells, String>;

/// All rows of a file.
///
/// # Errors
/// What is wrong with the file and in which line.
pub(super) fn read(text: &str, format: Format) -> Result<Vec<RawRow>, String> {
    match format {
        Format::Json => {
            let rows: Vec<JsonRow> =
                serde_json::from_str(text).map_err(|error| format!("as JSON, {error}"))?;
            Ok(rows.into_iter().map(|row| row.0).collect())
        }
        Format::Csv => read_csv(text),
    }
}

fn read_csv(text: &str) -> Result<Vec<RawRow>, String> {
    let refused = |error: csv::Error| format!("as CSV, {error}");
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let columns: Vec<Option<Column>> = reader.headers().map_err(refused)?.iter().map(Column::of).collect();
    if !columns.contains(&Some(Column::Title)) {
        return Err("line 1 of a CSV file must name the columns, and there is none called Title".to_owned());
    }
    reader
        .records()
        .map(|record| {
            let record = record.map_err(refused)?;
            if record.len() != columns.len() {
                let (has, named) = (record.len(), columns.len());
                return Ok(Err(format!("has {has} values for {named} columns")));
            }
            let mut cells = Cells::default();
            for (column, value) in columns.iter().zip(&record) {
                if let Some(column) = column {
                    cells.set(*column, Cell::from(value));
                }
            }
            Ok(Ok(cells))
        })
        .collect()
}

/// An element of the array. Keeps the columns that are read and skips the rest of the row unread.
struct JsonRow(RawRow);

impl<'de> Deserialize<'de> for JsonRow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RowVisitor).map(Self)
    }
}

struct RowVisitor;

impl RowVisitor {
    fn no_row<E>() -> Result<RawRow, E> {
        Ok(Err("is not a JSON object".to_owned()))
    }
}

impl<'de> Visitor<'de> for RowVisitor {
    type Value = RawRow;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawRow, A::Error> {
        let mut cells = Cells::default();
        while let Some(name) = map.next_key::<String>()? {
            match Column::of(&name) {
                Some(column) => cells.set(column, map.next_value::<Value>()?.into()),
                None => map.next_value::<IgnoredAny>().map(drop)?,
            }
        }
        Ok(Ok(cells))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<RawRow, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Self::no_row()
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<RawRow, E> {
        Self::no_row()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<RawRow, E> {
        Self::no_row()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<RawRow, E> {
        Self::no_row()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<RawRow, E> {
        Self::no_row()
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<RawRow, E> {
        Self::no_row()
    }

    fn visit_unit<E: Error>(self) -> Result<RawRow, E> {
        Self::no_row()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_where_their_numbers_say() {
        for (index, (column, name)) in COLUMNS.iter().enumerate() {
            assert_eq!((*column as usize, column.name()), (index, *name));
        }
    }

    #[test]
    fn both_formats_give_the_same_rows() {
        let json = r#"[{"Title": "Brazil", "Unknown": [1, {"a": 1e999}], "IMDB Rating": null}, {"Title": "A \"b\", c"}]"#;
        let csv = "IMDB Rating,Title,Unknown\n,Brazil,1\n,\"A \"\"b\"\", c\",2\n";
        let rows = read(json, Format::Json).unwrap();
        assert_eq!(rows, read(csv, Format::Csv).unwrap());
        assert_eq!(rows[1].as_ref().unwrap().get(Column::Title), &Cell::Text("A \"b\", c".to_owned()));
    }

    #[test]
    fn what_is_no_row_is_said_of_the_row_alone() {
        let rows = read(r#"[1, -1, 1.5, "a", null, true, [[]], {"Title": "Brazil"}]"#, Format::Json).unwrap();
        assert_eq!(rows.iter().filter(|row| row.is_err()).count(), 7);
        let rows = read("Title,Director\nBrazil\nBrazil,Terry Gilliam\n", Format::Csv).unwrap();
        assert_eq!(rows[0], Err("has 1 values for 2 columns".to_owned()));
        assert!(rows[1].is_ok());
    }

    #[test]
    fn a_file_that_cannot_be_read_is_refused_with_its_line() {
        for bad in ["", "[\n{\"Title\": }]", "{}", "[{\"Title\": \"Brazil\"}] 1", "[\"\\ud800\"]"] {
            assert!(read(bad, Format::Json).unwrap_err().contains(" line "), "{bad}");
        }
        assert!(read(&"[".repeat(100_000), Format::Json).unwrap_err().contains(" line "));
        for bad in ["", "Name,Year\nBrazil,1985\n"] {
            assert!(read(bad, Format::Csv).unwrap_err().starts_with("line 1 "), "{bad}");
        }
    }
}
