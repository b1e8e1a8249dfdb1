//! Backups: what is asked for, and what is told of them.

use k8s_openapi::api::batch::v1::{CronJob, Job};
use kube::{
    Resource as _, ResourceExt as _,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use moviebooking_operator::api::MovieBookingPlatform;
use serde_json::json;

use crate::world::{World, condition, until};

/// Runs a backup as Kubernetes' controllers do: it was due at `time`, and that became of it.
async fn run(world: &World, name: &str, time: &str, outcome: &str) {
    let schedule = world.api::<CronJob>().get("cinema-backup").await.unwrap();
    let template = schedule.spec.as_ref().unwrap().job_template.clone();
    let mut job = Job { metadata: template.metadata.unwrap(), spec: template.spec, status: None };
    job.metadata.name = Some(name.to_owned());
    job.metadata.owner_references = Some(vec![schedule.controller_owner_ref(&()).unwrap()]);
    world.api::<Job>().create(&PostParams::default(), &job).await.unwrap();
    let condition = |type_: &str| json!({ "type": type_, "status": "True", "message": "no room", "lastTransitionTime": time });
    let status = if outcome == "Complete" {
        json!({ "startTime": time, "completionTime": time, "succeeded": 1,
            "conditions": [condition("SuccessCriteriaMet"), condition("Complete")] })
    } else {
        json!({ "startTime": time, "failed": 3, "conditions": [condition("FailureTarget"), condition("Failed")] })
    };
    let (params, status) = (PatchParams::default(), json!({ "status": status }));
    world.api::<Job>().patch_status(name, &params, &Patch::Merge(&status)).await.unwrap();
    let status = json!({ "status": { "lastScheduleTime": time } });
    world.api::<CronJob>().patch_status("cinema-backup", &params, &Patch::Merge(&status)).await.unwrap();
}

fn is_told(platform: &MovieBookingPlatform, status: &str, parts: &[&str]) -> bool {
    condition(platform, "BackupSucceeded")
        .is_some_and(|(is, _, message)| is == status && parts.iter().all(|part| message.contains(part)))
}

#[tokio::test]
async fn what_became_of_backups_is_told_and_counted() {
    let world = World::shared().await;
    let spec = json!({ "version": "0.1.0", "backup": { "schedule": "30 3 * * *", "claimName": "backups" } });
    world.serving(&spec).await;
    let now = ["none was made yet", "kubectl create job --from=cronjob/cinema-backup NAME"];
    world.working_until("told how to make one", |platform| is_told(platform, "Unknown", &now)).await;

    // The Jobs are not the platform's migrations, and nobody sets them right.
    run(&world, "cinema-backup-1", "2026-01-01T03:30:00Z", "Failed").await;
    let why = [
        "cinema-backup-1 has failed (no room)",
        "see the logs of the Job cinema-backup-1",
        "none was made yet",
    ];
    world.working_until("told of the failure", |platform| is_told(platform, "False", &why)).await;
    run(&world, "cinema-backup-2", "2026-01-02T03:30:00Z", "Complete").await;
    let last = ["cinema-backup-2 was made at 2026-01-02T03:30:00Z"];
    world.working_until("told of the backup", |platform| is_told(platform, "True", &last)).await;
    let status = world.platform().await.status.unwrap().backup.unwrap();
    assert_eq!(status.last_name.as_deref(), Some("cinema-backup-2"));

    let operator = world.operator.unwrap();
    let shown = async |metric: &str, value: &str| {
        let line = format!("{metric}{{namespace=\"{}\",platform=\"cinema\"}} {value}", world.namespace);
        until(&line, async || {
            operator.answer("/metrics").await.is_some_and(|(_, text)| text.contains(&line))
        })
        .await;
    };
    shown("moviebooking_operator_platform_ready", "1").await;
    shown("moviebooking_operator_backup_last_success_timestamp_seconds", "1767324600").await;
    shown("moviebooking_operator_backup_last_scheduled_timestamp_seconds", "1767324600").await;
    let (_, text) = operator.answer("/metrics").await.unwrap();
    let documented = include_str!("../../../../docs/kubernetes.md");
    for name in
        text.lines().filter_map(|line| line.strip_prefix("# TYPE moviebooking_operator")?.split(' ').next())
    {
        assert!(
            documented.contains(&format!("| `moviebooking_operator{name}` |")),
            "{name} is not explained"
        );
    }

    // The last one stays known when its Job is gone; without backups there is nothing to tell.
    world.api::<Job>().delete("cinema-backup-2", &Default::default()).await.unwrap();
    world.serving(&json!({ "version": "0.2.0", "backup": spec["backup"] })).await;
    assert_eq!(world.platform().await.status.unwrap().backup, Some(status));
    world.serving(&json!({ "version": "0.2.0" })).await;
    until("the schedule is gone", async || {
        world.api::<CronJob>().list(&ListParams::default()).await.unwrap().items.is_empty()
    })
    .await;
    let platform = world.platform().await;
    assert!(condition(&platform, "BackupSucceeded").is_none() && platform.name_any() == "cinema");
}
