//! Accounts, login, roles and the keys that access tokens are signed with; and the webhooks, which send events to
//! programs outside of the platform.
//!
//! # Rules that hold everywhere
//! - Passwords are hashed with argon2id, off the async threads, a bounded number at once and a bounded number waiting.
//!   No fingerprint, log or stored answer is made of one.
//! - Every try at a password is counted before it is made, per account and per address, in the database, so that all
//!   replicas count together. An unknown e-mail is counted and hashed like a known one.
//! - A refresh token works once. Its second use revokes the whole session, without a time of grace (RFC 9700, section
//!   4.14.2): a client that lost the answer to a refresh signs in again.
//! - Whatever could leave the platform without an admin is decided under one lock.
//! - Stored answers to requests with an idempotency key hold the account's id alone: the account is read again for a
//!   replay, so that nothing personal outlives its deletion. What remains for a day is a digest of the request.
//! - Deleting an account erases all but its id, times and version.

mod account;
mod address;
mod attempts;
mod background;
mod config;
mod create_admin;
mod credentials;
mod email;
mod error;
mod grpc;
mod hasher;
mod keyring;
mod metrics;
mod password;
mod profile;
mod refresh_token;
mod register;
mod roles;
mod rotate_keys;
mod session;
mod store;
#[cfg(test)]
mod tests;
mod webhooks;

use std::sync::Arc;

use moviebooking_domain::clock::SharedClock;
use moviebooking_events::{LEASE_MIGRATION, outbox};
use moviebooking_proto::users::v1::{
    users_service_server::UsersServiceServer, webhooks_internal_server::WebhooksInternalServer,
    webhooks_service_server::WebhooksServiceServer,
};
use moviebooking_store::{Db, Migrations, idempotency, migration};
use tonic::service::Routes;

use crate::{attempts::Attempts, grpc::Grpc, hasher::Hasher, keyring::Keyring};

pub use config::Config;
pub use create_admin::CreateAdmin;
pub use rotate_keys::RotateKeys;
pub use webhooks::Webhooks;

/// The service's name: in service tokens and logs.
pub const NAME: &str = "users";

/// What the service's database consists of.
pub static MIGRATIONS: Migrations = Migrations::new(&[
    migration!(1, "migrations/0001_users.sql"),
    migration!(2, "migrations/0002_webhooks.sql"),
    idempotency::MIGRATION,
    LEASE_MIGRATION,
    outbox::MIGRATION,
]);

/// The users service; clone it freely.
#[derive(Clone)]
pub struct Service {
    db: Db,
    clock: SharedClock,
    attempts: Attempts,
    hasher: Arc<Hasher>,
    keyring: Arc<Keyring>,
    webhooks: Webhooks,
}

impl Service {
    /// The service on its migrated database.
    pub fn new(db: Db, clock: SharedClock, config: Config) -> Self {
        metrics::show();
        Self {
            attempts: Attempts::new(db.clone(), Arc::clone(&clock), &config),
            hasher: Arc::new(Hasher::new(&config)),
            keyring: Arc::new(Keyring::new(db.clone(), Arc::clone(&clock), &config)),
            webhooks: Webhooks::new(db.clone(), Arc::clone(&clock), &config),
            db,
            clock,
        }
    }

    /// The platform's own consumer of events.
    pub fn webhooks(&self) -> &Webhooks {
        &self.webhooks
    }

    /// Its RPCs, without the check of who may call them: see `moviebooking_auth::protect`.
    pub fn routes(&self) -> Routes {
        Routes::new(UsersServiceServer::new(Grpc::new(self.clone())))
            .add_service(WebhooksServiceServer::new(self.webhooks.clone()))
            .add_service(WebhooksInternalServer::new(self.webhooks.clone()))
    }
}
