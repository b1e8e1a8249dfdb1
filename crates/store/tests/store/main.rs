//! Every operation of the crate on both engines.

#[cfg(test)]
mod batches;
#[cfg(test)]
mod concurrency;
#[cfg(test)]
mod connections;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod idempotency;
#[cfg(test)]
mod migrations;
#[cfg(test)]
mod observe;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod url;
#[cfg(test)]
mod values;

use moviebooking_store::{Migration, Migrations, migration};

/// The first migration.
pub(crate) const THINGS: Migration = migration!(1, "tests/store/migrations/0001_things.sql");

/// The tables of these tests.
pub(crate) static MIGRATIONS: Migrations =
    Migrations::new(&[THINGS, moviebooking_store::idempotency::MIGRATION]);
