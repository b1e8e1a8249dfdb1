//! Events from the transaction that writes them to who is told: on both engines, and through a real NATS server.
#![cfg(test)]

mod nats;
mod outbox;
mod world;
