//! A hall's seats: what a layout is, and who sits next to whom. `validate` says what a layout must be to be published.

mod adjacency;
mod validate;

pub use validate::{MOST_CATEGORIES, MOST_ROWS, MOST_SEATS, MOST_SEATS_IN_ROW, NEAREST, Place, Violation};

/// One immutable version of a hall's seats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Name of the version, for staff.
    pub display_name: String,
    /// What prices are given by.
    pub categories: Vec<Category>,
    /// Front to back.
    pub rows: Vec<Row>,
}

/// A price category.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Category {
    /// Unique in the layout.
    pub name: String,
    /// `#rrggbb`.
    pub color: String,
}

/// One row of seats, left to right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Unique in the layout.
    pub label: String,
    /// In the order of `x`.
    pub seats: Vec<Seat>,
}

/// What a seat is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SeatKind {
    /// An ordinary seat.
    Standard,
    /// A better one.
    Premium,
    /// A space for a wheelchair.
    Wheelchair,
    /// For who comes with the person in a wheelchair space.
    Companion,
}

/// One seat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Unique in the layout; names the seat everywhere.
    pub label: String,
    /// The name of one of the layout's categories.
    pub category: String,
    /// What it is.
    pub kind: SeatKind,
    /// Centre, hundredths of a drawing unit.
    pub x: i32,
    /// Centre, hundredths of a drawing unit.
    pub y: i32,
    /// On a companion seat, the label of its wheelchair space; empty on others.
    pub companion_of: String,
}
