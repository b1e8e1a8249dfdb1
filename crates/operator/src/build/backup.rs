//! Copies of the PostgreSQL server that a platform runs, and the server that begins with one.

use k8s_openapi::{
    api::{
        batch::v1::{CronJob, CronJobSpec, JobSpec, JobTemplateSpec},
        core::v1::{
            Container, EnvVar, EnvVarSource, ObjectFieldSelector, PersistentVolumeClaimVolumeSource, PodSpec,
            PodTemplateSpec, Volume,
        },
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use super::{
    database::{POSTGRES_USER, mount, server_name, superuser_password, variable},
    pod::{LAST_WORDS, container_security, pod_security, pull_policy, pull_secrets, quantities},
    scope::{Scope, labels},
};
use crate::api::{BuiltinDatabases, Restore};

/// The CronJob, as a part of its name, and the label value of the pods that make copies.
pub(super) const BACKUP: &str = "backup";
/// Where the volume with the copies is, for those that make and read them.
const FOLDER: &str = "/backups";
/// Makes a copy and removes the oldest.
const BACKUP_SCRIPT: &str = include_str!("backup/backup.sh");
/// Says who may connect to the server, and fills an empty volume.
const PREPARE_SCRIPT: &str = include_str!("backup/prepare.sh");
/// A copy that takes longer has failed: none is made while one is under way.
const LONGEST_SECONDS: i64 = 6 * 60 * 60;

/// The name of the CronJob that makes copies.
pub fn backup_name(scope: &Scope<'_>) -> String {
    scope.object_name(BACKUP)
}

/// What makes copies, where that is asked for.
pub(super) fn cron_job(scope: &Scope<'_>) -> Option<CronJob> {
    let backup = scope.spec.backup.as_ref()?;
    let builtin = scope.spec.databases.own_server()?;
    let server = server_name(scope);
    let of_pod = |name: &str, label: &str| EnvVar {
        name: name.to_owned(),
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                field_path: format!("metadata.labels['batch.kubernetes.io/{label}']"),
                ..ObjectFieldSelector::default()
            }),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    };
    let container = Container {
        name: BACKUP.to_owned(),
        image: Some(builtin.image),
        image_pull_policy: Some(pull_policy(scope).to_owned()),
        command: Some(vec!["sh".to_owned(), "-c".to_owned(), BACKUP_SCRIPT.to_owned()]),
        env: Some(vec![
            of_pod("NAME", "job-name"),
            of_pod("JOB", "controller-uid"),
            variable("SCHEDULE", &backup_name(scope)),
            variable("KEEP", &backup.keep.to_string()),
            variable("PGHOST", &server),
            superuser_password(&server),
        ]),
        resources: Some(quantities(&[("cpu", "50m"), ("memory", "64Mi")], &[("memory", "256Mi")])),
        security_context: Some(container_security()),
        termination_message_policy: Some(LAST_WORDS.to_owned()),
        volume_mounts: Some(vec![mount(BACKUP, FOLDER)]),
        ..Container::default()
    };
    let pod = PodSpec {
        service_account_name: Some(server),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        security_context: Some(pod_security(POSTGRES_USER)),
        image_pull_secrets: pull_secrets(scope),
        restart_policy: Some("Never".to_owned()),
        containers: vec![container],
        volumes: Some(vec![volume(&backup.claim_name, false)]),
        ..PodSpec::default()
    };
    let metadata = ObjectMeta { labels: Some(labels(scope.name, BACKUP)), ..ObjectMeta::default() };
    let job = JobSpec {
        backoff_limit: Some(2),
        active_deadline_seconds: Some(LONGEST_SECONDS),
        template: PodTemplateSpec { metadata: Some(metadata.clone()), spec: Some(pod) },
        ..JobSpec::default()
    };
    Some(CronJob {
        metadata: scope.metadata(BACKUP),
        spec: Some(CronJobSpec {
            schedule: backup.schedule.clone(),
            time_zone: Some("Etc/UTC".to_owned()),
            concurrency_policy: Some("Forbid".to_owned()),
            // One that could not be made in time, because the cluster was away, is made late rather than not at all.
            starting_deadline_seconds: Some(LONGEST_SECONDS),
            successful_jobs_history_limit: Some(1),
            failed_jobs_history_limit: Some(1),
            job_template: JobTemplateSpec { metadata: Some(metadata), spec: Some(job) },
            ..CronJobSpec::default()
        }),
        ..CronJob::default()
    })
}

/// What runs before the server: it says who may connect, and fills an empty volume with the copy that is named.
pub(super) fn prepare(builtin: &BuiltinDatabases, server: &Container) -> Container {
    let restore = builtin.restore.as_ref();
    let mut mounts = server.volume_mounts.clone().unwrap_or_default();
    mounts.extend(restore.map(|_| mount(BACKUP, FOLDER)));
    let mut variables = server.env.clone().unwrap_or_default();
    variables.extend(restore.map(|restore| variable("BACKUP", &restore.backup)));
    Container {
        name: "prepare".to_owned(),
        command: Some(vec!["sh".to_owned(), "-c".to_owned(), PREPARE_SCRIPT.to_owned()]),
        env: Some(variables),
        image: server.image.clone(),
        image_pull_policy: server.image_pull_policy.clone(),
        resources: server.resources.clone(),
        security_context: server.security_context.clone(),
        termination_message_policy: server.termination_message_policy.clone(),
        volume_mounts: Some(mounts),
        ..Container::default()
    }
}

/// The volume that has the copy.
pub(super) fn restored_from(restore: &Restore) -> Volume {
    volume(&restore.claim_name, true)
}

fn volume(claim_name: &str, read_only: bool) -> Volume {
    let source = PersistentVolumeClaimVolumeSource {
        claim_name: claim_name.to_owned(),
        read_only: read_only.then_some(true),
    };
    Volume { name: BACKUP.to_owned(), persistent_volume_claim: Some(source), ..Volume::default() }
}
