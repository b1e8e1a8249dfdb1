//! State changes told to others: written in the transaction that makes them, published in order, at least once.
//!
//! A service writes what happened in the same transaction as the change itself: in the [`outbox`], or in a history of its
//! own that a [`Source`] reads. Its [`Relay`] gives what is committed to a [`Publish`]er: a NATS JetStream where one is
//! [configured](EventsArgs), else straight to the users service, whose webhooks are the platform's own consumer. What the
//! publisher has not acknowledged is given to it again: whoever acts on an event has to know it again by its id.
//!
//! The types of events and their data are messages in the services' `events.proto`.

mod catalogue;
mod config;
mod event;
mod lease;
mod nats;
pub mod outbox;
mod publish;
mod queue;
mod relay;

pub use catalogue::catalogue;
pub use config::{EventsArgs, NatsSettings};
pub use event::Event;
pub use lease::MIGRATION as LEASE_MIGRATION;
pub use nats::{Nats, STREAM};
pub use outbox::Outbox;
pub use publish::{Publish, PublishError, ToWebhooks};
pub use queue::Queue;
pub use relay::{Batch, Relay, Source};
