//! Backups, and a server that begins with one.

use k8s_openapi::api::{apps::v1::StatefulSet, batch::v1::CronJob, networking::v1::NetworkPolicy};

use super::*;

fn with_backups() -> MovieBookingPlatform {
    platform(json!({
        "version": "0.1.0",
        "databases": { "builtin": { "restore": { "claimName": "old", "backup": "cinema-backup-29401290" } } },
        "backup": { "schedule": "30 3 * * *", "claimName": "backups", "keep": 3 },
    }))
}

#[test]
fn a_server_that_is_restored_and_copied() {
    let plan = plan(&with_backups(), &databases_ready()).unwrap();
    let shown = plan.objects.iter().filter(|object| {
        let about = ["cinema-backup", "cinema-postgresql"].contains(&&*object.name);
        about && ["CronJob", "StatefulSet", "NetworkPolicy"].contains(&&*object.resource.kind)
    });
    let documents = shown.map(|object| serde_saphyr::to_string(&object.value).unwrap());
    insta::assert_snapshot!(documents.collect::<Vec<_>>().join("---\n"));
}

#[test]
fn there_are_none_unless_they_are_asked_for_or_where_others_run_the_server() {
    let alone = plan(&platform(json!({ "version": "0.1.0" })), &databases_ready()).unwrap();
    assert!(all::<CronJob>(&alone).is_empty());
    let server = all::<StatefulSet>(&alone).remove("cinema-postgresql").unwrap();
    let pod = server.spec.unwrap().template.spec.unwrap();
    assert!(pod.volumes.unwrap().iter().all(|volume| volume.persistent_volume_claim.is_none()));
    assert!(!all::<NetworkPolicy>(&alone).contains_key("cinema-backup"));

    let mut elsewhere = with_backups();
    elsewhere.spec.databases = serde_json::from_value(json!({ "external": { "secrets": {} } })).unwrap();
    assert!(all::<CronJob>(&plan(&elsewhere, &databases_ready()).unwrap()).is_empty());
}
