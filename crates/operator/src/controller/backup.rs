//! What became of a platform's backups.

use k8s_openapi::api::batch::v1::{CronJob, Job};
use kube::{Client, ResourceExt as _};

use super::{ReconcileError, observe};
use crate::{
    api::{BackupStatus, State},
    apply::Live,
    build::{Migration, Scope, backup_name},
};

/// What is said of backups.
pub(super) struct Found {
    pub(super) status: BackupStatus,
    pub(super) state: State,
    /// Whether one is being made.
    pub(super) is_under_way: bool,
}

/// Looks at the CronJob and its Jobs, as far as they are there; nothing where no backups are asked for.
///
/// # Errors
/// When the API server does not answer as it should.
pub(super) async fn look(
    client: &Client,
    scope: &Scope<'_>,
    live: &Live,
    before: Option<&BackupStatus>,
) -> Result<Option<Found>, ReconcileError> {
    let Some(backup) = &scope.spec.backup else { return Ok(None) };
    let name = backup_name(scope);
    let mut status = before.cloned().unwrap_or_default();
    if let Some(schedule) = observe::typed::<CronJob>(live, &name)? {
        let last = schedule.status.and_then(|status| status.last_schedule_time);
        status.last_schedule_time = last.or(status.last_schedule_time);
    }
    let mut jobs = Vec::new();
    for (key, object) in live.iter().filter(|(key, _)| key.kind == "Job") {
        let is_of_schedule =
            object.owner_references().iter().any(|owner| owner.kind == "CronJob" && owner.name == name);
        if is_of_schedule {
            jobs.extend(observe::typed::<Job>(live, &key.name)?);
        }
    }
    jobs.sort_by_key(|job| job.creation_timestamp().map(|time| time.0));
    let done = jobs.iter().filter(|job| observe::migration(job) == Migration::Complete);
    if let Some(job) = done.max_by_key(|job| completion(job).map(|time| time.0)) {
        status.last_name = Some(job.name_any());
        status.last_success_time = completion(job);
    }
    let running = jobs.iter().find(|job| observe::migration(job) == Migration::Running);
    let trouble = match running {
        Some(job) => trouble(client, scope, &job.name_any()).await?,
        None => None,
    };
    let failed = jobs.iter().rev().find_map(|job| match observe::migration(job) {
        Migration::Running => None,
        Migration::Complete => Some(None),
        Migration::Failed(why) => Some(Some((job, why))),
    });
    let last = match (&status.last_name, &status.last_success_time) {
        (Some(last), Some(time)) => format!("{last} was made at {}", time.0),
        _ => "none was made yet".to_owned(),
    };
    let state = if let (Some(job), Some(trouble)) = (running, trouble) {
        State::fails("BackupFailed", format!("the Job {} cannot run: {trouble}; {last}", job.name_any()))
    } else if let Some(Some((job, why))) = failed {
        let job = job.name_any();
        let trouble = self::trouble(client, scope, &job).await?;
        let trouble = trouble.map(|trouble| format!(": {trouble}")).unwrap_or_default();
        State::fails(
            "BackupFailed",
            format!("the backup {job} has failed ({why}){trouble}; see the logs of the Job {job}; {last}"),
        )
    } else if status.last_name.is_some() {
        State::holds("BackedUp", last)
    } else {
        let message = format!(
            "none was made yet; the next one is due by the schedule {} (UTC), or now by kubectl create job --from=cronjob/{name} NAME",
            backup.schedule
        );
        State { holds: None, reason: "NoBackupYet", message }
    };
    Ok(Some(Found { status, state, is_under_way: running.is_some() }))
}

fn completion(job: &Job) -> Option<k8s_openapi::apimachinery::pkg::apis::meta::v1::Time> {
    job.status.as_ref()?.completion_time.clone()
}

/// What is wrong with a Job's pods.
async fn trouble(client: &Client, scope: &Scope<'_>, job: &str) -> Result<Option<String>, kube::Error> {
    let selector = format!("batch.kubernetes.io/job-name={job}");
    let troubles = observe::troubles(client, scope.namespace, &selector, |name| name == job).await?;
    Ok(troubles.into_values().next().map(|trouble| trouble.to_string()))
}
