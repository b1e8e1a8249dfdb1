//! What whole-system tests share: a platform with the demo cinema on a port of its own, and clients for its protocols.
#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod furnish;
mod grpc;
mod load;
mod processes;
mod purchase;
mod rest;
mod system;

pub use furnish::{furnish, run, said};
pub use grpc::Grpc;
pub use load::Load;
pub use processes::{Processes, programs};
pub use purchase::{buy, buy_at_last};
pub use rest::{Answer, Rest};
pub use system::System;

/// A fresh idempotency key.
pub fn key() -> String {
    uuid::Uuid::now_v7().to_string()
}
