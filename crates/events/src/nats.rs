//! NATS JetStream: events as messages of one stream, with CloudEvents in binary mode (NATS protocol binding 1.0).
//!
//! A message's subject is the event's type, its body the event's data, its headers the other attributes. `Nats-Msg-Id` is
//! the event's id, by which the server drops what is published again within [`DUPLICATES`].

use std::{
    collections::HashSet,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use async_nats::{
    Client, ConnectOptions, HeaderMap, Message,
    connection::State,
    header::NATS_MESSAGE_ID,
    jetstream::{
        self,
        consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull},
        stream,
    },
};
use futures::{
    StreamExt as _,
    future::{BoxFuture, try_join_all},
};
use jiff::Timestamp;
use moviebooking_serve::StartError;
use secrecy::ExposeSecret as _;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{Event, NatsSettings, Publish, PublishError, config::Credentials};

/// The stream, which is made where it is missing. One that an operator made, with replicas for instance, is left as it is.
pub const STREAM: &str = "MOVIEBOOKING_EVENTS";

/// How long the stream keeps an event.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long the server knows an event again by its id.
const DUPLICATES: Duration = Duration::from_secs(10 * 60);
/// How long the server may take to acknowledge a message.
const ANSWER: Duration = Duration::from_secs(4);
/// How long a consumer may take for what it was given.
const WORK: Duration = Duration::from_secs(60);
/// Events that a consumer is given at once.
const CHUNK: usize = 100;
/// Before a consumer tries again.
const PAUSE: Duration = Duration::from_secs(1);

/// A connection to NATS, which is made anew whenever it breaks.
pub struct Nats {
    client: Client,
    context: jetstream::Context,
    /// Whether the stream was there when this process looked last.
    has_stream: AtomicBool,
}

impl Nats {
    /// Begins to connect; the servers need not run yet.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub async fn connect(settings: &NatsSettings) -> Result<Self, StartError> {
        let mut options = ConnectOptions::new()
            .name("moviebooking")
            .retry_on_initial_connect()
            .require_tls(settings.servers.iter().any(|server| server.scheme() == "tls"));
        options = match &settings.credentials {
            None => options,
            Some(Credentials::User(user, password)) => {
                options.user_and_password(user.clone(), password.expose_secret().to_owned())
            }
            Some(Credentials::File(text)) => options.credentials(text.expose_secret()).map_err(|_| {
                StartError::config("--nats-credentials-file: its JWT or its key cannot be read")
            })?,
        };
        if let Some(path) = &settings.authorities {
            options = options.add_root_certificates(path.clone());
        }
        let client = options
            .connect(settings.servers.as_slice())
            .await
            .map_err(|error| StartError::config(format!("NATS cannot be used: {error}")))?;
        let mut context = jetstream::new(client.clone());
        context.set_timeout(ANSWER);
        Ok(Self { client, context, has_stream: AtomicBool::new(false) })
    }

    /// The stream, made where it is missing.
    async fn stream(&self) -> Result<stream::Stream, PublishError> {
        let config = stream::Config {
            name: STREAM.to_owned(),
            description: Some("State changes of the Movie Booking Platform".to_owned()),
            subjects: vec!["moviebooking.>".to_owned()],
            max_age: KEPT,
            duplicate_window: DUPLICATES,
            storage: stream::StorageType::File,
            num_replicas: 1,
            ..Default::default()
        };
        self.context.get_or_create_stream(config).await.map_err(failed)
    }

    async fn publish_all(&self, events: &[Event]) -> Result<(), PublishError> {
        // A client that is not connected would keep messages and send them whenever it is again.
        if self.client.connection_state() != State::Connected {
            return Err(PublishError("NATS is not connected".into()));
        }
        if !self.has_stream.load(Ordering::Acquire) {
            self.stream().await?;
            self.has_stream.store(true, Ordering::Release);
        }
        for wave in waves(events) {
            let acknowledged = async {
                let mut waiting = Vec::with_capacity(wave.len());
                for event in wave {
                    let publish = self.context.publish_with_headers(
                        event.kind.clone(),
                        headers(event),
                        event.data.clone().into(),
                    );
                    waiting.push(publish.await.map_err(failed)?.into_future());
                }
                try_join_all(waiting).await.map_err(failed)
            };
            if let Err(error) = acknowledged.await {
                // Perhaps the stream is gone: look again before the next try.
                self.has_stream.store(false, Ordering::Release);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Gives each event of the stream at least once to `take`, which is to say whether it has acted on all that it was
    /// given, until `shutdown`. All processes that consume as `consumer` share its events.
    pub async fn consume<F: Future<Output = bool>>(
        &self,
        consumer: &str,
        take: impl Fn(Vec<Event>) -> F,
        shutdown: CancellationToken,
    ) {
        let work = async {
            let mut failing = false;
            loop {
                match self.consume_once(consumer, &take).await {
                    Ok(()) => failing = false,
                    Err(error) if failing => tracing::debug!(%error, "no events from NATS"),
                    Err(error) => {
                        failing = true;
                        tracing::warn!(%error, "no events from NATS; it is tried again");
                    }
                }
                sleep(PAUSE).await;
            }
        };
        shutdown.run_until_cancelled(work).await;
    }

    async fn consume_once<F: Future<Output = bool>>(
        &self,
        name: &str,
        take: &impl Fn(Vec<Event>) -> F,
    ) -> Result<(), PublishError> {
        let config = pull::Config {
            durable_name: Some(name.to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: WORK,
            deliver_policy: DeliverPolicy::All,
            ..Default::default()
        };
        let consumer: PullConsumer =
            self.stream().await?.get_or_create_consumer(name, config).await.map_err(failed)?;
        let messages = consumer.stream().max_messages_per_batch(CHUNK).messages().await.map_err(failed)?;
        let mut chunks = messages.ready_chunks(CHUNK);
        while let Some(chunk) = chunks.next().await {
            let chunk: Vec<_> = chunk.into_iter().collect::<Result<_, _>>().map_err(failed)?;
            let events: Vec<Event> = chunk.iter().filter_map(|message| read(&message.message)).collect();
            while !take(events.clone()).await {
                sleep(PAUSE).await;
            }
            for message in &chunk {
                message.ack().await.map_err(PublishError)?;
            }
        }
        Ok(())
    }
}

impl Publish for Nats {
    fn publish<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Result<(), PublishError>> {
        Box::pin(self.publish_all(events))
    }
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> PublishError {
    PublishError(Box::new(error))
}

/// Parts of the events, in order, each of which has at most one of a partition key: what is published before the one
/// before it is acknowledged could come to stand before it.
fn waves(events: &[Event]) -> Vec<Vec<&Event>> {
    let mut waves: Vec<(HashSet<&str>, Vec<&Event>)> = Vec::new();
    for event in events {
        let last = waves.iter().rposition(|(keys, _)| keys.contains(event.partition_key.as_str()));
        let wave = last.map_or(0, |last| last + 1);
        if wave == waves.len() {
            waves.push(Default::default());
        }
        if let Some((keys, wave)) = waves.get_mut(wave) {
            keys.insert(&event.partition_key);
            wave.push(event);
        }
    }
    waves.into_iter().map(|(_, wave)| wave).collect()
}

fn headers(event: &Event) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(NATS_MESSAGE_ID, event.id.as_str());
    for (attribute, value) in [
        ("ce-specversion", "1.0"),
        ("ce-id", &event.id),
        ("ce-source", &event.source()),
        ("ce-type", &event.kind),
        ("ce-subject", &event.subject),
        ("ce-time", &event.time.to_string()),
        ("ce-partitionkey", &event.partition_key),
        ("content-type", "application/json"),
    ] {
        headers.insert(attribute, value);
    }
    headers
}

/// The event of a message; `None` for a message that somebody else has put into the stream.
fn read(message: &Message) -> Option<Event> {
    let headers = message.headers.as_ref()?;
    let attribute = |name: &str| headers.get(name).map(|value| value.as_str().to_owned());
    Some(Event {
        id: attribute("ce-id")?,
        kind: attribute("ce-type")?,
        subject: attribute("ce-subject")?,
        partition_key: attribute("ce-partitionkey")?,
        time: attribute("ce-time")?.parse::<Timestamp>().ok()?,
        data: String::from_utf8(message.payload.to_vec()).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wave_has_one_event_of_a_key_and_the_waves_keep_the_order() {
        let event = |id: &str, key: &str| Event {
            id: id.to_owned(),
            kind: "moviebooking.movies.movie.created".to_owned(),
            subject: key.to_owned(),
            partition_key: key.to_owned(),
            time: Timestamp::UNIX_EPOCH,
            data: "{}".to_owned(),
        };
        let events = [event("1", "a"), event("2", "b"), event("3", "a"), event("4", "c"), event("5", "a")];
        let ids: Vec<Vec<&str>> =
            waves(&events).iter().map(|wave| wave.iter().map(|event| event.id.as_str()).collect()).collect();
        assert_eq!(ids, [vec!["1", "2", "4"], vec!["3"], vec!["5"]]);
    }
}
