//! Nothing of the operator's holds up an end for ever: not that of a namespace, nor that of a claim whose database cannot be
//! removed.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use k8s_openapi::api::{
    apps::v1::StatefulSet,
    batch::v1::Job,
    core::v1::{Namespace, Secret},
    events::v1::Event,
};
use kube::{
    Api, Client, Config, ResourceExt as _,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use moviebooking_cluster::ApiServer;
use moviebooking_domain::clock::{Clock as _, ManualClock, SystemClock};
use moviebooking_operator::{
    api::{DatabaseClaim, MovieBookingPlatform},
    controller::{Context, Election, run},
    foreign::Foreign,
    object::{claim_kinds, platform_kinds},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    claims::bound,
    cloud_native_pg,
    world::{OPERATOR, SYSTEM, World, admin, define, install, is_ready, until},
};

fn to_be_removed(database: &str) -> Value {
    json!({ "database": database, "builtin": { "server": "cinema-postgresql", "deletionPolicy": "Delete" } })
}

/// Deletes all objects of a kind, as Kubernetes' controller of namespaces does in one that is deleted.
async fn clear(world: &World, kind: &ApiResource) {
    let api = Api::<DynamicObject>::namespaced_with(world.client.clone(), &world.namespace, kind);
    api.delete_collection(&DeleteParams::background(), &ListParams::default()).await.unwrap();
}

async fn claims_left(world: &World) -> usize {
    world.api::<DatabaseClaim>().list(&ListParams::default()).await.unwrap().items.len()
}

#[tokio::test]
async fn a_namespace_with_a_platform_and_claims_of_each_kind_ends() {
    let world = World::shared().await;
    let builtin = json!({ "builtin": { "deletionPolicy": "Delete" } });
    world.serving(&json!({ "version": "0.1.0", "databases": builtin })).await;
    let theirs =
        json!({ "metadata": { "name": "theirs" }, "stringData": { "uri": "postgres://u:p@db.example/x" } });
    let theirs: Secret = serde_json::from_value(theirs).unwrap();
    world.api::<Secret>().create(&PostParams::default(), &theirs).await.unwrap();
    let mut cluster = DynamicObject::new("shared", &Foreign::Cluster.resource());
    cluster.data = json!({ "spec": { "instances": 1 } });
    let clusters = Api::<DynamicObject>::namespaced_with(
        world.client.clone(),
        &world.namespace,
        &Foreign::Cluster.resource(),
    );
    clusters.create(&PostParams::default(), &cluster).await.unwrap();
    bound(&world, "outside", json!({ "database": "x", "external": { "secretName": "theirs" } })).await;
    let on_cluster = json!({ "cluster": "shared", "deletionPolicy": "Delete" });
    bound(&world, "on-cluster", json!({ "database": "y", "cloudNativePG": on_cluster })).await;
    bound(&world, "untouched", to_be_removed("z")).await;
    // One is being deleted already, and the Job that is to remove its database never runs.
    bound(&world, "waiting", to_be_removed("w")).await;
    world.api::<DatabaseClaim>().delete("waiting", &DeleteParams::default()).await.unwrap();
    let jobs = world.api::<Job>();
    until("a Job is to remove it", async || jobs.get_opt("waiting-teardown").await.unwrap().is_some()).await;

    let namespaces = Api::<Namespace>::all(world.client.clone());
    namespaces.delete(&world.namespace, &DeleteParams::default()).await.unwrap();
    // The server goes last: as long as it is there, there is something to remove, and no Job that could be made.
    let claims = ApiResource::erase::<DatabaseClaim>(&());
    clear(&world, &ApiResource::erase::<MovieBookingPlatform>(&())).await;
    clear(&world, &claims).await;
    clear(&world, &ApiResource::erase::<Job>(&())).await;
    until("all claims are gone", async || claims_left(&world).await == 0).await;
    assert!(world.api::<StatefulSet>().get("cinema-postgresql").await.is_ok());
    let all = BTreeSet::from(Foreign::ALL);
    for kind in platform_kinds(&all).into_iter().chain(claim_kinds(&all)) {
        // The routes' definitions are not there.
        if kind.group != Foreign::HttpRoute.resource().group {
            clear(&world, &kind).await;
        }
    }
    let mut namespace = namespaces.get(&world.namespace).await.unwrap();
    namespace.spec = Some(Default::default());
    let name = namespace.name_any();
    namespaces.replace_subresource("finalize", &name, &PostParams::default(), &namespace).await.unwrap();
    until("the namespace is gone", async || namespaces.get_opt(&name).await.unwrap().is_none()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_whose_database_cannot_be_removed_ends_after_ten_minutes() {
    let server = tokio::task::spawn_blocking(|| ApiServer::start().unwrap()).await.unwrap();
    let client = admin(&server).await;
    install(&client).await;
    define(&client, cloud_native_pg::definitions()).await;
    let kubeconfig = Kubeconfig::read_from(server.kubeconfig_of(OPERATOR, None).unwrap()).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    let clock = ManualClock::at(SystemClock.now());
    let context = Context::new(Client::try_from(config).unwrap(), clock.clone());
    let election = Election { namespace: SYSTEM.to_owned(), identity: "here".to_owned() };
    let stop = CancellationToken::new();
    let operator = tokio::spawn({
        let stop = stop.clone();
        async move { Box::pin(run(context, &election, stop)).await.unwrap() }
    });

    let world = World::on(&server).await;
    world.serving(&json!({ "version": "0.1.0" })).await;
    bound(&world, "extra", to_be_removed("extra")).await;
    let claims = world.api::<DatabaseClaim>();
    claims.delete("extra", &DeleteParams::default()).await.unwrap();
    // No node has room for its pod, or its server does not answer.
    let jobs = world.api::<Job>();
    until("a Job is to remove it", async || jobs.get_opt("extra-teardown").await.unwrap().is_some()).await;
    clock.advance(SignedDuration::from_mins(9));
    let look = async |value: &str| {
        let label = json!({ "metadata": { "labels": { "looked-at": value } } });
        claims.patch("extra", &PatchParams::default(), &Patch::Merge(&label)).await.map(drop)
    };
    look("early").await.unwrap();
    // What is written to the platform afterwards is seen: whoever would let go too early has done so by then.
    world.write(&json!({ "version": "0.1.0", "replicas": 3 })).await.unwrap();
    let generation = world.platform().await.metadata.generation;
    let others = |name: &str| name != "extra-teardown";
    world.working_on_until(others, "serving", |platform| is_ready(platform, generation)).await;
    assert!(claims.get_opt("extra").await.unwrap().is_some(), "it is let go too early");
    // The API server's clock went on meanwhile, by which the ten minutes begin.
    clock.advance(SignedDuration::from_mins(20));
    look("late").await.unwrap();
    until("it is gone", async || claims.get_opt("extra").await.unwrap().is_none()).await;
    let events = world.api::<Event>().list(&ListParams::default()).await.unwrap();
    let told = events.iter().find(|event| event.reason.as_deref() == Some("DatabaseLeft")).unwrap();
    let note = told.note.clone().unwrap();
    assert!(note.contains("database and role extra are left on the server: that took too long"), "{note}");
    stop.cancel();
    operator.await.unwrap();
}
