//! What can be bound to a `$n` placeholder.

use jiff::Timestamp;
use sqlx::Arguments as _;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgHasArrayType, PgTypeInfo};
use sqlx::sqlite::SqliteArguments;
use sqlx::{Encode, Postgres, Type};
use uuid::Uuid;

use crate::StoreError;

/// Microseconds from 1970-01-01 to 2000-01-01, where PostgreSQL's binary timestamps begin.
pub(crate) const POSTGRES_EPOCH_MICROS: i64 = 946_684_800_000_000;

/// 0001-01-01T00:00:00Z in microseconds: the first instant that a protobuf `Timestamp` may name.
const FIRST_MICROS: i64 = -62_135_596_800_000_000;

/// A value for a placeholder. Made with `From`, so that [`Sql::bind`](crate::Sql::bind) takes natural types.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// NULL of a type, which PostgreSQL wants to know.
    Null(Kind),
    /// `BOOLEAN`; 0 or 1 on SQLite.
    Bool(bool),
    /// `BIGINT`.
    I64(i64),
    /// `TEXT`. A NUL character is refused with [`StoreError::InvalidValue`] on both engines, because
    /// PostgreSQL cannot store one.
    Text(String),
    /// `BYTEA`.
    Bytes(Vec<u8>),
    /// `UUID`; a blob of 16 bytes on SQLite.
    Uuid(Uuid),
    /// `TIMESTAMPTZ`; microseconds since 1970 UTC on SQLite. Digits below a microsecond are cut off; an
    /// instant before the year 1 is refused with [`StoreError::InvalidValue`].
    Time(Timestamp),
    /// An array of values of this type, for statements of PostgreSQL alone.
    List(Kind, Vec<Self>),
}

/// The type of a NULL, or of an array's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `BOOLEAN`
    Bool,
    /// `BIGINT`
    I64,
    /// `TEXT`
    Text,
    /// `BYTEA`
    Bytes,
    /// `UUID`
    Uuid,
    /// `TIMESTAMPTZ`
    Time,
}

/// A type whose `Option` can be bound as well.
pub trait Bindable: Into<Value> {
    /// The type of its NULL.
    const KIND: Kind;
}

macro_rules! bindable {
    ($($rust:ty => $kind:ident, $value:ident => $make:expr;)*) => {$(
        impl From<$rust> for Value {
            fn from($value: $rust) -> Self {
                $make
            }
        }
        impl Bindable for $rust {
            const KIND: Kind = Kind::$kind;
        }
    )*};
}

bindable! {
    bool => Bool, v => Value::Bool(v);
    i64 => I64, v => Value::I64(v);
    i32 => I64, v => Value::I64(i64::from(v));
    u32 => I64, v => Value::I64(i64::from(v));
    String => Text, v => Value::Text(v);
    &str => Text, v => Value::Text(v.to_owned());
    &String => Text, v => Value::Text(v.clone());
    Vec<u8> => Bytes, v => Value::Bytes(v);
    &[u8] => Bytes, v => Value::Bytes(v.to_vec());
    [u8; 32] => Bytes, v => Value::Bytes(v.to_vec());
    Uuid => Uuid, v => Value::Uuid(v);
    Timestamp => Time, v => Value::Time(v);
}

impl<T: Bindable> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null(T::KIND), Into::into)
    }
}

impl<T: Bindable> From<Vec<T>> for Value {
    fn from(values: Vec<T>) -> Self {
        Self::List(T::KIND, values.into_iter().map(Into::into).collect())
    }
}

/// Text as both engines can store it.
fn text(value: String) -> Result<String, StoreError> {
    if value.contains('\0') {
        return Err(StoreError::InvalidValue("text must not contain a NUL character"));
    }
    Ok(value)
}

/// Microseconds since 1970, cut towards zero.
fn micros(value: Timestamp) -> Result<i64, StoreError> {
    let micros = value.as_microsecond();
    if micros < FIRST_MICROS {
        return Err(StoreError::InvalidValue("a time must not lie before the year 1"));
    }
    Ok(micros)
}

/// PostgreSQL's binary `TIMESTAMPTZ`: microseconds since 2000-01-01 UTC, big-endian.
struct PgTime(i64);

impl PgTime {
    fn new(time: Timestamp) -> Result<Self, StoreError> {
        Ok(Self(micros(time)?.saturating_sub(POSTGRES_EPOCH_MICROS)))
    }
}

impl Type<Postgres> for PgTime {
    fn type_info() -> PgTypeInfo {
        // 1184 is the fixed object id of timestamptz (pg_type.dat).
        PgTypeInfo::with_oid(Oid(1184))
    }
}

impl PgHasArrayType for PgTime {
    fn array_type_info() -> PgTypeInfo {
        // 1185 is that of timestamptz[].
        PgTypeInfo::with_oid(Oid(1185))
    }
}

impl Encode<'_, Postgres> for PgTime {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(&self.0.to_be_bytes());
        Ok(IsNull::No)
    }
}

fn encode_error(source: impl Into<BoxDynError>) -> StoreError {
    StoreError::from(sqlx::Error::Encode(source.into()))
}

pub(crate) fn postgres_arguments(values: Vec<Value>) -> Result<PgArguments, StoreError> {
    let mut arguments = PgArguments::default();
    for value in values {
        match value {
            Value::Null(Kind::Bool) => arguments.add(None::<bool>),
            Value::Null(Kind::I64) => arguments.add(None::<i64>),
            Value::Null(Kind::Text) => arguments.add(None::<String>),
            Value::Null(Kind::Bytes) => arguments.add(None::<Vec<u8>>),
            Value::Null(Kind::Uuid) => arguments.add(None::<Uuid>),
            Value::Null(Kind::Time) => arguments.add(None::<PgTime>),
            Value::Bool(v) => arguments.add(v),
            Value::I64(v) => arguments.add(v),
            Value::Text(v) => arguments.add(text(v)?),
            Value::Bytes(v) => arguments.add(v),
            Value::Uuid(v) => arguments.add(v),
            Value::Time(v) => arguments.add(PgTime::new(v)?),
            Value::List(kind, values) => add_list(&mut arguments, kind, values)?,
        }
        .map_err(encode_error)?;
    }
    Ok(arguments)
}

/// Adds an array, whose elements may be NULL.
fn add_list(
    arguments: &mut PgArguments,
    kind: Kind,
    values: Vec<Value>,
) -> Result<Result<(), BoxDynError>, StoreError> {
    macro_rules! add {
        ($variant:ident, $value:ident => $make:expr) => {{
            let element = |value| match value {
                Value::$variant($value) => Ok(Some($make)),
                Value::Null(of) if of == kind => Ok(None),
                _ => Err(encode_error("an array has values of several types")),
            };
            arguments.add(values.into_iter().map(element).collect::<Result<Vec<_>, StoreError>>()?)
        }};
    }
    Ok(match kind {
        Kind::Bool => add!(Bool, v => v),
        Kind::I64 => add!(I64, v => v),
        Kind::Text => add!(Text, v => text(v)?),
        Kind::Bytes => add!(Bytes, v => v),
        Kind::Uuid => add!(Uuid, v => v),
        Kind::Time => add!(Time, v => PgTime::new(v)?),
    })
}

pub(crate) fn sqlite_arguments(values: Vec<Value>) -> Result<SqliteArguments, StoreError> {
    let mut arguments = SqliteArguments::default();
    for value in values {
        match value {
            Value::Null(_) => arguments.add(None::<i64>),
            Value::Bool(v) => arguments.add(v),
            Value::I64(v) => arguments.add(v),
            Value::Text(v) => arguments.add(text(v)?),
            Value::Bytes(v) => arguments.add(v),
            Value::Uuid(v) => arguments.add(v),
            Value::Time(v) => arguments.add(micros(v)?),
            Value::List(..) => Err("an array was bound to a statement for SQLite".into()),
        }
        .map_err(encode_error)?;
    }
    Ok(arguments)
}
