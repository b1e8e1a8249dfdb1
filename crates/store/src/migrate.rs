//! Migrations: embedded SQL files, one for both engines.

use std::collections::HashMap;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, SqlSafeStr};

use crate::tx::Open;
use crate::{Db, Engine, StoreError, Tx, sql};

/// One file of SQL statements that is run once, in a transaction of its own.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Unique among the migrations of a database: 1 and up. From 9000 on they belong to crates that services share.
    pub version: i64,
    /// What it is about, for people.
    pub name: &'static str,
    /// Its statements, for both engines. What only an engine's own statements can say stands after the line
    /// `-- [postgres]` or `-- [sqlite]`, to the next such line.
    pub sql: &'static str,
}

/// Embeds a file, by its path from the crate's root: `migration!(1, "migrations/0001_accounts.sql")`.
#[macro_export]
macro_rules! migration {
    ($version:expr, $path:literal) => {
        $crate::Migration {
            version: $version,
            name: $path,
            sql: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $path)),
        }
    };
}

/// All migrations of a database, in the order in which they are run:
///
/// ```
/// # const ACCOUNTS: moviebooking_store::Migration = moviebooking_store::Migration { version: 1, name: "accounts", sql: "" };
/// use moviebooking_store::{Migrations, idempotency};
///
/// /// `migration!(1, "migrations/0001_accounts.sql")` in a service.
/// pub static MIGRATIONS: Migrations = Migrations::new(&[ACCOUNTS, idempotency::MIGRATION]);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Migrations(&'static [Migration]);

/// Why a database is not as this program needs it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// Not all migrations have been run.
    #[error(
        "{count} database migrations are pending, the first is {first}: start with --migrate to run them"
    )]
    Pending {
        /// How many.
        count: usize,
        /// The name of the first.
        first: &'static str,
    },
    /// A newer program has migrated this database.
    #[error(
        "the database has migration {version} ({name}), which this program does not know: \
         it was migrated by a newer version; run that version or restore a backup"
    )]
    Future {
        /// The unknown version.
        version: i64,
        /// Its name there.
        name: String,
    },
    /// A migration was run with another text than it has now.
    #[error(
        "migration {version} ({name}) was changed after it was run on this database: restore its text and add a new migration"
    )]
    Changed {
        /// Its version.
        version: i64,
        /// Its name.
        name: &'static str,
    },
    /// A migration failed; nothing of it is left.
    #[error("migration {version} ({name}) failed")]
    Failed {
        /// Its version.
        version: i64,
        /// Its name.
        name: &'static str,
        /// Why.
        source: StoreError,
    },
    /// The list of migrations cannot be read or written.
    #[error("the migrations of the database cannot be read")]
    Store(#[from] StoreError),
}

impl Migrations {
    /// The given ones.
    pub const fn new(migrations: &'static [Migration]) -> Self {
        Self(migrations)
    }

    /// Brings the database to this state when `migrate` is set, else refuses one that is in another.
    /// Processes that do it at the same time take turns. Returns how many were run.
    ///
    /// # Errors
    /// [`MigrateError`]
    pub async fn ensure(&self, db: &Db, migrate: bool, now: Timestamp) -> Result<usize, MigrateError> {
        let pending = self.pending(&applied(db).await?)?;
        match pending.as_slice() {
            [] => Ok(0),
            [first, ..] if !migrate => Err(MigrateError::Pending { count: pending.len(), first: first.name }),
            _ => self.run(db, now).await,
        }
    }

    async fn run(&self, db: &Db, now: Timestamp) -> Result<usize, MigrateError> {
        let mut count = 0;
        for migration in self.0 {
            let failed =
                |source| MigrateError::Failed { version: migration.version, name: migration.name, source };
            let mut tx = begin(db).await?;
            // Read again under the lock: another process may have run it in the meantime.
            let done = read(&mut tx).await?;
            if !self.pending(&done)?.iter().any(|pending| pending.version == migration.version) {
                continue;
            }
            let statements = AssertSqlSafe(statements(migration.sql, tx.engine()));
            run_script(&mut tx, statements).await.map_err(failed)?;
            sql(
                "INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES ($1, $2, $3, $4)",
            )
            .bind(migration.version)
            .bind(migration.name)
            .bind(checksum(migration))
            .bind(now)
            .execute(&mut tx)
            .await
            .map_err(failed)?;
            tx.commit().await.map_err(failed)?;
            tracing::info!(migration = migration.name, "migrated");
            count += 1;
        }
        Ok(count)
    }

    /// Those not yet run, after a look at those that were.
    fn pending(&self, applied: &[Applied]) -> Result<Vec<&'static Migration>, MigrateError> {
        let known: HashMap<i64, &'static Migration> =
            self.0.iter().map(|known| (known.version, known)).collect();
        for done in applied {
            let Some(known) = known.get(&done.version) else {
                return Err(MigrateError::Future { version: done.version, name: done.name.clone() });
            };
            if checksum(known).as_slice() != done.checksum {
                return Err(MigrateError::Changed { version: known.version, name: known.name });
            }
        }
        Ok(self.0.iter().filter(|known| !applied.iter().any(|done| done.version == known.version)).collect())
    }

    /// A digest of all texts, which names the state of a database.
    #[cfg(feature = "testing")]
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for migration in self.0 {
            hash.update(migration.version.to_be_bytes());
            hash.update(checksum(migration));
        }
        hash.finalize().into()
    }
}

struct Applied {
    version: i64,
    name: String,
    checksum: Vec<u8>,
}

fn checksum(migration: &Migration) -> [u8; 32] {
    Sha256::digest(migration.sql).into()
}

/// What was run, on a database that may never have seen a migration.
async fn applied(db: &Db) -> Result<Vec<Applied>, StoreError> {
    let exists = match db.engine() {
        Engine::Postgres => "SELECT to_regclass('schema_migrations') IS NOT NULL AS found",
        Engine::Sqlite => "SELECT COUNT(*) > 0 AS found FROM sqlite_master WHERE name = 'schema_migrations'",
    };
    if sql(exists).fetch_one(db).await?.get("found")? { read(db).await } else { Ok(Vec::new()) }
}

async fn read(on: impl Into<crate::Executor<'_>>) -> Result<Vec<Applied>, StoreError> {
    let rows =
        sql("SELECT version, name, checksum FROM schema_migrations ORDER BY version").fetch_all(on).await?;
    rows.iter()
        .map(|row| {
            Ok(Applied {
                version: row.get("version")?,
                name: row.get("name")?,
                checksum: row.get("checksum")?,
            })
        })
        .collect()
}

/// A transaction that excludes other migrators and may take its time.
async fn begin(db: &Db) -> Result<Tx, StoreError> {
    let mut tx = db.begin().await?;
    if tx.engine() == Engine::Postgres {
        run_script(&mut tx, "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0").await?;
    }
    tx.lock("schema_migrations", "").await?;
    run_script(
        &mut tx,
        "CREATE TABLE IF NOT EXISTS schema_migrations (
            version BIGINT NOT NULL PRIMARY KEY,
            name TEXT NOT NULL,
            checksum BYTEA NOT NULL,
            applied_at TIMESTAMPTZ NOT NULL
        )",
    )
    .await?;
    Ok(tx)
}

/// What of a migration's text is for this engine.
fn statements(text: &str, engine: Engine) -> String {
    let mut ours = true;
    let is_ours = |line: &&str| {
        match line.trim_end() {
            "-- [postgres]" => ours = engine == Engine::Postgres,
            "-- [sqlite]" => ours = engine == Engine::Sqlite,
            _ => {}
        }
        ours
    };
    text.split_inclusive('\n').filter(is_ours).collect()
}

/// Several statements without values.
async fn run_script(tx: &mut Tx, script: impl SqlSafeStr) -> Result<(), StoreError> {
    let script = sqlx::raw_sql(script);
    match tx.open() {
        Open::Postgres(tx) => script.execute(tx.connection()?).await.map(drop)?,
        Open::Sqlite(tx) => script.execute(&mut **tx).await.map(drop)?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_engine_has_its_own_statements_besides_the_common_ones() {
        let text = "A;\n-- [postgres]\nB;\nC;\n-- [sqlite]\nD;\n";
        assert_eq!(statements(text, Engine::Postgres), "A;\n-- [postgres]\nB;\nC;\n");
        assert_eq!(statements(text, Engine::Sqlite), "A;\n-- [sqlite]\nD;\n");
    }
}
