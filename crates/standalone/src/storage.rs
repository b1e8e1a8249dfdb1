//! Where the platform keeps its data: the folder, and the database of each service in it or in PostgreSQL.

use std::fmt;

use moviebooking_domain::clock::Clock;
use moviebooking_process::Database;
use moviebooking_sandbox_bank as sandbox;
use moviebooking_serve::StartError;
use moviebooking_store::{DatabaseUrl, Db, Migrations, PoolOptions};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{DataFolder, args::DataArgs};

/// Stands in the URL for the name of each database.
const SERVICE: &str = "{service}";

/// What the sandbox bank's database is called.
const BANK: &str = "bank";

/// The data folder, and where the databases are.
#[derive(Debug)]
pub struct Storage {
    folder: DataFolder,
    postgres: Option<Template>,
}

impl Storage {
    /// Looks at the URL and opens the folder; no database is opened yet.
    ///
    /// # Errors
    /// When the URL or the folder cannot be used; the URL is not repeated.
    pub fn open(args: &DataArgs) -> Result<Self, StartError> {
        let postgres = args.database_url.as_ref().map(Template::parse).transpose()?;
        Ok(Self { folder: DataFolder::open(&args.folder)?, postgres })
    }

    /// The folder, in which also a platform on PostgreSQL keeps what is no database.
    pub fn folder(&self) -> &DataFolder {
        &self.folder
    }

    /// The database of a service, brought up to date.
    ///
    /// # Errors
    /// When it cannot be opened, or belongs to a newer version of the program.
    pub(crate) async fn database(
        &self,
        service: &'static str,
        migrations: &Migrations,
        clock: &dyn Clock,
    ) -> Result<Db, StartError> {
        let (url, flag) = match &self.postgres {
            Some(template) => (template.of(service)?, "--database-url"),
            None => (DatabaseUrl::sqlite(self.folder.path().join(format!("{service}.db"))), "--data"),
        };
        let options = PoolOptions { application_name: service, max_connections: None };
        Database { url: &url, options, migrations, migrate: true, flag }.open(clock).await
    }

    /// The database of the sandbox bank, brought up to date.
    ///
    /// # Errors
    /// As [`database`](Self::database).
    pub(crate) async fn bank(&self, clock: &dyn Clock) -> Result<Db, StartError> {
        self.database(BANK, &sandbox::MIGRATIONS, clock).await
    }
}

/// The databases' place, for people.
impl fmt::Display for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.postgres {
            Some(template) => template.shown.fmt(f),
            None => self.folder.path().display().fmt(f),
        }
    }
}

/// The URL of all databases, with [`SERVICE`] in the place of their names.
#[derive(Debug)]
struct Template {
    text: SecretString,
    shown: DatabaseUrl,
}

impl Template {
    fn parse(text: &SecretString) -> Result<Self, StartError> {
        let url = text.expose_secret();
        if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
            return Err(refused(
                "it must start with postgres://; SQLite files are kept in the folder of --data",
            ));
        }
        let shown: DatabaseUrl = url.parse().map_err(refused)?;
        let database = shown.to_string();
        if !database.rsplit('/').next().is_some_and(|name| name.contains(SERVICE)) {
            return Err(refused(
                "every service has a database of its own: put {service} in the place of its name, as in \
                 postgres://USER:PASSWORD@HOST:PORT/{service}",
            ));
        }
        Ok(Self { text: text.clone(), shown })
    }

    /// Where the database of this name is.
    fn of(&self, name: &str) -> Result<DatabaseUrl, StartError> {
        self.text.expose_secret().replace(SERVICE, name).parse().map_err(refused)
    }
}

fn refused(why: impl fmt::Display) -> StartError {
    StartError::usage(format!("--database-url (MOVIEBOOKING_DATABASE_URL): {why}"))
}
