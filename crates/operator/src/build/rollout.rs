//! How a new version, or other settings, reach the components: when all before it are rolled out, each one's databases are
//! migrated, and then it is; what fails stops there, and the rest goes on as it is. A new platform's databases are migrated
//! all at once.

use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        batch::v1::{
            Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement,
            PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule,
        },
        core::v1::PodTemplateSpec,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{
    BuildError, Observed, Plan,
    database::databases,
    pod::{self, Bindings},
    scope::{Scope, labels},
    workload,
};
use crate::{
    graph::{COMPONENTS, Component},
    object::{Key, Object},
};

/// The annotation of a Deployment with the digest of its pods' template, as this program wrote it.
pub const TEMPLATE: &str = "moviebooking.dev/template";
/// The label value of the pods of all migrations.
pub(super) const MIGRATION: &str = "migration";
/// The name of the container that runs migrations.
pub(super) const MIGRATE: &str = "migrate";
/// A migration is tried so often again, after 10, 20, 40, … seconds.
const MIGRATION_RETRIES: i32 = 6;
/// The exit codes of what no repetition mends: EX_USAGE and EX_CONFIG of sysexits.h.
const HOPELESS: [i32; 2] = [64, 78];

/// How a migration does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Migration {
    /// It has not ended.
    Running,
    /// It is done.
    Complete,
    /// It has failed, and why.
    Failed(String),
}

/// Where a component is in a roll-out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The version that its pods are at or on the way to; nothing before there are any.
    pub version: Option<String>,
    /// How many replicas there are to be.
    pub replicas: i32,
    /// How many are ready.
    pub ready: i32,
    /// Whose turn it is.
    pub turn: Turn,
}

/// What is wrong with a Secret that a platform names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    /// One word for it.
    pub reason: &'static str,
    /// What it is, and what to do.
    pub message: String,
}

/// What a component waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Its databases.
    Database(String),
    /// A Secret that a person is to make or correct.
    Secret(Lack),
    /// Its migration.
    Migrating,
    /// Somebody to look at its migration, which has failed.
    MigrationFailed {
        /// The name of its Job.
        job: String,
        /// What Kubernetes says of it.
        why: String,
    },
    /// The components before it.
    After(&'static str),
    /// Its new pods.
    RollingOut,
    /// Somebody to look at its new pods, which do not become ready.
    RolloutFailed(String),
    /// Nothing.
    Done,
}

/// Adds the migrations and Deployments to the plan.
pub(super) fn add(plan: &mut Plan, scope: &Scope<'_>, observed: &Observed) -> Result<(), BuildError> {
    let mut before: Option<&'static str> = None;
    for component in &COMPONENTS {
        let name = scope.object_name(component.name);
        let there = observed.deployments.get(&name);
        let bindings = bindings(scope, component, observed);
        let waits = match &bindings {
            Err(message) => Some(Turn::Database(message.clone())),
            Ok(_) => observed.missing.get(component.name).cloned().map(Turn::Secret),
        };
        if let (None, Ok(bindings)) = (&waits, &bindings) {
            let deployment = deployment(scope, component, bindings, observed)?;
            let is_new = there.is_none_or(|there| template_of(there) != template_of(&deployment));
            let (mut migration, mut job_name) = (Some(Migration::Complete), String::new());
            if component.database {
                let job = self::migration(scope, component, bindings)?;
                job_name = job.metadata.name.clone().unwrap_or_default();
                let state = observed.migrations.get(&job_name);
                // What runs already needs none, whatever became of the one before. What is to be replaced runs on a
                // migrated database as it is, but could not start on it: it is migrated in its turn and no earlier.
                let is_due = is_new && (there.is_none() || before.is_none());
                if is_due || state.is_some() {
                    plan.objects.push(Object::of(&job)?);
                }
                migration = state.cloned();
            }
            let turn = match (migration, before) {
                // What is there already is kept as it is to be, whatever others wait for.
                _ if !is_new => there.map_or(Turn::RollingOut, state),
                (Some(Migration::Failed(why)), _) => Turn::MigrationFailed { job: job_name, why },
                (Some(Migration::Complete), None) => Turn::RollingOut,
                (Some(Migration::Complete), Some(before)) => Turn::After(before),
                (None, Some(before)) if there.is_some() => Turn::After(before),
                (Some(Migration::Running) | None, _) => Turn::Migrating,
            };
            if matches!(turn, Turn::RollingOut | Turn::RolloutFailed(_) | Turn::Done) {
                plan.objects.push(Object::of(&deployment)?);
            } else {
                plan.kept.insert(Key::of::<Deployment>(&name));
            }
            plan.progress.push((component.name, progress(scope, component, there, turn)));
        } else {
            plan.kept.insert(Key::of::<Deployment>(&name));
            let turn = waits.unwrap_or(Turn::Migrating);
            plan.progress.push((component.name, progress(scope, component, there, turn)));
        }
        let done = plan.progress.last().is_some_and(|(_, progress)| progress.turn == Turn::Done);
        if !done && before.is_none() {
            before = Some(component.name);
        }
    }
    Ok(())
}

/// The Secrets of the component's databases, or what it waits for.
fn bindings(scope: &Scope<'_>, component: &Component, observed: &Observed) -> Result<Bindings, String> {
    let mut bindings = Bindings::new();
    for (_, database) in databases(scope.spec).filter(|(owner, _)| *owner == component.name) {
        match observed.claims.get(database) {
            Some(claimed) => match &claimed.secret {
                Some(secret) => drop(bindings.insert(database, secret.clone())),
                None => return Err(format!("database {database}: {}", claimed.message)),
            },
            None => return Err(format!("database {database}: it is not claimed yet")),
        }
    }
    Ok(bindings)
}

fn deployment(
    scope: &Scope<'_>,
    component: &Component,
    bindings: &Bindings,
    observed: &Observed,
) -> Result<Deployment, BuildError> {
    let digest_of_secrets = observed.read_at_start.get(component.name);
    let annotations: Vec<_> =
        digest_of_secrets.map(|digest| ("moviebooking.dev/secrets", digest.clone())).into_iter().collect();
    let mut deployment = workload::deployment(scope, component, bindings, &annotations);
    let digest = digest(&deployment.spec.as_ref().map(|spec| &spec.template))?;
    deployment.metadata.annotations = Some([(TEMPLATE.to_owned(), digest)].into());
    Ok(deployment)
}

fn template_of(deployment: &Deployment) -> Option<&String> {
    deployment.metadata.annotations.as_ref()?.get(TEMPLATE)
}

/// The Job that migrates the component's databases; another one whenever anything about it is different, because a Job
/// cannot be changed.
fn migration(scope: &Scope<'_>, component: &Component, bindings: &Bindings) -> Result<Job, BuildError> {
    let part = format!("{}-migrate", component.name);
    let template = PodTemplateSpec {
        metadata: Some(ObjectMeta {
            // Not those of the component, whose Service and policies its pods are none of.
            labels: Some(labels(scope.name, MIGRATION)),
            ..ObjectMeta::default()
        }),
        spec: Some(pod::of_migration(scope, component, bindings)),
    };
    let mut metadata = scope.metadata(&part);
    metadata.name = Some(scope.object_name(&format!("{part}-{}", digest(&template)?)));
    Ok(Job {
        metadata,
        spec: Some(JobSpec {
            backoff_limit: Some(MIGRATION_RETRIES),
            pod_failure_policy: Some(failure_policy()),
            template,
            ..JobSpec::default()
        }),
        ..Job::default()
    })
}

/// What is hopeless fails at once, and a pod that was evicted is no failure.
fn failure_policy() -> PodFailurePolicy {
    let hopeless = PodFailurePolicyOnExitCodesRequirement {
        container_name: Some(MIGRATE.to_owned()),
        operator: "In".to_owned(),
        values: HOPELESS.to_vec(),
    };
    let evicted = PodFailurePolicyOnPodConditionsPattern {
        type_: "DisruptionTarget".to_owned(),
        status: "True".to_owned(),
    };
    PodFailurePolicy {
        rules: vec![
            PodFailurePolicyRule {
                action: "FailJob".to_owned(),
                on_exit_codes: Some(hopeless),
                ..PodFailurePolicyRule::default()
            },
            PodFailurePolicyRule {
                action: "Ignore".to_owned(),
                on_pod_conditions: Some(vec![evicted]),
                ..PodFailurePolicyRule::default()
            },
        ],
    }
}

/// Ten hexadecimal digits of the value's SHA-256.
pub(super) fn digest(value: &impl Serialize) -> serde_json::Result<String> {
    Ok(hex::encode(&Sha256::digest(serde_json::to_vec(value)?)[..5]))
}

/// How the roll-out of a Deployment does that is as it is to be.
fn state(deployment: &Deployment) -> Turn {
    let status = deployment.status.clone().unwrap_or_default();
    let is_seen = status.observed_generation >= deployment.metadata.generation;
    let wanted = wanted(deployment);
    if is_seen
        && status.updated_replicas.unwrap_or(0) >= wanted
        && status.available_replicas.unwrap_or(0) >= wanted
        && status.replicas.unwrap_or(0) <= status.updated_replicas.unwrap_or(0)
    {
        return Turn::Done;
    }
    let conditions = status.conditions.unwrap_or_default();
    let stuck = conditions.iter().find(|condition| {
        is_seen
            && (condition.type_ == "Progressing"
                && condition.reason.as_deref() == Some("ProgressDeadlineExceeded")
                || condition.type_ == "ReplicaFailure" && condition.status == "True")
    });
    stuck.map_or(Turn::RollingOut, |stuck| Turn::RolloutFailed(stuck.message.clone().unwrap_or_default()))
}

fn wanted(deployment: &Deployment) -> i32 {
    deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
}

fn progress(scope: &Scope<'_>, component: &Component, there: Option<&Deployment>, turn: Turn) -> Progress {
    let status = there.and_then(|there| there.status.as_ref());
    Progress {
        version: there.and_then(version),
        replicas: workload::replicas(scope, component).unwrap_or_else(|| there.map_or(0, wanted)),
        ready: status.and_then(|status| status.ready_replicas).unwrap_or(0),
        turn,
    }
}

/// The tag of the image of a Deployment's pods.
fn version(deployment: &Deployment) -> Option<String> {
    let container = deployment.spec.as_ref()?.template.spec.as_ref()?.containers.first()?;
    container.image.as_ref()?.rsplit_once(':').map(|(_, tag)| tag.to_owned())
}
