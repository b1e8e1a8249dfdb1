//! The gateway in front of stand-ins for the services, over all three protocols.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod edges;
mod errors;
mod grpc;
mod grpc_web;
mod input;
mod platform;
mod rest;
mod stand_in;
mod stream;
