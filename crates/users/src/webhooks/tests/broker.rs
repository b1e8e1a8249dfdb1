//! Events that come from a broker.

use std::{slice, sync::Arc};

use clap::Parser as _;
use moviebooking_domain::clock::Clock as _;
use moviebooking_events::{EventsArgs, Nats, Publish as _};
use moviebooking_launch::NatsServer;
use moviebooking_store::testing::TestDb;
use tokio_util::sync::CancellationToken;

use super::{
    World,
    receiver::{Answer, Receiver},
    ticket_issued,
};

/// A connection as a process makes it from its command line.
async fn connect(url: &str) -> Nats {
    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        events: EventsArgs,
    }
    let cli = Cli::parse_from(["users", "--nats-url", url]);
    Nats::connect(&cli.events.nats().unwrap().unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_published_to_a_broker_is_sent_once_by_whichever_replica_takes_it() {
    let database = TestDb::postgres(&crate::MIGRATIONS).await;
    let world = World::new(database.db().clone());
    let folder = tempfile::tempdir().unwrap();
    let server = NatsServer::start(folder.path()).unwrap();
    let receiver = Receiver::start(Answer::Status(200)).await;
    let webhook = world.hook(&receiver.url()).await;
    let stop = CancellationToken::new();
    let replicas: Vec<_> = (0..2)
        .map(|_| {
            let (webhooks, url, stop) = (world.webhooks.clone(), server.url(), stop.clone());
            tokio::spawn(async move {
                let nats = connect(&url).await;
                tokio::join!(webhooks.consume(Some(&nats), stop.clone()), webhooks.run_background(stop));
            })
        })
        .collect();
    let nats = Arc::new(connect(&server.url()).await);
    let events: Vec<_> = (0..20).map(|_| ticket_issued(world.clock.now())).collect();
    for event in &events {
        // Until the server is there; what was published already is known by its id.
        while nats.publish(slice::from_ref(event)).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        nats.publish(slice::from_ref(event)).await.unwrap();
    }
    receiver.has_received(20).await;
    stop.cancel();
    for replica in replicas {
        replica.await.unwrap();
    }
    let mut ids: Vec<_> =
        receiver.received().iter().map(|message| message.header("webhook-id").to_owned()).collect();
    ids.sort();
    let mut published: Vec<_> = events.iter().map(|event| event.id.clone()).collect();
    published.sort();
    assert_eq!(ids, published);
    assert!(receiver.received().iter().all(|message| message.is_signed_with(&webhook.secret)));
}
