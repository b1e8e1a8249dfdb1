//! What somebody else changes is repaired.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use k8s_openapi::api::{apps::v1::Deployment, batch::v1::Job, core::v1::Secret};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams},
};
use moviebooking_operator::object::platform_kinds;
use serde_json::json;

use crate::world::{World, is_ready, until};

#[tokio::test]
async fn every_object_that_is_deleted_is_made_again() {
    let world = World::shared().await;
    world.serving(&json!({ "version": "0.1.0" })).await;
    let all = async || {
        let mut found = BTreeMap::new();
        for kind in platform_kinds(&BTreeSet::new()) {
            let api = Api::<DynamicObject>::namespaced_with(world.client.clone(), &world.namespace, &kind);
            for object in api.list(&ListParams::default()).await.unwrap() {
                let is_of_platform =
                    object.owner_references().iter().any(|it| it.kind == "MovieBookingPlatform");
                if is_of_platform {
                    found.insert((kind.kind.clone(), object.name_any()), (kind.clone(), object.uid()));
                }
            }
        }
        found
    };
    let before = all().await;
    // Migrations that are done are needed no more.
    let wanted = |found: &BTreeMap<(String, String), _>| -> Vec<(String, String)> {
        found.keys().filter(|(kind, _)| kind != "Job").cloned().collect()
    };
    for ((_, name), (kind, _)) in before.iter().filter(|((kind, _), _)| kind != "Job") {
        let api = Api::<DynamicObject>::namespaced_with(world.client.clone(), &world.namespace, kind);
        api.delete(name, &DeleteParams::background()).await.unwrap();
    }
    let begun = Instant::now();
    until("everything is back", async || {
        world.work(|_| true).await;
        let now = all().await;
        let is_new = |key: &(String, String)| now.get(key).is_some_and(|(_, uid)| *uid != before[key].1);
        wanted(&before).iter().all(is_new)
    })
    .await;
    println!("{} objects are back after {:?}", wanted(&before).len(), begun.elapsed());
}

#[tokio::test]
async fn changed_fields_come_back_and_those_of_others_stay() {
    let world = World::shared().await;
    world.serving(&json!({ "version": "0.1.0" })).await;
    let deployments = world.api::<Deployment>();
    let change = json!({
        "metadata": { "annotations": { "note": "theirs" } },
        "spec": { "replicas": 7, "template": { "spec": { "containers": [{ "name": "users", "image": "evil" }] } } },
    });
    deployments.patch("cinema-users", &PatchParams::default(), &Patch::Strategic(&change)).await.unwrap();
    until("it is repaired", async || {
        let spec = deployments.get("cinema-users").await.unwrap().spec.unwrap();
        spec.replicas == Some(2)
            && spec.template.spec.unwrap().containers[0].image.as_deref() == Some("moviebooking/users:0.1.0")
    })
    .await;
    assert_eq!(deployments.get("cinema-users").await.unwrap().annotations()["note"], "theirs");
}

#[tokio::test]
async fn an_autoscaler_takes_over_the_replicas_that_there_are() {
    let world = World::shared().await;
    world.serving(&json!({ "version": "0.1.0", "replicas": 4 })).await;
    let autoscaling = json!({ "version": "0.1.0", "replicas": 4, "services": {
        "gateway": { "autoscaling": { "minReplicas": 2, "maxReplicas": 9 } },
    } });
    world.serving(&autoscaling).await;
    let deployments = world.api::<Deployment>();
    let replicas = async || deployments.get("cinema-gateway").await.unwrap().spec.unwrap().replicas;
    assert_eq!(replicas().await, Some(4));
    let scaled = json!({ "spec": { "replicas": 6 } });
    deployments.patch_scale("cinema-gateway", &PatchParams::default(), &Patch::Merge(&scaled)).await.unwrap();
    // A change that is repaired shows that the Deployment was looked at since.
    let change = json!({ "spec": { "progressDeadlineSeconds": 77 } });
    deployments.patch("cinema-gateway", &PatchParams::default(), &Patch::Merge(&change)).await.unwrap();
    until("it is repaired", async || {
        let spec = deployments.get("cinema-gateway").await.unwrap().spec.unwrap();
        spec.progress_deadline_seconds == Some(300)
    })
    .await;
    assert_eq!(replicas().await, Some(6));
}

#[tokio::test]
async fn secrets_are_made_once() {
    let world = World::shared().await;
    world.serving(&json!({ "version": "0.1.0" })).await;
    let secrets = world.api::<Secret>();
    let names = ["cinema-service-secret", "cinema-postgresql-superuser", "cinema-users-credentials"];
    let read = async || {
        let mut data = Vec::new();
        for name in names {
            data.push(secrets.get(name).await.unwrap().data);
        }
        data
    };
    let before = read().await;
    world.serving(&json!({ "version": "0.2.0", "replicas": 1 })).await;
    assert_eq!(read().await, before);
}

#[tokio::test]
async fn a_password_is_changed_by_deleting_its_secret() {
    let world = World::shared().await;
    world.serving(&json!({ "version": "0.1.0" })).await;
    let (secrets, jobs) = (world.api::<Secret>(), world.api::<Job>());
    let setups = async || {
        let all = jobs.list(&ListParams::default()).await.unwrap();
        all.iter()
            .map(|job| job.name_any())
            .filter(|name| name.starts_with("cinema-users-setup-"))
            .collect::<Vec<_>>()
    };
    let before = (secrets.get("cinema-users-credentials").await.unwrap().data, setups().await);
    secrets.delete("cinema-users-credentials", &DeleteParams::default()).await.unwrap();
    until("there is another password, and a Job that sets it alone", async || {
        let secret = secrets.get_opt("cinema-users-credentials").await.unwrap();
        let setups = setups().await;
        secret.is_some_and(|secret| secret.data != before.0) && setups.len() == 1 && setups != before.1
    })
    .await;
    world.working_until("serving", |platform| is_ready(platform, Some(1))).await;
}
