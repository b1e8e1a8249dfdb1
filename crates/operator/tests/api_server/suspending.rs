//! A platform that is suspended for work by hand.

use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{DeleteParams, Patch, PatchParams};
use moviebooking_operator::api::MovieBookingPlatform;
use serde_json::json;

use crate::world::{World, condition, until};

#[tokio::test]
async fn nothing_is_repaired_until_it_is_resumed_and_deletion_is_not_held_up() {
    let world = World::shared().await;
    world.serving(&json!({ "version": "0.1.0" })).await;
    world.write(&json!({ "version": "0.1.0", "suspend": true })).await.unwrap();
    let is_suspended = |platform: &MovieBookingPlatform| {
        condition(platform, "Ready")
            .is_some_and(|(status, reason, _)| status == "Unknown" && reason == "Suspended")
    };
    world.working_until("suspended", is_suspended).await;
    // What was known of it stays known.
    assert_eq!(world.platform().await.status.unwrap().version.as_deref(), Some("0.1.0"));

    let deployments = world.api::<Deployment>();
    deployments.delete("cinema-movies", &DeleteParams::default()).await.unwrap();
    let operator = world.operator.unwrap();
    let platforms = world.api::<MovieBookingPlatform>();
    // The deletion is followed by a look at the platform, and so is each change of its labels.
    for look in ["once", "twice"] {
        let looks =
            async || operator.sum("moviebooking_operator_reconciles_total", "MovieBookingPlatform").await;
        let before = looks().await;
        let label = json!({ "metadata": { "labels": { "looked-at": look } } });
        platforms.patch("cinema", &PatchParams::default(), &Patch::Merge(&label)).await.unwrap();
        until("it is looked at", async || looks().await > before).await;
    }
    assert!(deployments.get_opt("cinema-movies").await.unwrap().is_none());

    world.serving(&json!({ "version": "0.1.0" })).await;
    assert!(deployments.get_opt("cinema-movies").await.unwrap().is_some());

    world.write(&json!({ "version": "0.1.0", "suspend": true })).await.unwrap();
    world.working_until("suspended", is_suspended).await;
    platforms.delete("cinema", &DeleteParams::default()).await.unwrap();
    until("it is gone", async || platforms.get_opt("cinema").await.unwrap().is_none()).await;
}
