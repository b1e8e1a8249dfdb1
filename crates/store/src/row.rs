//! Rows of either engine, read by column name.

use std::fmt;

use jiff::Timestamp;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgRow, PgValueFormat, PgValueRef};
use sqlx::sqlite::{SqliteRow, SqliteValueRef};
use sqlx::{Column as _, Decode, Postgres, Row as _, Sqlite, TypeInfo as _, ValueRef as _};
use uuid::Uuid;

use crate::StoreError;
use crate::value::POSTGRES_EPOCH_MICROS;

/// One row of a result.
pub struct Row(Inner);

enum Inner {
    Postgres(PgRow),
    Sqlite(SqliteRow),
}

impl From<PgRow> for Row {
    fn from(row: PgRow) -> Self {
        Self(Inner::Postgres(row))
    }
}

impl From<SqliteRow> for Row {
    fn from(row: SqliteRow) -> Self {
        Self(Inner::Sqlite(row))
    }
}

impl Row {
    /// The value in the column called `column` (the name after `AS`, where there is one). The name is looked
    /// up in a table that is made once per prepared statement.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when there is no such column, it has another type, or it is NULL and `T` is
    /// not an `Option`.
    pub fn get<T: FromColumn>(&self, column: &str) -> Result<T, StoreError> {
        let raw = match &self.0 {
            Inner::Postgres(row) => row.try_get_raw(column).map(Column::Postgres),
            Inner::Sqlite(row) => row.try_get_raw(column).map(Column::Sqlite),
        };
        raw.map_err(BoxDynError::from)
            .and_then(T::from_column)
            .map_err(|source| StoreError::Corrupt { column: column.to_owned(), source })
    }
}

/// Shows the columns' names and not their values, which may be personal.
impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = match &self.0 {
            Inner::Postgres(row) => row.columns().iter().map(|column| column.name()).collect(),
            Inner::Sqlite(row) => row.columns().iter().map(|column| column.name()).collect(),
        };
        write!(f, "Row({})", names.join(", "))
    }
}

/// A value as it came from the database, for implementations of [`FromColumn`].
#[doc(hidden)]
pub enum Column<'r> {
    Postgres(PgValueRef<'r>),
    Sqlite(SqliteValueRef<'r>),
}

impl Column<'_> {
    fn is_null(&self) -> bool {
        match self {
            Self::Postgres(value) => value.is_null(),
            Self::Sqlite(value) => value.is_null(),
        }
    }

    /// The name of the value's type: the declared one on PostgreSQL, the stored one on SQLite.
    fn type_name(&self) -> String {
        match self {
            Self::Postgres(value) => value.type_info().name().to_owned(),
            Self::Sqlite(value) => value.type_info().name().to_owned(),
        }
    }
}

/// A type that [`Row::get`] can give: `bool`, `i64`, `i32`, `u32`, `String`, `Vec<u8>`, [`Uuid`],
/// [`Timestamp`], and `Option` of each.
pub trait FromColumn: Sized {
    /// Reads the value.
    #[doc(hidden)]
    fn from_column(column: Column<'_>) -> Result<Self, BoxDynError>;
}

impl<T: FromColumn> FromColumn for Option<T> {
    fn from_column(column: Column<'_>) -> Result<Self, BoxDynError> {
        if column.is_null() { Ok(None) } else { T::from_column(column).map(Some) }
    }
}

/// Decodes with sqlx after checking the type, which SQLite alone would convert in silence.
macro_rules! decode {
    ($column:expr, $rust:ty, $postgres:pat, $sqlite:pat) => {{
        let column = $column;
        let name = column.type_name();
        match column {
            Column::Postgres(value) if matches!(name.as_str(), $postgres) && !value.is_null() => {
                <$rust as Decode<'_, Postgres>>::decode(value)
            }
            Column::Sqlite(value) if matches!(name.as_str(), $sqlite) && !value.is_null() => {
                <$rust as Decode<'_, Sqlite>>::decode(value)
            }
            other => Err(unexpected(&other, &name, stringify!($rust))),
        }
    }};
}

fn unexpected(column: &Column<'_>, name: &str, wanted: &str) -> BoxDynError {
    if column.is_null() {
        format!("NULL where {wanted} was expected").into()
    } else {
        format!("{name} where {wanted} was expected").into()
    }
}

impl FromColumn for bool {
    fn from_column(column: Column<'_>) -> Result<Self, BoxDynError> {
        decode!(column, bool, "BOOL", "INTEGER" | "BOOLEAN")
    }
}

impl FromColumn for i64 {
    fn from_column(column: Column<'_>) -> Result<Self, BoxDynError> {
        if let Column::Postgres(value) = &column
            && value.type_info().name() == "INT4"
        {
            return decode!(column, i32, "INT4", "").map(Self::from);
        }
        decode!(column, i64, "INT8", "INTEGER")
    }
}

impl FromColumn for i32 {
    fn from_column(column: Column<'_>) -> Result<Self, BoxDynError> {
        Ok(Self::try_from(i64::from_column(column)?)?)
    }
}

impl FromColumn for u32 {
    fn from_column(column: Column<'_>) -> Result<Self, BoxDynError> {
        Ok(Self::try_from(i64::from_column(column)?)?)
    }
}

impl FromColumn for String {
    fn from_column(column: Column<'_>) -> Result<Self, BoxDynError> {
        decode!(column, String, "TEXT" | "VARCHAR" | "NAME", "TEXT")
    }
}

impl FromColumn for Vec<u8> {
    fn from_column(column: Column<'_>) -> Result<Self, BoxDynError> {
        decode!(column, Vec<u8>, "BYTEA", "BLOB")
    }
}

impl FromColumn for Uuid {
    fn from_column(column: Column<'_>) -> Result<Self, BoxDynError> {
        decode!(column, Uuid, "UUID", "BLOB")
    }
}

impl FromColumn for Timestamp {
    fn from_column(column: Column<'_>) -> Result<Self, BoxDynError> {
        let micros = match &column {
            Column::Postgres(value) if value.type_info().name() == "TIMESTAMPTZ" && !value.is_null() => {
                if value.format() != PgValueFormat::Binary {
                    return Err("a time came as text".into());
                }
                let bytes: [u8; 8] = value.as_bytes()?.try_into()?;
                // The largest i64 is PostgreSQL's 'infinity', which is no instant.
                i64::from_be_bytes(bytes).checked_add(POSTGRES_EPOCH_MICROS).ok_or("an infinite time")?
            }
            Column::Sqlite(_) => i64::from_column(column)?,
            other => return Err(unexpected(other, &column.type_name(), "Timestamp")),
        };
        // Not `from_microsecond`, which refuses the last second that a Timestamp can be.
        let nanoseconds = i32::try_from(micros.rem_euclid(1_000_000) * 1_000)?;
        Ok(Self::new(micros.div_euclid(1_000_000), nanoseconds)?)
    }
}
