//! What can go wrong in a database, classified where it is raised.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use moviebooking_proto::{Problem, Reason};
use sqlx::error::{BoxDynError, DatabaseError};
use sqlx::postgres::PgDatabaseError;
use sqlx::sqlite::SqliteError;

/// An error of a statement or a transaction.
///
/// `Display` and `Debug` show the engine's message without its detail line, which holds values of the row.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A `UNIQUE` constraint or a primary key; ask with [`is_unique`](Self::is_unique).
    #[error("unique constraint {constraint} violated")]
    UniqueViolation {
        /// PostgreSQL's name for it, on both engines (see the crate's documentation).
        constraint: String,
        /// The engine's error.
        source: sqlx::Error,
    },
    /// A row refers to one that is not there, or is referred to by one that is.
    #[error("foreign key violated")]
    ForeignKeyViolation {
        /// The engine's error.
        source: sqlx::Error,
    },
    /// A `CHECK` does not hold.
    #[error("check {constraint} violated")]
    CheckViolation {
        /// Its name.
        constraint: String,
        /// The engine's error.
        source: sqlx::Error,
    },
    /// The transaction lost against another one (deadlock, serialization failure, a lock not had in time)
    /// and did nothing: the whole of it can be run again.
    #[error("the transaction gave way to another one")]
    Serialization {
        /// The engine's error.
        source: sqlx::Error,
    },
    /// The database cannot be reached, shuts down, or has no connection or space left.
    #[error("the database is unavailable")]
    Unavailable {
        /// The engine's error.
        source: sqlx::Error,
    },
    /// A value that no column can hold, which therefore comes from the request.
    #[error("value refused: {0}")]
    InvalidValue(&'static str),
    /// A statement that always has a row had none.
    #[error("a row was expected and there was none")]
    NoRow,
    /// A column is missing or does not hold what it should.
    #[error("column {column} cannot be read")]
    Corrupt {
        /// The column's name.
        column: String,
        /// What is wrong.
        source: BoxDynError,
    },
    /// Anything else: a fault in a statement or in the database.
    #[error("the statement failed")]
    Other {
        /// The engine's error.
        source: sqlx::Error,
    },
}

impl StoreError {
    /// Whether the unique constraint or primary key called `constraint` was violated. The name is the one
    /// PostgreSQL gives by default: `users_email_key`, `seat_claims_pkey`.
    pub fn is_unique(&self, constraint: &str) -> bool {
        matches!(self, Self::UniqueViolation { constraint: name, .. } if name == constraint)
    }

    /// The same for somebody else of those to whom the database was unavailable; nothing for any other error.
    pub(crate) fn unavailable_too(&self) -> Option<Self> {
        match self {
            Self::Unavailable { source } => {
                Some(Self::Unavailable { source: sqlx::Error::Protocol(source.to_string()) })
            }
            _ => None,
        }
    }

    /// What kind of error it is, for traces.
    pub(crate) fn class(&self) -> &'static str {
        match self {
            Self::UniqueViolation { .. } => "unique_violation",
            Self::ForeignKeyViolation { .. } => "foreign_key_violation",
            Self::CheckViolation { .. } => "check_violation",
            Self::Serialization { .. } => "serialization",
            Self::Unavailable { .. } => "unavailable",
            Self::InvalidValue(_) => "invalid_value",
            Self::NoRow => "no_row",
            Self::Corrupt { .. } => "corrupt",
            Self::Other { .. } => "other",
        }
    }

    /// The error and its causes in one line, for a log. It holds no value of a row.
    pub fn chain(&self) -> String {
        let mut line = self.to_string();
        let mut source = self.source();
        while let Some(error) = source {
            line.push_str(": ");
            line.push_str(&error.to_string());
            source = error.source();
        }
        line
    }
}

impl fmt::Debug for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreError({})", self.chain())
    }
}

/// What a failed statement means, before its error is wrapped.
enum Class {
    Unique(String),
    ForeignKey,
    Check(String),
    Serialization,
    Unavailable,
    InvalidValue,
    Other,
}

impl From<sqlx::Error> for StoreError {
    fn from(source: sqlx::Error) -> Self {
        match classify(&source) {
            Class::Unique(constraint) => Self::UniqueViolation { constraint, source },
            Class::ForeignKey => Self::ForeignKeyViolation { source },
            Class::Check(constraint) => Self::CheckViolation { constraint, source },
            Class::Serialization => Self::Serialization { source },
            Class::Unavailable => Self::Unavailable { source },
            Class::InvalidValue => Self::InvalidValue("it is too long, too large, or malformed"),
            Class::Other => Self::Other { source },
        }
    }
}

/// Whether the error means that the database or this connection to it is gone.
pub(crate) fn is_unavailable(error: &sqlx::Error) -> bool {
    matches!(classify(error), Class::Unavailable)
}

fn classify(error: &sqlx::Error) -> Class {
    match error {
        sqlx::Error::Database(error) => classify_database(error.as_ref()),
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => Class::Unavailable,
        _ => Class::Other,
    }
}

fn classify_database(error: &dyn DatabaseError) -> Class {
    if let Some(error) = error.try_downcast_ref::<PgDatabaseError>() {
        return classify_postgres(error);
    }
    if let Some(error) = error.try_downcast_ref::<SqliteError>() {
        return classify_sqlite(error);
    }
    Class::Other
}

/// By SQLSTATE: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn classify_postgres(error: &PgDatabaseError) -> Class {
    let constraint = || error.constraint().unwrap_or_default().to_owned();
    match error.code() {
        "23505" => Class::Unique(constraint()),
        "23503" => Class::ForeignKey,
        "23514" => Class::Check(constraint()),
        // serialization_failure, deadlock_detected, lock_not_available
        "40001" | "40P01" | "55P03" => Class::Serialization,
        // read_only_sql_transaction (a standby after a failover), query_canceled (statement_timeout),
        // idle_in_transaction_session_timeout
        "25006" | "57014" | "25P03" => Class::Unavailable,
        // data exceptions (a number or time out of range, a character that cannot be stored, a pattern that
        // ends in its escape) and program limits (an index entry that is too large): values cause them
        code if code.starts_with("22") || code.starts_with("54") => Class::InvalidValue,
        // connection, authorization, no such database, resources, shutdown, system errors
        code if ["08", "28", "3D", "53", "57P", "58"].iter().any(|class| code.starts_with(class)) => {
            Class::Unavailable
        }
        _ => Class::Other,
    }
}

/// By extended result code: <https://www.sqlite.org/rescode.html>.
fn classify_sqlite(error: &SqliteError) -> Class {
    let code = error.code().and_then(|code| code.parse::<u32>().ok()).unwrap_or_default();
    match code {
        // SQLITE_CONSTRAINT_UNIQUE; _PRIMARYKEY and _ROWID; _FOREIGNKEY; _CHECK
        2067 => Class::Unique(unique_name(error.message(), false)),
        1555 | 2579 => Class::Unique(unique_name(error.message(), true)),
        787 => Class::ForeignKey,
        275 => Class::Check(after_colon(error.message()).to_owned()),
        _ => match code & 0xff {
            // BUSY, LOCKED
            5 | 6 => Class::Serialization,
            // READONLY, IOERR, FULL, CANTOPEN
            8 | 10 | 13 | 14 => Class::Unavailable,
            // TOOBIG
            18 => Class::InvalidValue,
            _ => Class::Other,
        },
    }
}

fn after_colon(message: &str) -> &str {
    message.split_once(": ").map_or(message, |(_, rest)| rest)
}

/// `UNIQUE constraint failed: halls.theater_id, halls.name` is `halls_theater_id_name_key`; of a primary key
/// it is `halls_pkey`; an index on an expression is named as it is: `… failed: index 'users_email_key'`.
fn unique_name(message: &str, primary_key: bool) -> String {
    let columns = after_colon(message);
    if let Some(index) = columns.strip_prefix("index ") {
        return index.trim_matches('\'').to_owned();
    }
    let mut name = columns.split('.').next().unwrap_or_default().to_owned();
    if primary_key {
        return name + "_pkey";
    }
    for column in columns.split(", ") {
        name.push('_');
        name.push_str(column.split_once('.').map_or(column, |(_, column)| column));
    }
    name + "_key"
}

/// Whether `error` came of a transaction that can be run again. A `#[error(transparent)]` wrapper hides the
/// [`StoreError`] but not the engine's error behind it, so both are looked for.
pub(crate) fn is_serialization(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<StoreError>() {
            return matches!(error, StoreError::Serialization { .. });
        }
        if let Some(error) = error.downcast_ref::<sqlx::Error>() {
            return matches!(classify(error), Class::Serialization);
        }
        next = error.source();
    }
    false
}

/// What a caller may know. Logs what they may not: convert an error once, at the boundary.
impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::InvalidValue(reason) => Self::new(
                Reason::InvalidArgument,
                format!("The request holds a value that cannot be stored: {reason}."),
            ),
            StoreError::Unavailable { .. } => {
                tracing::warn!(error = error.chain(), "database unavailable");
                Self::unavailable("The database cannot be reached; try again in a second.")
            }
            StoreError::Serialization { .. } => {
                tracing::info!(error = error.chain(), "transaction gave way");
                Self::new(
                    Reason::Conflict,
                    "Another request changed the same thing at the same time; try again.",
                )
                .retry_after(Duration::from_secs(1))
            }
            _ => {
                tracing::error!(error = error.chain(), "database error");
                Self::internal()
            }
        }
    }
}

impl From<StoreError> for tonic::Status {
    fn from(error: StoreError) -> Self {
        Problem::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlite_names_constraints_as_postgresql_does() {
        for (message, primary_key, name) in [
            ("UNIQUE constraint failed: users.email", false, "users_email_key"),
            ("UNIQUE constraint failed: halls.theater_id, halls.name", false, "halls_theater_id_name_key"),
            ("UNIQUE constraint failed: seat_claims.showtime_id, seat_claims.seat", true, "seat_claims_pkey"),
            ("UNIQUE constraint failed: index 'users_email_lower_key'", false, "users_email_lower_key"),
        ] {
            assert_eq!(unique_name(message, primary_key), name);
        }
    }

    #[derive(Debug, thiserror::Error)]
    enum Service {
        #[error(transparent)]
        Transparent(#[from] StoreError),
        #[error("wrapped")]
        Wrapped(#[source] StoreError),
    }

    #[test]
    fn a_lost_connection_is_no_serialization_failure_however_wrapped() {
        let lost = || StoreError::from(sqlx::Error::PoolTimedOut);
        assert!(matches!(lost(), StoreError::Unavailable { .. }));
        assert!(!is_serialization(&lost()));
        assert!(!is_serialization(&Service::from(lost())));
        assert!(!is_serialization(&Service::Wrapped(lost())));
    }
}
