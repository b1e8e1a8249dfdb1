//! Every service and the gateway in one process, on SQLite.
//!
//! One data folder holds a database file for each service. The services call each other directly, in memory, over the
//! same generated clients that separate processes use across the network; only the gateway listens.

pub mod args;
mod data_folder;
mod demo;
mod platform;
mod run;
mod welcome;

pub use data_folder::DataFolder;
pub use demo::{
    accounts::{Account, Accounts},
    seed,
};
pub use platform::Platform;
pub use run::run;
