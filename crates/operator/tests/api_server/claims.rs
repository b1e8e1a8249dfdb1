//! Claims that a person makes, and how they end.

use std::time::Instant;

use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    batch::v1::Job,
    core::v1::Secret,
    events::v1::Event,
};
use kube::{
    ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use moviebooking_operator::api::DatabaseClaim;
use serde_json::{Value, json};

use crate::world::{World, until};

/// Makes a claim, and waits until its database can be used.
pub(crate) async fn bound(world: &World, name: &str, spec: Value) {
    let claim = json!({ "metadata": { "name": name }, "spec": spec });
    let claim: DatabaseClaim = serde_json::from_value(claim).unwrap();
    let claims = world.api::<DatabaseClaim>();
    claims.create(&PostParams::default(), &claim).await.unwrap();
    until("its database can be used", async || {
        world.work(|_| true).await;
        claims.get(name).await.unwrap().status.is_some_and(|status| status.binding.is_some())
    })
    .await;
}

async fn teardown(world: &World, name: &str) -> Option<Job> {
    world.api::<Job>().get_opt(&format!("{name}-teardown")).await.unwrap()
}

/// Waits until there is no such claim.
async fn gone(world: &World, name: &str) {
    until("it is gone", async || world.api::<DatabaseClaim>().get_opt(name).await.unwrap().is_none()).await;
}

#[tokio::test]
async fn a_database_goes_with_its_claim_where_that_is_asked_for() {
    let world = World::shared().await;
    world.serving(&json!({ "version": "0.1.0" })).await;
    let on_server = |policy: &str| json!({ "database": "extra", "builtin": { "server": "cinema-postgresql", "deletionPolicy": policy } });
    let claims = world.api::<DatabaseClaim>();

    // It is kept: nothing holds up the claim.
    bound(&world, "kept", on_server("Retain")).await;
    claims.delete("kept", &DeleteParams::default()).await.unwrap();
    gone(&world, "kept").await;
    assert!(teardown(&world, "kept").await.is_none());

    bound(&world, "extra", on_server("Delete")).await;
    claims.delete("extra", &DeleteParams::default()).await.unwrap();
    until("a Job removes it", async || teardown(&world, "extra").await.is_some()).await;
    assert!(claims.get("extra").await.is_ok(), "it is gone before its database");
    let pod = teardown(&world, "extra").await.unwrap().spec.unwrap().template.spec.unwrap();
    let script = pod.containers[0].command.as_ref().unwrap().last().unwrap().clone();
    assert!(script.contains("DROP DATABASE IF EXISTS") && script.contains("DROP ROLE IF EXISTS"), "{script}");
    world.work(|_| true).await;
    gone(&world, "extra").await;

    // A Job that fails leaves the database, and says so.
    bound(&world, "stuck", on_server("Delete")).await;
    claims.delete("stuck", &DeleteParams::default()).await.unwrap();
    until("a Job is to remove it", async || teardown(&world, "stuck").await.is_some()).await;
    let condition = |type_: &str| {
        json!({
            "type": type_, "status": "True", "reason": "DeadlineExceeded", "message": "no server",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        })
    };
    let failed = json!({ "status": {
        "startTime": "2026-01-01T00:00:00Z", "failed": 1, "conditions": [condition("FailureTarget"), condition("Failed")],
    } });
    let jobs = world.api::<Job>();
    jobs.patch_status("stuck-teardown", &PatchParams::default(), &Patch::Merge(&failed)).await.unwrap();
    gone(&world, "stuck").await;
    let events = world.api::<Event>().list(&ListParams::default()).await.unwrap();
    let told = events.iter().find(|event| event.reason.as_deref() == Some("DatabaseLeft")).unwrap();
    let note = told.note.clone().unwrap();
    assert!(note.contains("extra are left on the server: no server"), "{note}");

    // Without its server there is nothing to remove.
    bound(&world, "last", on_server("Delete")).await;
    world.write(&json!({ "version": "0.1.0", "suspend": true })).await.unwrap();
    world.api::<StatefulSet>().delete("cinema-postgresql", &DeleteParams::default()).await.unwrap();
    claims.delete("last", &DeleteParams::default()).await.unwrap();
    gone(&world, "last").await;
}

#[tokio::test]
async fn a_claim_lets_go_when_its_policy_is_changed_back() {
    let world = World::shared().await;
    world.serving(&json!({ "version": "0.1.0" })).await;
    let builtin = json!({ "server": "cinema-postgresql", "deletionPolicy": "Delete" });
    bound(&world, "extra", json!({ "database": "extra", "builtin": builtin })).await;
    let claims = world.api::<DatabaseClaim>();
    // A finalizer of somebody else's stays through all of it.
    let theirs = json!({ "apiVersion": "moviebooking.dev/v1alpha1", "kind": "DatabaseClaim", "metadata": { "finalizers": ["example.com/theirs"] } });
    claims.patch("extra", &PatchParams::apply("they").force(), &Patch::Apply(&theirs)).await.unwrap();
    let change = json!({ "spec": { "builtin": { "deletionPolicy": "Retain" } } });
    claims.patch("extra", &PatchParams::default(), &Patch::Merge(&change)).await.unwrap();
    until("only theirs is left", async || {
        claims.get("extra").await.unwrap().finalizers() == ["example.com/theirs"]
    })
    .await;
}

#[tokio::test]
async fn a_secret_of_somebody_else_is_seen_at_once() {
    let world = World::shared().await;
    let write = async |name: &str, data: Value| {
        let secret =
            json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "stringData": data });
        let params = PatchParams::apply("test").force();
        world.api::<Secret>().patch(name, &params, &Patch::Apply(&secret)).await.unwrap();
    };
    write("theirs", json!({ "uri": "postgres://u:p@one.example/extra" })).await;
    bound(&world, "extra", json!({ "database": "extra", "external": { "secretName": "theirs" } })).await;
    write("theirs", json!({ "uri": "postgres://u:p@two.example/extra" })).await;
    let begun = Instant::now();
    until("the other host is seen", async || {
        let status = world.api::<DatabaseClaim>().get("extra").await.unwrap().status.unwrap();
        status.host.as_deref() == Some("two.example")
    })
    .await;
    println!("a Secret of a database: {:?}", begun.elapsed());

    write("stripe", json!({ "key": "sk_test_1", "webhook-secret": "whsec_1" })).await;
    world.serving(&json!({ "version": "0.1.0", "payments": { "stripe": { "secretName": "stripe" } } })).await;
    let digest = async || {
        let payments = world.api::<Deployment>().get("cinema-payments").await.unwrap();
        let annotations = payments.spec.unwrap().template.metadata.unwrap().annotations.unwrap();
        annotations["moviebooking.dev/secrets"].clone()
    };
    let before = digest().await;
    write("stripe", json!({ "key": "sk_test_2", "webhook-secret": "whsec_1" })).await;
    let begun = Instant::now();
    until("payments is rolled out", async || digest().await != before).await;
    println!("a Secret of a process: {:?}", begun.elapsed());
}
