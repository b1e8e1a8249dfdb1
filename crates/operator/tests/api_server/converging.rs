//! From a version to a platform that serves.

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Secret, Service},
    events::v1::Event,
    networking::v1::NetworkPolicy,
};
use kube::{
    ResourceExt as _,
    api::{ListParams, Patch, PatchParams},
};
use moviebooking_operator::api::{DatabaseClaim, MovieBookingPlatform};
use serde_json::json;

use crate::world::{World, condition, until};

#[tokio::test]
async fn a_version_alone_becomes_a_platform_that_serves() {
    let world = World::shared().await;
    world.serving(&json!({ "version": "0.1.0" })).await;

    let status = world.platform().await.status.unwrap();
    assert_eq!(status.version.as_deref(), Some("0.1.0"));
    assert_eq!(status.url, Some(format!("http://cinema-gateway.{}.svc", world.namespace)));
    let services: Vec<&str> = status.services.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(services, ["users", "theaters", "movies", "reservations", "tickets", "payments", "gateway"]);
    assert!(status.services.iter().all(|it| it.ready_replicas == 2 && it.message.is_none()));

    // Each claim ends in a Secret of the service-binding shape, and the Deployment reads it.
    let claim = world.api::<DatabaseClaim>().get("cinema-users").await.unwrap().status.unwrap();
    let name = claim.binding.unwrap().name;
    let secret = world.api::<Secret>().get(&name).await.unwrap();
    assert_eq!(secret.type_.as_deref(), Some("servicebinding.io/postgresql"));
    let text = |key: &str| String::from_utf8(secret.data.as_ref().unwrap()[key].0.clone()).unwrap();
    let host = format!("cinema-postgresql.{}.svc", world.namespace);
    let login = format!("{}:{}", text("username"), text("password"));
    assert_eq!(text("uri"), format!("postgres://{login}@{host}:5432/users"));
    assert!(text("username").starts_with("users_"), "a member of the role that owns the database");
    let users = world.api::<Deployment>().get("cinema-users").await.unwrap();
    let volumes = users.spec.unwrap().template.spec.unwrap().volumes.unwrap();
    assert!(
        volumes.iter().any(|it| it.secret.as_ref().is_some_and(|it| it.secret_name.as_ref() == Some(&name)))
    );

    until("events are there", async || {
        let events = world.api::<Event>().list(&ListParams::default()).await.unwrap();
        events.iter().any(|event| event.reason.as_deref() == Some("Serving"))
    })
    .await;
}

#[tokio::test]
async fn nothing_is_written_when_nothing_is_different() {
    let world = World::shared().await;
    let operator = world.operator.unwrap();
    // Quantities are written as people write them.
    let resources =
        json!({ "requests": { "cpu": "0.1", "memory": "64Mi" }, "limits": { "memory": "1024Mi" } });
    world.serving(&json!({ "version": "0.1.0", "services": { "users": { "resources": resources } } })).await;
    let versions = async || {
        let mut versions = Vec::new();
        for service in world.api::<Service>().list(&ListParams::default()).await.unwrap() {
            versions.push(service.resource_version());
        }
        for deployment in world.api::<Deployment>().list(&ListParams::default()).await.unwrap() {
            versions.push(deployment.resource_version());
        }
        versions.push(world.platform().await.resource_version());
        versions
    };
    // A label has the platform looked at again.
    let look = async |value: &str| {
        let before = looks(operator).await;
        let label = json!({ "metadata": { "labels": { "looked-at": value } } });
        let platforms = world.api::<MovieBookingPlatform>();
        platforms.patch("cinema", &PatchParams::default(), &Patch::Merge(&label)).await.unwrap();
        until("it is looked at again", async || looks(operator).await > before).await;
    };
    look("once").await;
    let before = versions().await;
    look("twice").await;
    let after = versions().await;
    assert_eq!(before[..before.len() - 1], after[..after.len() - 1]);
}

async fn looks(operator: &crate::world::Operator) -> u64 {
    operator.sum("moviebooking_operator_reconciles_total", "MovieBookingPlatform").await
}

#[tokio::test]
async fn what_is_not_wanted_any_more_goes_and_what_others_have_made_stays() {
    let world = World::shared().await;
    world.serving(&json!({ "version": "0.1.0" })).await;
    let policies = world.api::<NetworkPolicy>();
    let foreign: NetworkPolicy =
        serde_json::from_value(json!({ "metadata": { "name": "foreign" }, "spec": { "podSelector": {} } }))
            .unwrap();
    policies.create(&Default::default(), &foreign).await.unwrap();
    world.serving(&json!({ "version": "0.1.0", "networkPolicies": false })).await;
    until("the policies are gone", async || {
        let left = policies.list(&ListParams::default()).await.unwrap();
        left.iter().map(|policy| policy.name_any()).collect::<Vec<_>>() == ["foreign"]
    })
    .await;
}

#[tokio::test]
async fn a_suspended_platform_is_left_as_it_is() {
    let world = World::shared().await;
    world.serving(&json!({ "version": "0.1.0" })).await;
    world.write(&json!({ "version": "0.2.0", "suspend": true })).await.unwrap();
    world
        .working_until("suspended", |platform| {
            condition(platform, "Ready").is_some_and(|(_, reason, _)| reason == "Suspended")
        })
        .await;
    let image = world.api::<Deployment>().get("cinema-users").await.unwrap();
    let image = image.spec.unwrap().template.spec.unwrap().containers[0].image.clone();
    assert_eq!(image.as_deref(), Some("moviebooking/users:0.1.0"));
    world.serving(&json!({ "version": "0.2.0" })).await;
}

#[tokio::test]
async fn databases_of_somebody_else_are_used_once_their_secrets_are_right() {
    let world = World::shared().await;
    let names = ["users", "movies", "theaters", "reservations", "payments", "tickets", "bank"];
    let secrets: serde_json::Map<_, _> =
        names.iter().map(|name| ((*name).to_owned(), json!(format!("db-{name}")))).collect();
    let write = async |name: &str, uri: &str| {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": format!("db-{name}") }, "stringData": { "uri": uri },
        });
        let params = PatchParams::apply("test").force();
        world.api::<Secret>().patch(&format!("db-{name}"), &params, &Patch::Apply(&secret)).await.unwrap();
    };
    for name in names {
        write(name, &format!("postgres://{name}:secret@db.example:6432/{name}")).await;
    }
    write("users", "mysql://users:secret@db.example/users").await;
    world
        .write(&json!({ "version": "0.1.0", "databases": { "external": { "secrets": secrets } } }))
        .await
        .unwrap();
    world
        .working_until("waiting for the Secret", |platform| {
            condition(platform, "DatabasesReady").is_some_and(|(_, _, message)| {
                message.contains("the key uri of the Secret db-users is not of the form")
                    && !message.contains("secret@")
            })
        })
        .await;
    write("users", "postgres://users:secret@db.example:6432/users").await;
    world.working_until("serving", |platform| crate::world::is_ready(platform, Some(1))).await;
    let claim = world.api::<DatabaseClaim>().get("cinema-users").await.unwrap().status.unwrap();
    assert_eq!((claim.host.as_deref(), claim.port), (Some("db.example"), Some(6432)));
}
