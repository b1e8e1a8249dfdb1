//! The operator over objects that the version before it has left.

use std::collections::BTreeSet;

use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    core::v1::Secret,
    networking::v1::NetworkPolicy,
};
use kube::{
    Api, ResourceExt as _,
    api::{DynamicObject, ListParams, Patch, PatchParams},
};
use moviebooking_cluster::ApiServer;
use moviebooking_operator::object::platform_kinds;
use serde_json::{Value, json};

use crate::world::{Operator, World, admin, install, until};

/// Rewrites the objects of a platform as an older operator would have written them: under the same field manager, with fields
/// that are not set any more, without those that were not yet.
async fn age(world: &World) {
    let old = PatchParams::apply("moviebooking-operator").force();
    for kind in platform_kinds(&BTreeSet::new()) {
        let api = Api::<DynamicObject>::namespaced_with(world.client.clone(), &world.namespace, &kind);
        for object in api.list(&ListParams::default()).await.unwrap() {
            let mut aged = serde_json::to_value(&object).unwrap();
            aged["metadata"] = json!({
                "name": object.name_any(),
                "labels": object.labels(),
                "ownerReferences": object.owner_references(),
                "annotations": object.annotations(),
            });
            aged["metadata"]["annotations"]["moviebooking.dev/applied"] = "0123456789abcdef".into();
            aged["apiVersion"] = kind.api_version.clone().into();
            aged["kind"] = kind.kind.clone().into();
            aged.as_object_mut().unwrap().remove("status");
            let pod = &mut aged["spec"]["template"]["spec"];
            match &*kind.kind {
                "Deployment" => pod["containers"][0]["env"]
                    .as_array_mut()
                    .unwrap()
                    .push(json!({ "name": "MOVIEBOOKING_OF_OLD", "value": "1" })),
                "StatefulSet" => {
                    pod.as_object_mut().unwrap().remove("initContainers");
                    pod["containers"][0]["args"] = json!(["-c", "max_connections=300"]);
                }
                _ => continue,
            }
            api.patch(&object.name_any(), &old, &Patch::Apply(&aged)).await.unwrap();
        }
    }
    // A kind of object that there is no more of.
    let policies = world.api::<NetworkPolicy>();
    let policy = policies.get("cinema-users").await.unwrap();
    let legacy = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": { "name": "cinema-legacy", "labels": policy.labels(), "ownerReferences": policy.owner_references() },
        "spec": policy.spec,
    });
    policies.patch("cinema-legacy", &old, &Patch::Apply(&legacy)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_an_older_operator_are_taken_over_in_place() {
    let server = tokio::task::spawn_blocking(|| ApiServer::start().unwrap()).await.unwrap();
    install(&admin(&server).await).await;
    let mut older = Operator::start(&server, "older");
    let world = World::on(&server).await;
    world.serving(&json!({ "version": "0.1.0" })).await;
    older.kill();
    age(&world).await;
    let identities = async || {
        let mut identities = Vec::new();
        for object in world.api::<Deployment>().list(&ListParams::default()).await.unwrap() {
            identities.push((object.name_any(), object.uid()));
        }
        for object in world.api::<StatefulSet>().list(&ListParams::default()).await.unwrap() {
            identities.push((object.name_any(), object.uid()));
        }
        identities
    };
    let secrets = async || {
        let secrets = world.api::<Secret>().list(&ListParams::default()).await.unwrap();
        secrets.into_iter().map(|secret| (secret.name_any(), secret.data)).collect::<Vec<_>>()
    };
    let (identities_before, secrets_before) = (identities().await, secrets().await);
    let env = async || {
        let users = world.api::<Deployment>().get("cinema-users").await.unwrap();
        serde_json::to_value(&users.spec.unwrap().template).unwrap().to_string()
    };
    assert!(env().await.contains("MOVIEBOOKING_OF_OLD"));

    let _newer = Operator::start(&server, "newer");
    until("everything is as this version has it", async || {
        world.work(|_| true).await;
        let server = world.api::<StatefulSet>().get("cinema-postgresql").await.unwrap();
        let pod: Value = serde_json::to_value(server.spec.unwrap().template).unwrap();
        let legacy = world.api::<NetworkPolicy>().get_opt("cinema-legacy").await.unwrap();
        let gateway = world.api::<Deployment>().get("cinema-gateway").await.unwrap();
        let gateway = serde_json::to_value(gateway.spec.unwrap().template).unwrap().to_string();
        !env().await.contains("MOVIEBOOKING_OF_OLD")
            && !gateway.contains("MOVIEBOOKING_OF_OLD")
            && pod["spec"]["initContainers"][0]["name"] == "prepare"
            && legacy.is_none()
    })
    .await;
    assert_eq!(identities().await, identities_before);
    assert_eq!(secrets().await, secrets_before);
}
