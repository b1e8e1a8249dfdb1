//! One process works at a time.

use k8s_openapi::{
    api::coordination::v1::Lease,
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use moviebooking_cluster::ApiServer;
use moviebooking_operator::api::MovieBookingPlatform;
use serde_json::json;

use crate::world::{Operator, World, admin, condition, install, until};

#[tokio::test(flavor = "multi_thread")]
async fn another_process_takes_over_and_one_bad_platform_stalls_nobody() {
    let mut server = tokio::task::spawn_blocking(|| ApiServer::start().unwrap()).await.unwrap();
    let client = admin(&server).await;
    install(&client).await;
    let mut first = Operator::start(&server, "first");
    until("the first works", async || first.sum("moviebooking_operator_leader", "").await == 1).await;
    until("it is ready", async || first.answer("/readyz").await.is_some_and(|(code, _)| code == 200)).await;
    let second = Operator::start(&server, "second");
    until("the second is ready", async || {
        second.answer("/readyz").await.is_some_and(|(code, _)| code == 200)
    })
    .await;
    assert_eq!(second.sum("moviebooking_operator_leader", "").await, 0);

    let world = World::on(&server).await;
    world.serving(&json!({ "version": "0.1.0" })).await;
    // Another look at it writes nothing.
    let looks = async || first.sum("moviebooking_operator_reconciles_total", "MovieBookingPlatform").await;
    let writes = async || first.sum("moviebooking_operator_writes_total", "").await;
    let look = async |value: &str| {
        let before = looks().await;
        let label = json!({ "metadata": { "labels": { "looked-at": value } } });
        let platforms = world.api::<MovieBookingPlatform>();
        platforms.patch("cinema", &PatchParams::default(), &Patch::Merge(&label)).await.unwrap();
        until("it is looked at again", async || looks().await > before).await;
    };
    look("once").await;
    let before = writes().await;
    look("twice").await;
    assert_eq!(writes().await, before);
    first.kill();
    until("the second works", async || second.sum("moviebooking_operator_leader", "").await == 1).await;
    let leases = Api::<Lease>::namespaced(client.clone(), "moviebooking-system");
    let holder = leases.get("moviebooking-operator").await.unwrap().spec.unwrap().holder_identity;
    assert_eq!(holder.as_deref(), Some("second"));
    world.serving(&json!({ "version": "0.2.0" })).await;

    // A platform of a definition that was once less strict.
    let definitions = Api::<CustomResourceDefinition>::all(client.clone());
    let name = "moviebookingplatforms.moviebooking.dev";
    let strict = definitions.get(name).await.unwrap();
    let mut lax = strict.clone();
    let schema =
        json!({ "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } });
    lax.spec.versions[0].schema = serde_json::from_value(schema).unwrap();
    definitions.replace(name, &Default::default(), &lax).await.unwrap();
    let bad = World::on(&server).await;
    until("it is let in", async || bad.write(&json!({ "version": 7 })).await.is_ok()).await;
    let good = World::on(&server).await;
    good.serving(&json!({
        "version": "0.1.0", "replicas": 1, "images": {}, "databases": {}, "gateway": {}, "payments": {}, "events": {}, "telemetry": {},
    }))
    .await;
    until("the bad one is told", async || {
        let api = Api::<kube::api::DynamicObject>::namespaced_with(
            client.clone(),
            &bad.namespace,
            &kube::api::ApiResource::erase::<MovieBookingPlatform>(&()),
        );
        let found = api.get("cinema").await.unwrap();
        found.data["status"]["conditions"][0]["reason"] == "SpecInvalid"
    })
    .await;

    // While the API server is away the turn runs out, which ends a process for the cluster to start it again.
    tokio::task::block_in_place(|| {
        server.crash().unwrap();
        server.resume().unwrap();
    });
    let third: &'static Operator = Box::leak(Box::new(Operator::start(&server, "third")));
    let good = World { operator: Some(third), ..good };
    let label = json!({ "spec": { "replicas": 3 } });
    let platforms = good.api::<MovieBookingPlatform>();
    platforms.patch("cinema", &PatchParams::default(), &Patch::Merge(&label)).await.unwrap();
    good.working_until("serving with more replicas", |platform| {
        condition(platform, "Ready").is_some_and(|(status, _, _)| status == "True")
            && platform.status.as_ref().is_some_and(|it| it.services.iter().all(|it| it.ready_replicas == 3))
    })
    .await;
}
