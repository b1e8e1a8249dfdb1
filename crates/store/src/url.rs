//! The address of a database, with its password kept out of sight.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;

use crate::Engine;

/// Where a database is: `postgres://USER:PASSWORD@HOST:PORT/NAME` or `sqlite:PATH`.
///
/// `Debug` and `Display` show everything but the password and the parameters after `?`.
#[derive(Clone)]
pub struct DatabaseUrl(Place);

#[derive(Clone)]
pub(crate) enum Place {
    Postgres { url: SecretString, shown: String },
    Sqlite { path: PathBuf },
}

/// Why a text is not a [`DatabaseUrl`]. Never repeats the text, which may hold a password.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DatabaseUrlError {
    /// Neither of the known schemes.
    #[error("database URL: it must start with postgres://, postgresql:// or sqlite:")]
    Scheme,
    /// `sqlite:` with nothing behind it, or an in-memory database.
    #[error("database URL: sqlite: needs the path of a file, as in sqlite:data/users.db")]
    SqlitePath,
    /// Parameters behind a file name.
    #[error("database URL: sqlite: takes a path and no parameters; remove everything from the '?' on")]
    SqliteParameters,
    /// What stands behind `postgres://` cannot be understood.
    #[error("database URL: not of the form postgres://USER:PASSWORD@HOST:PORT/NAME ({0})")]
    Postgres(String),
}

impl DatabaseUrl {
    /// The SQLite database in the file at `path`, which is created when it does not exist.
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self(Place::Sqlite { path: path.into() })
    }

    /// Which engine it names.
    pub fn engine(&self) -> Engine {
        match self.0 {
            Place::Postgres { .. } => Engine::Postgres,
            Place::Sqlite { .. } => Engine::Sqlite,
        }
    }

    /// The file of an SQLite database.
    pub fn sqlite_path(&self) -> Option<&Path> {
        match &self.0 {
            Place::Postgres { .. } => None,
            Place::Sqlite { path } => Some(path),
        }
    }

    pub(crate) fn place(&self) -> &Place {
        &self.0
    }
}

impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || path.starts_with(':') {
                return Err(DatabaseUrlError::SqlitePath);
            }
            if path.contains('?') {
                return Err(DatabaseUrlError::SqliteParameters);
            }
            return Ok(Self::sqlite(path));
        }
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(DatabaseUrlError::Scheme);
        }
        let options = postgres_options(text)?;
        let shown = format!(
            "postgres://{}@{}:{}/{}",
            options.get_username(),
            options.get_host(),
            options.get_port(),
            options.get_database().unwrap_or_default()
        );
        Ok(Self(Place::Postgres { url: SecretString::from(text), shown }))
    }
}

/// Parses a PostgreSQL URL; the reason of an error speaks of the form alone.
pub(crate) fn postgres_options(url: &str) -> Result<PgConnectOptions, DatabaseUrlError> {
    PgConnectOptions::from_str(url).map_err(|error| match error {
        sqlx::Error::Configuration(source) => DatabaseUrlError::Postgres(source.to_string()),
        _ => DatabaseUrlError::Postgres("invalid".to_owned()),
    })
}

impl Place {
    pub(crate) fn postgres(url: &SecretString) -> Result<PgConnectOptions, DatabaseUrlError> {
        postgres_options(url.expose_secret())
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Postgres { shown, .. } => f.write_str(shown),
            Place::Sqlite { path } => write!(f, "sqlite:{}", path.display()),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_never_shown() {
        let url: DatabaseUrl =
            "postgres://ann:hunter2@db.example:5433/movies?sslmode=require".parse().unwrap();
        assert_eq!(url.to_string(), "postgres://ann@db.example:5433/movies");
        assert!(!format!("{url:?}").contains("hunter2"));
        assert_eq!(url.engine(), Engine::Postgres);
    }

    #[test]
    fn sqlite_takes_relative_and_absolute_paths() {
        for (text, path) in [
            ("sqlite:data/users.db", "data/users.db"),
            ("sqlite:/var/lib/users.db", "/var/lib/users.db"),
            ("sqlite:///var/lib/users.db", "/var/lib/users.db"),
        ] {
            let url: DatabaseUrl = text.parse().unwrap();
            assert_eq!(url.sqlite_path(), Some(Path::new(path)), "{text}");
        }
    }

    #[test]
    fn bad_urls_are_refused_without_repeating_them() {
        for (text, expected) in [
            ("", DatabaseUrlError::Scheme),
            ("mysql://a:hunter2@b/c", DatabaseUrlError::Scheme),
            ("hunter2", DatabaseUrlError::Scheme),
            ("sqlite:", DatabaseUrlError::SqlitePath),
            ("sqlite::memory:", DatabaseUrlError::SqlitePath),
            ("sqlite:a.db?mode=rwc", DatabaseUrlError::SqliteParameters),
        ] {
            assert_eq!(text.parse::<DatabaseUrl>().unwrap_err(), expected, "{text}");
        }
        let error = "postgres://ann:hunter2@host:notaport/x".parse::<DatabaseUrl>().unwrap_err();
        assert!(matches!(error, DatabaseUrlError::Postgres(_)));
        assert!(!error.to_string().contains("hunter2"));
    }
}
