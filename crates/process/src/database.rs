//! From a URL to a database that this program may use.

use std::{convert::Infallible, error::Error};

use moviebooking_domain::clock::Clock;
use moviebooking_serve::StartError;
use moviebooking_store::{ConnectError, DatabaseUrl, Db, MigrateError, Migrations, PoolOptions, StoreError};
use secrecy::SecretString;

/// A database to be opened.
#[derive(Debug)]
pub struct Database<'a> {
    /// Where it is.
    pub url: &'a DatabaseUrl,
    /// How to pool connections; the application's name is also what errors call the database.
    pub options: PoolOptions,
    /// What it must look like.
    pub migrations: &'a Migrations,
    /// Whether to run migrations that are pending, instead of refusing the database.
    pub migrate: bool,
    /// How a person chooses another: `--database-url`.
    pub flag: &'a str,
}

impl Database<'_> {
    /// Connects and looks at the migrations.
    ///
    /// # Errors
    /// When the database is down (69), a file cannot be written (73), or its migrations are not those of this program
    /// (78).
    pub async fn open(self, clock: &dyn Clock) -> Result<Db, StartError> {
        let name = self.options.application_name;
        let db = Db::connect(self.url, &self.options).await.map_err(|error| match &error {
            ConnectError::File { path, source } => StartError::cannot_create(path, self.flag, source),
            _ => StartError::unavailable(format!("{} ({})", with_causes(&error), self.flag)),
        })?;
        self.migrations.ensure(&db, self.migrate, clock.now()).await.map_err(|error| {
            let text = format!("the database of {name} cannot be used: {}", with_causes(&error));
            match &error {
                MigrateError::Store(source) | MigrateError::Failed { source, .. } if is_gone(source) => {
                    StartError::unavailable(text)
                }
                _ => StartError::config(text),
            }
        })?;
        Ok(db)
    }
}

/// Takes any text as the URL of a database: clap repeats what it refuses, and it may hold a password.
///
/// # Errors
/// None.
pub fn secret_url(text: &str) -> Result<SecretString, Infallible> {
    Ok(SecretString::from(text))
}

fn is_gone(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable { .. })
}

/// The error and what caused it, in one line.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
