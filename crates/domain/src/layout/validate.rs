//! What a layout must be to be published.

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use super::{Category, Layout, Row, Seat, SeatKind};

/// Categories of a layout at most.
pub const MOST_CATEGORIES: usize = 20;
/// Rows of a layout at most.
pub const MOST_ROWS: usize = 100;
/// Seats of a row at most.
pub const MOST_SEATS_IN_ROW: usize = 200;
/// Seats of a layout at most.
pub const MOST_SEATS: usize = 2_000;
/// Of two seats' centres at least one coordinate differs by this much, in hundredths of a drawing unit.
pub const NEAREST: u32 = 50;

const LONGEST_DISPLAY_NAME: usize = 100;
const LONGEST_CATEGORY: usize = 50;
const LONGEST_LABEL: usize = 20;

/// What part of a layout is meant; written as its path: `rows[2].seats[5].label`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// The layout's name.
    DisplayName,
    /// The list of categories.
    Categories,
    /// A field of the category with this index.
    Category(usize, &'static str),
    /// The list of rows.
    Rows,
    /// A field of the row with this index.
    Row(usize, &'static str),
    /// A field of a seat: the row's index, the seat's, and the field.
    Seat(usize, usize, &'static str),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DisplayName => f.write_str("display_name"),
            Self::Categories => f.write_str("categories"),
            Self::Category(i, field) => write!(f, "categories[{i}].{field}"),
            Self::Rows => f.write_str("rows"),
            Self::Row(i, field) => write!(f, "rows[{i}].{field}"),
            Self::Seat(i, j, field) => write!(f, "rows[{i}].seats[{j}].{field}"),
        }
    }
}

/// Something in a layout that must be mended before it can be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What is wrong.
    pub field: Place,
    /// What to do about it. It repeats nothing of the layout's texts.
    pub fix: String,
    /// The field that it collides with, if it does.
    pub other: Option<Place>,
}

impl Violation {
    /// The path of the wrong field and the fix, for an error. `path` writes a place as the caller knows it: the layout
    /// may have come in another form.
    pub fn told(&self, path: impl Fn(Place) -> String) -> (String, String) {
        let fix = match self.other {
            Some(other) => format!("{}: see {}", self.fix, path(other)),
            None => self.fix.clone(),
        };
        (path(self.field), fix)
    }
}

impl Layout {
    /// How many seats there are.
    pub fn capacity(&self) -> usize {
        self.rows.iter().map(|row| row.seats.len()).sum()
    }

    /// Checks everything that a layout must be to be published. Takes time in proportion to the number of seats.
    ///
    /// # Errors
    /// All that is wrong, in the order of the layout; where the layout is too large, only that.
    pub fn validate(&self) -> Result<(), Vec<Violation>> {
        let mut found = Found(Vec::new());
        self.check_size(&mut found);
        if found.0.is_empty() {
            found.text(Place::DisplayName, &self.display_name, 0, LONGEST_DISPLAY_NAME);
            check_categories(&self.categories, &mut found);
            self.check_rows(&mut found);
        }
        if found.0.is_empty() { Ok(()) } else { Err(found.0) }
    }

    fn check_size(&self, found: &mut Found) {
        found.count(Place::Categories, self.categories.len(), MOST_CATEGORIES);
        found.count(Place::Rows, self.rows.len(), MOST_ROWS);
        for (i, row) in self.rows.iter().enumerate().take(MOST_ROWS) {
            found.count(Place::Row(i, "seats"), row.seats.len(), MOST_SEATS_IN_ROW);
        }
        if self.capacity() > MOST_SEATS {
            found.add(Place::Rows, format!("have at most {MOST_SEATS} seats in all"));
        }
    }

    fn check_rows(&self, found: &mut Found) {
        let categories: HashSet<&str> =
            self.categories.iter().map(|category| category.name.as_str()).collect();
        let mut kinds = HashMap::new();
        for seat in self.rows.iter().flat_map(|row| &row.seats) {
            // Of two with one label the first keeps it: the second is the one that is refused.
            kinds.entry(seat.label.as_str()).or_insert(seat.kind);
        }
        let mut row_labels = HashMap::new();
        let mut seat_labels = HashMap::new();
        let mut floor = Floor::default();
        for (i, row) in self.rows.iter().enumerate() {
            found.label(Place::Row(i, "label"), &row.label, &mut row_labels);
            check_order(i, row, found);
            for (j, seat) in row.seats.iter().enumerate() {
                found.label(Place::Seat(i, j, "label"), &seat.label, &mut seat_labels);
                if !categories.contains(seat.category.as_str()) {
                    found.add(Place::Seat(i, j, "category"), "use the name of one of the categories");
                }
                if let Some((row, other)) = floor.place(i, j, seat) {
                    let fix = format!("move it until x or y is at least {NEAREST} from the other seat's");
                    found.collision(Place::Seat(i, j, "x"), fix, Place::Seat(row, other, "x"));
                }
                check_companion(i, j, seat, &kinds, found);
            }
        }
    }
}

fn check_categories(categories: &[Category], found: &mut Found) {
    let mut names = HashMap::new();
    for (i, category) in categories.iter().enumerate() {
        let place = Place::Category(i, "name");
        found.text(place, &category.name, 1, LONGEST_CATEGORY);
        found.unique(place, &category.name, &mut names);
        let digits = category.color.strip_prefix('#').unwrap_or_default();
        if digits.len() != 6 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            found.add(Place::Category(i, "color"), "write it #rrggbb, in hexadecimal digits");
        }
    }
}

fn check_order(i: usize, row: &Row, found: &mut Found) {
    for (j, pair) in row.seats.windows(2).enumerate() {
        if pair[1].x < pair[0].x {
            found.add(
                Place::Seat(i, j + 1, "x"),
                "list the seats of a row from left to right, in the order of x",
            );
        }
    }
}

fn check_companion(i: usize, j: usize, seat: &Seat, kinds: &HashMap<&str, SeatKind>, found: &mut Found) {
    let place = Place::Seat(i, j, "companion_of");
    let of = seat.companion_of.as_str();
    match (seat.kind, of) {
        (SeatKind::Companion, "") => found.add(place, "name the wheelchair space that it belongs to"),
        (SeatKind::Companion, _) => match kinds.get(of) {
            Some(SeatKind::Wheelchair) => {}
            Some(_) => found.add(place, "name a WHEELCHAIR space: that seat is none"),
            None => found.add(place, "name a wheelchair space of this layout: it has no such seat"),
        },
        (_, "") => {}
        _ => found.add(place, "leave it empty: only a COMPANION has it"),
    }
}

/// Violations on their way.
struct Found(Vec<Violation>);

impl Found {
    fn add(&mut self, field: Place, fix: impl Into<String>) {
        self.0.push(Violation { field, fix: fix.into(), other: None });
    }

    fn collision(&mut self, field: Place, fix: String, other: Place) {
        self.0.push(Violation { field, fix, other: Some(other) });
    }

    fn count(&mut self, place: Place, count: usize, most: usize) {
        if !(1..=most).contains(&count) {
            self.add(place, format!("have 1 to {most} of them"));
        }
    }

    fn label<'a>(&mut self, place: Place, label: &'a str, seen: &mut HashMap<&'a str, Place>) {
        self.text(place, label, 1, LONGEST_LABEL);
        self.unique(place, label, seen);
    }

    fn unique<'a>(&mut self, place: Place, name: &'a str, seen: &mut HashMap<&'a str, Place>) {
        if let Some(first) = seen.get(name) {
            self.collision(place, "choose another one, this is taken".to_owned(), *first);
        } else {
            seen.insert(name, place);
        }
    }

    fn text(&mut self, place: Place, text: &str, least: usize, most: usize) {
        if text.chars().any(char::is_control) {
            self.add(place, "leave out control characters");
        } else if text.trim() != text {
            self.add(place, "leave out the white space around it");
        } else if !(least..=most).contains(&text.chars().take(most + 1).count()) {
            self.add(
                place,
                if least == 0 {
                    format!("use at most {most} characters")
                } else {
                    format!("use {least} to {most} characters")
                },
            );
        }
    }
}

/// The seats by squares of the floor as wide as seats must be apart, so that a square has one seat at most and only
/// nine squares can hold one that is too near.
#[derive(Default)]
struct Floor(HashMap<(i64, i64), (usize, usize, i32, i32)>);

impl Floor {
    /// Puts a seat down, unless another one is in the way: then that is returned, row and seat.
    fn place(&mut self, i: usize, j: usize, seat: &Seat) -> Option<(usize, usize)> {
        let square = |at: i32| i64::from(at).div_euclid(i64::from(NEAREST));
        let (column, line) = (square(seat.x), square(seat.y));
        for near_column in column - 1..=column + 1 {
            for near_line in line - 1..=line + 1 {
                if let Some(&(row, other, x, y)) = self.0.get(&(near_column, near_line))
                    && seat.x.abs_diff(x) < NEAREST
                    && seat.y.abs_diff(y) < NEAREST
                {
                    return Some((row, other));
                }
            }
        }
        self.0.insert((column, line), (i, j, seat.x, seat.y));
        None
    }
}

#[cfg(test)]
mod tests;
