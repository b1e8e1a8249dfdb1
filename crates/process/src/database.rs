//! From a URL to a database that this program may use.

use std::{convert::Infallible, error::Error, fmt::Display, path::PathBuf, sync::Arc};

use moviebooking_domain::clock::{Clock, SystemClock};
use moviebooking_serve::{
    StartError,
    files::{Named, kept_current},
};
use moviebooking_store::{ConnectError, DatabaseUrl, Db, MigrateError, Migrations, PoolOptions, StoreError};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::watch;

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
    /// When the database is down or others are in the way (69), a file cannot be written (73), or its migrations are not those of this program
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
                MigrateError::Store(source) | MigrateError::Failed { source, .. } if may_pass(source) => {
                    StartError::unavailable(text)
                }
                _ => StartError::config(text),
            }
        })?;
        Ok(db)
    }
}

/// Settings of a process for its database.
#[derive(Debug, Clone, clap::Args)]
pub struct DatabaseArgs {
    /// Database: postgres://USER:PASSWORD@HOST:PORT/NAME or sqlite:PATH. Set one with a password in the
    /// environment, where `ps` does not show it, or in a file: --database-url-file.
    #[arg(long, env = "MOVIEBOOKING_DATABASE_URL", hide_env_values = true, value_name = "URL", value_parser = secret_url)]
    database_url: Option<SecretString>,
    /// File with the database's URL; read again when it changes, so that a password can be changed while the service
    /// runs.
    #[arg(long, env = "MOVIEBOOKING_DATABASE_URL_FILE", value_name = "FILE")]
    database_url_file: Option<PathBuf>,
    /// Most connections to the database at once [default: 12 to PostgreSQL, 4 readers of SQLite].
    #[arg(long, env = "MOVIEBOOKING_DATABASE_POOL_SIZE", value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    database_pool_size: Option<u32>,
    /// Run pending migrations at start, instead of refusing to start.
    #[arg(long, env = "MOVIEBOOKING_MIGRATE")]
    migrate: bool,
}

/// Where a database is, and from where on it is somewhere else.
pub type DatabaseUrls = watch::Receiver<Arc<DatabaseUrl>>;

impl DatabaseArgs {
    /// The URL from the one place that is set, and its successors where that is a file.
    ///
    /// # Errors
    /// When none is set or both, the file cannot be read, or it is none; the URL is not repeated.
    pub async fn urls(&self) -> Result<DatabaseUrls, StartError> {
        match (&self.database_url, &self.database_url_file) {
            (Some(url), None) => {
                let url = parse("--database-url", url.expose_secret())?;
                Ok(watch::channel(Arc::new(url)).1)
            }
            (None, Some(path)) => {
                let file = Named::new("--database-url-file", path);
                kept_current(vec![file], |files| match files {
                    [file] => parse(file.file(), &String::from_utf8_lossy(file.bytes())),
                    _ => Err(StartError::software("a database's URL is one file")),
                })
                .await
            }
            (None, None) => Err(StartError::usage(
                "the service has no database: set MOVIEBOOKING_DATABASE_URL, or --database-url-file (variable \
                 MOVIEBOOKING_DATABASE_URL_FILE) to a file with its URL",
            )),
            (Some(_), Some(_)) => Err(StartError::usage(
                "the database is given twice: set either MOVIEBOOKING_DATABASE_URL or --database-url-file",
            )),
        }
    }

    /// The database of the process `name`, whose connections follow the URLs.
    ///
    /// # Errors
    /// When it cannot be used.
    pub async fn open(
        &self,
        name: &'static str,
        urls: &DatabaseUrls,
        migrations: &Migrations,
    ) -> Result<Db, StartError> {
        let url = Arc::clone(&urls.borrow());
        let db = self.database(name, "--database-url", &url, migrations).open(&SystemClock).await?;
        db.follow(urls.clone(), self.pool_options(name));
        Ok(db)
    }

    /// Runs the migrations that are pending on a database of the process `name`, that was chosen with `flag`.
    ///
    /// # Errors
    /// When it cannot be used.
    pub(crate) async fn migrate(
        &self,
        name: &'static str,
        flag: &str,
        url: &DatabaseUrl,
        migrations: &Migrations,
    ) -> Result<(), StartError> {
        let database = Database { migrate: true, ..self.database(name, flag, url, migrations) };
        database.open(&SystemClock).await?.close().await;
        Ok(())
    }

    /// Another database that is used in the same way.
    pub(crate) fn database<'a>(
        &self,
        name: &'static str,
        flag: &'a str,
        url: &'a DatabaseUrl,
        migrations: &'a Migrations,
    ) -> Database<'a> {
        Database { url, options: self.pool_options(name), migrations, migrate: self.migrate, flag }
    }

    /// How to pool connections; `application_name` is what PostgreSQL shows in `pg_stat_activity`.
    fn pool_options(&self, application_name: &'static str) -> PoolOptions {
        PoolOptions { application_name, max_connections: self.database_pool_size }
    }
}

fn parse(place: impl Display, url: &str) -> Result<DatabaseUrl, StartError> {
    // Files end with a line break that nobody means.
    url.trim().parse().map_err(|error| StartError::usage(format!("{place}: {error}")))
}

/// Takes any text as the URL of a database: clap repeats what it refuses, and it may hold a password.
///
/// # Errors
/// None.
pub fn secret_url(text: &str) -> Result<SecretString, Infallible> {
    Ok(SecretString::from(text))
}

/// Whether it may be gone the next time: the database was down, or others held what was to be changed.
fn may_pass(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable { .. } | StoreError::Serialization { .. })
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
