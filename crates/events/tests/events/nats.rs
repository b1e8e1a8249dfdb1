//! Through a real NATS server, which is killed meanwhile.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use async_nats::jetstream::{self, consumer::pull};
use clap::Parser as _;
use futures::StreamExt as _;
use moviebooking_events::{EventsArgs, Nats, STREAM};
use moviebooking_launch::NatsServer;
use moviebooking_store::testing::TestDb;
use tokio_util::sync::CancellationToken;

use crate::world::{MIGRATIONS, Running, commit, until, version, waiting};

const HALLS: i32 = 8;
const VERSIONS: i32 = 40;

/// A connection as a process makes it from its command line.
async fn connect(url: &str) -> Nats {
    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        events: EventsArgs,
    }
    let cli = Cli::parse_from(["test", "--nats-url", url]);
    Nats::connect(&cli.events.nats().unwrap().unwrap()).await.unwrap()
}

/// All messages of the stream, in order.
async fn messages(url: &str) -> Vec<jetstream::Message> {
    let context = jetstream::new(async_nats::connect(url).await.unwrap());
    let mut stream = context.get_stream(STREAM).await.unwrap();
    let count = stream.info().await.unwrap().state.messages;
    let consumer = stream.create_consumer(pull::Config::default()).await.unwrap();
    let messages = consumer.messages().await.unwrap().take(usize::try_from(count).unwrap());
    messages.map(Result::unwrap).collect().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_out_of_order_when_the_server_is_killed() {
    moviebooking_serve::install_crypto_provider();
    let database = TestDb::postgres(&MIGRATIONS).await;
    let db = database.db();
    let folder = tempfile::tempdir().unwrap();
    let mut server = NatsServer::start(folder.path()).unwrap();
    let relays = [connect(&server.url()).await, connect(&server.url()).await];
    let relays = relays.map(|nats| Running::start(db, Arc::new(nats)));
    for version in 1..=VERSIONS {
        for hall in 1..=HALLS {
            commit(db, &format!("hall {hall}"), version).await;
        }
        match version {
            10 | 30 => {
                until("some are published", async || waiting(db).await < 20).await;
                server.kill().unwrap();
            }
            20 | 35 => server.restart().unwrap(),
            _ => {}
        }
    }
    until("everything is published", async || waiting(db).await == 0).await;
    for relay in relays {
        relay.stop().await;
    }

    let mut seen: HashMap<String, i64> = HashMap::new();
    let mut ids: HashMap<(String, i64), String> = HashMap::new();
    for message in messages(&server.url()).await {
        let headers = message.headers.as_ref().unwrap();
        let header = |name: &str| headers.get(name).unwrap_or_else(|| panic!("no {name}")).to_string();
        assert_eq!(message.subject.as_str(), "moviebooking.theaters.hall.layout_published");
        assert_eq!(header("ce-type"), message.subject.as_str());
        assert_eq!(
            (header("ce-specversion"), header("ce-source")),
            ("1.0".into(), "/moviebooking/theaters".into())
        );
        assert_eq!(header("Nats-Msg-Id"), header("ce-id"));
        assert_eq!(header("content-type"), "application/json");
        let data: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
        let (hall, version) = (header("ce-subject"), data["layoutVersion"].as_i64().unwrap());
        let before = ids.insert((hall.clone(), version), header("ce-id"));
        if let Some(before) = before {
            assert_eq!(before, header("ce-id"), "{hall} {version} is twice in the stream as two events");
            continue;
        }
        let last = seen.insert(hall.clone(), version).unwrap_or_default();
        assert_eq!(version, last + 1, "{hall}");
    }
    assert_eq!(ids.len(), usize::try_from(HALLS * VERSIONS).unwrap(), "of every event");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_is_given_every_event_also_those_it_could_not_take() {
    moviebooking_serve::install_crypto_provider();
    let database = TestDb::sqlite(&MIGRATIONS).await;
    let db = database.db();
    let folder = tempfile::tempdir().unwrap();
    let server = NatsServer::start(folder.path()).unwrap();
    let nats = Arc::new(connect(&server.url()).await);
    let relay = Running::start(db, nats.clone());
    for version in 1..=30 {
        commit(db, "hall", version).await;
    }
    let (taken, refused) = (std::sync::Mutex::new(HashSet::new()), std::sync::Mutex::new(0));
    let stop = CancellationToken::new();
    let take = |events: Vec<moviebooking_events::Event>| {
        let mut refused = refused.lock().unwrap();
        *refused += 1;
        let takes = *refused > 1;
        if takes {
            taken.lock().unwrap().extend(events.iter().map(version));
        }
        async move { takes }
    };
    let all = async {
        until("everything is taken", async || taken.lock().unwrap().len() == 30).await;
        stop.cancel();
    };
    tokio::join!(nats.consume("test", take, stop.clone()), all);
    relay.stop().await;
}
