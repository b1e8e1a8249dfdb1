//! Many platforms. By hand as many as the documentation's table has:
//! `MOVIEBOOKING_TEST_PLATFORMS=500 cargo xtask test kube`, or this test alone with `--nocapture`.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use futures::StreamExt as _;
use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    batch::v1::Job,
};
use kube::{
    Api, Client, Resource, ResourceExt as _,
    api::{ListParams, Patch, PatchParams},
    runtime::{WatchStreamExt as _, watcher},
};
use moviebooking_cluster::ApiServer;
use moviebooking_operator::{api::MovieBookingPlatform, graph::COMPONENTS};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::world::{Operator, World, admin, install, is_ready, make_namespace};

/// How many platforms there are.
const COUNT: &str = "MOVIEBOOKING_TEST_PLATFORMS";
/// How many when nobody says.
const FEW: usize = 20;
/// What is measured is given up after this time.
const BOUND: Duration = Duration::from_secs(2400);
/// How many mebibytes of its own memory the operator may have. Its program, which the tests have without optimisation, comes
/// to that, some twelve in the images.
const MEMORY: u64 = 48;

/// How many requests it may take to make a platform, and how many of them that write: some hundred objects and statuses, and
/// a look at everything whenever some of it has changed.
const REQUESTS: [u64; 2] = [900, 150];
/// How many it may take to look at a resource of which nothing is different.
const REQUESTS_OF_A_LOOK: u64 = 8;

const NOW: &str = "2026-01-01T00:00:00Z";

/// Does what Kubernetes' controllers would for all objects of a kind, as soon as they change.
async fn work<K>(client: Client, status: impl Fn(&K) -> Option<Value>)
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    K: Clone + std::fmt::Debug + Serialize + DeserializeOwned + Send + 'static,
{
    let changes = watcher(Api::<K>::all(client.clone()), watcher::Config::default());
    let changes = changes.default_backoff().applied_objects();
    // What is broken off begins anew.
    changes
        .filter_map(async |change| change.ok())
        .for_each_concurrent(8, async |object| {
            if let Some(status) = status(&object) {
                let api = Api::<K>::namespaced(client.clone(), &object.namespace().unwrap());
                let patch = Patch::Merge(json!({ "status": status }));
                // It may be gone in the meantime.
                let _ = api.patch_status(&object.name_any(), &PatchParams::default(), &patch).await;
            }
        })
        .await;
}

fn job(job: &Job) -> Option<Value> {
    let condition = |type_: &str| json!({ "type": type_, "status": "True", "lastTransitionTime": NOW });
    job.status.as_ref().is_none_or(|status| status.completion_time.is_none()).then(|| {
        json!({
            "startTime": NOW, "completionTime": NOW, "succeeded": 1,
            "conditions": [condition("SuccessCriteriaMet"), condition("Complete")],
        })
    })
}

fn deployment(deployment: &Deployment) -> Option<Value> {
    let seen = deployment.status.as_ref().and_then(|status| status.observed_generation);
    let replicas = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    (seen != deployment.metadata.generation).then(|| {
        json!({
            "observedGeneration": deployment.metadata.generation, "replicas": replicas,
            "updatedReplicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas,
        })
    })
}

fn server(server: &StatefulSet) -> Option<Value> {
    let ready = server.status.as_ref().and_then(|status| status.ready_replicas);
    (ready != Some(1)).then(|| json!({ "replicas": 1, "readyReplicas": 1 }))
}

/// Waits, as long as it takes, while the operator runs.
async fn until(operator: &Operator, what: &str, mut condition: impl AsyncFnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !condition().await {
        let last = || operator.log().lines().rev().take(40).collect::<Vec<_>>().join("\n");
        assert!(operator.runs(), "not {what}: the operator has ended, last words first:\n{}", last());
        assert!(begun.elapsed() < BOUND, "not {what}, last words first:\n{}", last());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    begun.elapsed()
}

/// What the operator has done since it began: looks at resources, requests, and those of them that write.
async fn done(operator: &Operator) -> [u64; 3] {
    let looks = operator.sum("moviebooking_operator_reconciles_total", "").await;
    let requests = operator.sum("moviebooking_operator_requests_total", "").await;
    [looks, requests, operator.sum("moviebooking_operator_writes_total", "").await]
}

fn memory(operator: &Operator) -> String {
    let [resident, own] = operator.memory();
    format!("{resident} MiB resident, {own} of them its own")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_platforms_converge_and_are_then_left_alone() {
    let count = std::env::var(COUNT).map_or(FEW, |count| count.parse().unwrap());
    let server = tokio::task::spawn_blocking(|| ApiServer::start().unwrap()).await.unwrap();
    let client = admin(&server).await;
    install(&client).await;
    let workers = [
        tokio::spawn(work(client.clone(), job)),
        tokio::spawn(work(client.clone(), deployment)),
        tokio::spawn(work(client.clone(), self::server)),
    ];
    let mut operator = Operator::start(&server, "first");

    let namespaces: Vec<String> = (0..count).map(|number| format!("cinema-{number}")).collect();
    let begun = Instant::now();
    futures::stream::iter(&namespaces)
        .for_each_concurrent(8, async |namespace| {
            make_namespace(&client, namespace).await;
            let world = World { client: client.clone(), namespace: namespace.clone(), operator: None };
            world.write(&json!({ "version": "0.1.0" })).await.unwrap();
        })
        .await;
    let platforms = Api::<MovieBookingPlatform>::all(client.clone());
    let ready = async || {
        let list = platforms.list(&ListParams::default()).await.unwrap();
        list.iter().filter(|platform| is_ready(platform, Some(1))).count()
    };
    let mut seen = BTreeSet::new();
    until(&operator, "all platforms serve", async || {
        let ready = ready().await;
        if seen.insert(ready / 50) {
            println!("{ready} of {count} serve after {:?}", begun.elapsed());
        }
        ready == count
    })
    .await;
    let [looks, requests, writes] = done(&operator).await;
    println!(
        "{count} platforms serve after {:?}: {looks} looks, {requests} requests, {writes} writes",
        begun.elapsed()
    );
    println!("after that: {}", memory(&operator));
    let of_each = [requests, writes].map(|all| all / count as u64);
    assert!(of_each[0] < REQUESTS[0] && of_each[1] < REQUESTS[1], "requests of each: {of_each:?}");

    // Another process looks at everything, and changes nothing.
    operator.kill();
    let begun = Instant::now();
    let operator = Operator::start(&server, "second");
    until(&operator, "it is its turn", async || operator.sum("moviebooking_operator_leader", "").await == 1)
        .await;
    println!("a second process takes over after {:?}", begun.elapsed());
    let begun = Instant::now();
    // Each platform has a claim for each service, and one for the sandbox payment provider.
    let resources = count as u64 * (1 + COMPONENTS.len() as u64);
    let mut before = 0;
    until(&operator, "all resources are looked at again, and nothing more", async || {
        let [looks, ..] = done(&operator).await;
        let is_at_rest = looks >= resources && looks == before;
        before = looks;
        tokio::time::sleep(Duration::from_secs(1)).await;
        is_at_rest
    })
    .await;
    let [looks, requests, writes] = done(&operator).await;
    println!("it has looked at everything after {:?}: {looks} looks, {requests} requests", begun.elapsed());
    println!("after that: {}", memory(&operator));
    assert_eq!(writes, 0, "what is as it is to be is left alone");
    assert!(requests < looks * REQUESTS_OF_A_LOOK, "{requests} requests for {looks} looks");

    let mut times = Vec::new();
    let world = World { client: client.clone(), namespace: namespaces[count / 2].clone(), operator: None };
    for replicas in [3, 4, 5, 6, 7] {
        let [_, before, _] = done(&operator).await;
        let begun = Instant::now();
        world.write(&json!({ "version": "0.1.0", "replicas": replicas })).await.unwrap();
        let generation = world.platform().await.metadata.generation;
        until(&operator, "it serves with more replicas", async || {
            let platform = world.platform().await;
            let status = platform.status.clone().unwrap();
            is_ready(&platform, generation)
                && status.services.iter().all(|service| service.ready_replicas == replicas)
        })
        .await;
        times.push((begun.elapsed(), done(&operator).await[1] - before));
    }
    println!("other replicas of all services of one of them, and the requests that took: {times:?}");
    println!("at the end: {}", memory(&operator));
    assert!(times.iter().all(|(_, requests)| *requests < REQUESTS[0]), "{times:?}");
    let [_, own] = operator.memory();
    assert!(own < MEMORY, "{own} MiB");
    workers.iter().for_each(tokio::task::JoinHandle::abort);
}
