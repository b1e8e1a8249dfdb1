//! Events to programs outside of the platform, after the Standard Webhooks specification.
//!
//! Taking an event writes a row for each webhook that asks for it: from then on it is not lost. Every replica sends what is
//! due, a few at a time for each webhook, so that one that is slow keeps no other waiting. The rows are the log as well.

mod delivery;
mod grpc;
mod intake;
mod reach;
mod secret;
mod send;
mod store;
#[cfg(test)]
mod tests;
mod webhook;
mod worker;

use std::sync::Arc;

use moviebooking_domain::clock::SharedClock;
use moviebooking_store::Db;
use tokio::sync::Notify;

use crate::Config;
use send::Sender;

/// The webhooks; a clone is a handle on the same.
#[derive(Clone)]
pub struct Webhooks {
    db: Db,
    clock: SharedClock,
    sender: Sender,
    /// Wakes who sends when this process has taken an event.
    taken: Arc<Notify>,
}

impl Webhooks {
    pub(crate) fn new(db: Db, clock: SharedClock, config: &Config) -> Self {
        Self { db, clock, sender: Sender::new(config.webhooks_allow_local), taken: Arc::default() }
    }
}
