//! From one version to the next.

use k8s_openapi::api::{apps::v1::Deployment, batch::v1::Job};
use kube::{
    ResourceExt as _,
    api::{ListParams, Patch, PatchParams},
};
use moviebooking_operator::api::MovieBookingPlatform;
use serde_json::json;

use crate::world::{World, condition};

#[tokio::test]
async fn a_migration_that_fails_stops_the_upgrade_and_a_reverted_version_goes_on() {
    let world = World::shared().await;
    world.serving(&json!({ "version": "0.1.0" })).await;
    world.write(&json!({ "version": "0.2.0" })).await.unwrap();
    let fails = |name: &str| name.starts_with("cinema-movies-migrate-");
    let reason = |wanted: &'static str| {
        move |platform: &_| condition(platform, "Ready").is_some_and(|(_, reason, _)| reason == wanted)
    };
    // Its turn comes after that of users and theaters.
    world
        .working_on_until(
            |name| !fails(name),
            "migrating",
            |platform: &MovieBookingPlatform| {
                let services = platform.status.iter().flat_map(|status| &status.services);
                let of_movies = services.filter(|service| service.name == "movies");
                of_movies
                    .filter_map(|service| service.message.as_deref())
                    .any(|it| it.contains("being migrated"))
            },
        )
        .await;
    let jobs = world.api::<Job>();
    let now = "2026-01-01T00:00:00Z";
    for job in
        jobs.list(&ListParams::default()).await.unwrap().into_iter().filter(|job| fails(&job.name_any()))
    {
        if job.status.as_ref().is_some_and(|status| status.completion_time.is_some()) {
            continue;
        }
        let condition = |type_: &str| json!({ "type": type_, "status": "True", "reason": "BackoffLimitExceeded", "message": "no table", "lastTransitionTime": now });
        let status = json!({ "status": {
            "startTime": now, "failed": 7, "conditions": [condition("FailureTarget"), condition("Failed")],
        } });
        jobs.patch_status(&job.name_any(), &PatchParams::default(), &Patch::Merge(&status)).await.unwrap();
    }
    world.working_on_until(|name| !fails(name), "failed", reason("MigrationFailed")).await;
    let images = async || {
        let deployments = world.api::<Deployment>().list(&ListParams::default()).await.unwrap();
        let image =
            |it: Deployment| it.spec.unwrap().template.spec.unwrap().containers[0].image.clone().unwrap();
        deployments.into_iter().map(image).collect::<Vec<_>>()
    };
    let found = images().await;
    for old in ["movies", "reservations", "tickets", "payments", "gateway"] {
        assert!(found.contains(&format!("moviebooking/{old}:0.1.0")), "{found:?}");
    }
    assert!(found.contains(&"moviebooking/users:0.2.0".to_owned()), "{found:?}");
    let (_, _, message) = condition(&world.platform().await, "Ready").unwrap();
    assert!(message.contains("movies") && message.contains("no table"), "{message}");
    assert_eq!(world.platform().await.status.unwrap().version.as_deref(), Some("0.1.0"));

    world.serving(&json!({ "version": "0.1.0" })).await;
    let found = images().await;
    assert!(found.iter().all(|image| image.ends_with(":0.1.0")), "{found:?}");
}
