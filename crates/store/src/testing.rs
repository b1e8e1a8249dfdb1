//! A fresh database per test, on either engine.
//!
//! ```text
//! moviebooking_store::both_engines! {
//!     &crate::MIGRATIONS;
//!
//!     /// Makes the tests `a_name_is_unique::sqlite` and `a_name_is_unique::postgres`.
//!     async fn a_name_is_unique(db: Db) {
//!         …
//!     }
//! }
//! ```
#![expect(clippy::panic, reason = "a test that cannot have its database fails")]

use std::fmt::{Display, Write as _};
use std::path::Path;

use jiff::Timestamp;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};
use tempfile::TempDir;
use uuid::Uuid;

use crate::{DatabaseUrl, Db, Migrations, PoolOptions};

/// The URL of a PostgreSQL server where tests may create databases and roles.
const SERVER: &str = "MOVIEBOOKING_TEST_POSTGRES_URL";

const OPTIONS: PoolOptions = PoolOptions { application_name: "test", max_connections: Some(20) };

/// A database that lives as long as this.
#[derive(Debug)]
pub struct TestDb {
    db: Db,
    url: DatabaseUrl,
    home: Home,
}

#[derive(Debug)]
enum Home {
    Sqlite(TempDir),
    Postgres { name: String },
}

impl TestDb {
    /// A migrated database in a temporary folder.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn sqlite(migrations: &Migrations) -> Self {
        let folder = TempDir::new().unwrap_or_else(|error| fail("cannot make a temporary folder", error));
        let url = DatabaseUrl::sqlite(folder.path().join("test.db"));
        let db = open(&url, migrations).await;
        Self { db, url, home: Home::Sqlite(folder) }
    }

    /// A database of its own on the server that `MOVIEBOOKING_TEST_POSTGRES_URL` names: a copy of one that is
    /// migrated once per set of migrations and stays on the server.
    ///
    /// # Panics
    /// When the variable is not set or the database cannot be made.
    pub async fn postgres(migrations: &Migrations) -> Self {
        let template = template(migrations).await;
        let name = format!("mbtest_{}", Uuid::new_v4().simple());
        let mut server = server().await;
        execute(&mut server, format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
        let url = url_of(&name);
        let db = connect(&url).await;
        Self { db, url, home: Home::Postgres { name } }
    }

    /// The handle.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// Its address, for a process of its own.
    pub fn url(&self) -> &DatabaseUrl {
        &self.url
    }

    /// The folder of an SQLite database.
    pub fn folder(&self) -> Option<&Path> {
        match &self.home {
            Home::Sqlite(folder) => Some(folder.path()),
            Home::Postgres { .. } => None,
        }
    }
}

impl Drop for TestDb {
    /// Drops the database on the server, in a thread, because the test's own runtime may be ending.
    fn drop(&mut self) {
        let Home::Postgres { name } = &self.home else { return };
        let drop_database = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        let done = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut server = server().await;
                server.execute(AssertSqlSafe(drop_database)).await.map(drop).map_err(std::io::Error::other)
            })
        })
        .join();
        if !matches!(done, Ok(Ok(()))) {
            tracing::warn!(database = name, "test database not dropped");
        }
    }
}

fn fail(what: &str, error: impl Display) -> ! {
    panic!("{what}: {error}")
}

fn server_url() -> String {
    std::env::var(SERVER).unwrap_or_else(|_unset| {
        panic!("{SERVER} is not set: give the URL of a PostgreSQL 15+ server whose user may create databases and roles, as in postgres://postgres@127.0.0.1:5432/postgres")
    })
}

fn server_options() -> PgConnectOptions {
    server_url().parse().unwrap_or_else(|error: sqlx::Error| fail(SERVER, error))
}

async fn server() -> PgConnection {
    let options = server_options().disable_statement_logging();
    PgConnection::connect_with(&options).await.unwrap_or_else(|error| fail(SERVER, error))
}

/// The server's URL with another database.
fn url_of(database: &str) -> DatabaseUrl {
    let url = server_options().database(database).to_url_lossy();
    url.as_str().parse().unwrap_or_else(|error| fail(SERVER, error))
}

async fn connect(url: &DatabaseUrl) -> Db {
    Db::connect(url, &OPTIONS)
        .await
        .unwrap_or_else(|error| fail("cannot open the test database", chain(&error)))
}

async fn open(url: &DatabaseUrl, migrations: &Migrations) -> Db {
    let db = connect(url).await;
    if let Err(error) = migrations.ensure(&db, true, Timestamp::UNIX_EPOCH).await {
        fail("cannot migrate the test database", chain(&error));
    }
    db
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

async fn execute(server: &mut PgConnection, statement: String) {
    if let Err(error) = server.execute(AssertSqlSafe(statement)).await {
        fail("the test server refuses a statement", error);
    }
}

/// The name of a migrated database to copy, which is made by whoever needs it first.
async fn template(migrations: &Migrations) -> String {
    let fingerprint = migrations.fingerprint();
    let mut name = "mbtemplate_".to_owned();
    for byte in &fingerprint[..8] {
        let _ = write!(name, "{byte:02x}");
    }
    let mut server = server().await;
    // Held until this connection closes; one template at a time.
    execute(&mut server, "SELECT pg_advisory_lock(hashtext('mbtemplate'))".to_owned()).await;
    let found = server
        .fetch_optional(AssertSqlSafe(format!("SELECT 1 FROM pg_database WHERE datname = '{name}'")))
        .await
        .unwrap_or_else(|error| fail("the test server refuses a statement", error));
    if found.is_none() {
        // Renamed when it is complete, so that nobody copies a half of it.
        let draft = format!("{name}_draft");
        execute(&mut server, format!("DROP DATABASE IF EXISTS {draft} WITH (FORCE)")).await;
        execute(&mut server, format!("CREATE DATABASE {draft}")).await;
        open(&url_of(&draft), migrations).await.close().await;
        execute(&mut server, format!("ALTER DATABASE {draft} RENAME TO {name}")).await;
    }
    if let Err(error) = server.close().await {
        fail("the test server", error);
    }
    name
}

/// Makes of each `async fn name(db: Db) { … }` two tests, `name::sqlite` and `name::postgres`, each with a
/// database of its own that has the given migrations. The crate that uses it needs `tokio`.
#[macro_export]
macro_rules! both_engines {
    ($migrations:expr; $($(#[$meta:meta])* async fn $name:ident($db:ident : Db) $body:block)+) => {$(
        $(#[$meta])*
        #[cfg(test)]
        mod $name {
            #[allow(unused_imports, clippy::allow_attributes, reason = "not every body uses what is outside")]
            use super::*;

            async fn body($db: $crate::Db) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                let database = $crate::testing::TestDb::sqlite($migrations).await;
                body(database.db().clone()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                let database = $crate::testing::TestDb::postgres($migrations).await;
                body(database.db().clone()).await;
            }
        }
    )+};
}
