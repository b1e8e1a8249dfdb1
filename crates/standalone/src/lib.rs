//! Every service and the gateway in one process, on SQLite or PostgreSQL.
//!
//! Each service has a database of its own: a file in the data folder, or one in PostgreSQL. The services call each other directly, in memory, over the
//! same generated clients that separate processes use across the network; only the gateway listens.

pub mod args;
mod data_folder;
mod demo;
mod platform;
mod run;
mod storage;
mod welcome;

pub use data_folder::DataFolder;
pub use demo::{
    accounts::{Account, Accounts},
    seed,
};
pub use platform::Platform;
pub use run::run;
pub use storage::Storage;
