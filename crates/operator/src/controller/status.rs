//! What is said of a platform.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::backup;
use crate::{
    api::{Conditions, MovieBookingPlatform, MovieBookingPlatformStatus, ServiceStatus, State},
    build::{Plan, Scope, Turn, url},
};

/// What was seen of the cluster beside the plan.
#[derive(Default)]
pub(super) struct Seen {
    /// What is wrong with pods, by component or Job.
    pub(super) troubles: BTreeMap<String, String>,
    /// What could not be applied.
    pub(super) refused: Option<String>,
    /// Whether the Gateway takes the platform's routes, where it has any.
    pub(super) routes: Option<State>,
    /// Its backups, where it has any.
    pub(super) backup: Option<backup::Found>,
}

/// The status of a platform that is as the plan says, but for what was seen.
pub(super) fn of(
    platform: &MovieBookingPlatform,
    scope: &Scope<'_>,
    plan: &Plan,
    seen: Seen,
    now: Timestamp,
) -> MovieBookingPlatformStatus {
    let before = platform.status.clone().unwrap_or_default();
    let generation = platform.metadata.generation;
    let services: Vec<ServiceStatus> = plan
        .progress
        .iter()
        .map(|(name, progress)| ServiceStatus {
            name: (*name).to_owned(),
            version: progress.version.clone(),
            replicas: progress.replicas,
            ready_replicas: progress.ready,
            message: message(scope, name, progress.ready, progress.replicas, &progress.turn, &seen.troubles),
        })
        .collect();
    let databases = databases(plan);
    let migrations = migrations(plan, &services);
    let rollout = rollout(plan, &services);
    let ready = match &seen.refused {
        Some(why) => State::fails("ApplyFailed", why),
        None => [&databases, &migrations, &rollout]
            .into_iter()
            .chain(&seen.routes)
            .find(|state| state.holds != Some(true))
            .cloned()
            .unwrap_or_else(|| State::holds("Serving", format!("version {} serves", scope.spec.version))),
    };
    let mut conditions = Conditions::new(&before.conditions, generation, now);
    conditions.set("DatabasesReady", &databases);
    conditions.set("MigrationsComplete", &migrations);
    conditions.set("RolloutComplete", &rollout);
    if let Some(routes) = &seen.routes {
        conditions.set("RoutesAccepted", routes);
    }
    let is_ready = ready.holds == Some(true);
    conditions.set("Ready", &ready);
    if let Some(backup) = &seen.backup {
        conditions.set("BackupSucceeded", &backup.state);
    }
    MovieBookingPlatformStatus {
        backup: seen.backup.map(|backup| backup.status),
        observed_generation: generation,
        version: if is_ready { Some(scope.spec.version.clone()) } else { before.version },
        url: Some(url(scope)),
        conditions: conditions.finish(),
        services,
    }
}

/// The status of a platform that is left as it is.
pub(super) fn suspended(platform: &MovieBookingPlatform, now: Timestamp) -> MovieBookingPlatformStatus {
    let state = State {
        holds: None,
        reason: "Suspended",
        message: "the operator leaves the platform as it is; set spec.suspend to false to go on".to_owned(),
    };
    alone(platform.status.clone().unwrap_or_default(), platform.metadata.generation, &state, now)
}

/// A status of which only `Ready` is new.
pub(super) fn alone(
    before: MovieBookingPlatformStatus,
    generation: Option<i64>,
    ready: &State,
    now: Timestamp,
) -> MovieBookingPlatformStatus {
    let mut conditions = Conditions::new(&before.conditions, generation, now);
    conditions.set("Ready", ready);
    let others = before.conditions.iter().filter(|condition| condition.type_ != "Ready").cloned();
    let conditions = others.chain(conditions.finish()).collect();
    MovieBookingPlatformStatus { observed_generation: generation, conditions, ..before }
}

fn databases(plan: &Plan) -> State {
    let waits = plan.progress.iter().find_map(|(_, progress)| match &progress.turn {
        Turn::Database(message) => Some(message.clone()),
        _ => None,
    });
    match waits {
        None => State::holds("Ready", "all databases can be used"),
        Some(message) => State::fails("DatabaseNotReady", message),
    }
}

fn migrations(plan: &Plan, services: &[ServiceStatus]) -> State {
    let turns = || plan.progress.iter().map(|(_, progress)| &progress.turn).zip(services);
    let say = |service: &ServiceStatus| {
        format!("{}: {}", service.name, service.message.as_deref().unwrap_or_default())
    };
    if let Some((_, failed)) = turns().find(|(turn, _)| matches!(turn, Turn::MigrationFailed(_))) {
        return State::fails("MigrationFailed", say(failed));
    }
    match turns().find(|(turn, _)| matches!(turn, Turn::Migrating | Turn::Database(_))) {
        Some((_, running)) => State::fails("Migrating", say(running)),
        None => State::holds("Complete", "all databases are migrated"),
    }
}

fn rollout(plan: &Plan, services: &[ServiceStatus]) -> State {
    let turns = || plan.progress.iter().map(|(_, progress)| &progress.turn).zip(services);
    let say = |service: &ServiceStatus| {
        format!("{}: {}", service.name, service.message.as_deref().unwrap_or_default())
    };
    if let Some((_, failed)) = turns().find(|(turn, _)| matches!(turn, Turn::RolloutFailed(_))) {
        return State::fails("RolloutFailed", say(failed));
    }
    if let Some((_, waits)) = turns().find(|(turn, _)| matches!(turn, Turn::Secret(_))) {
        return State::fails("SecretMissing", say(waits));
    }
    match turns().find(|(turn, _)| !matches!(turn, Turn::Done)) {
        Some((_, next)) => State::fails("RollingOut", say(next)),
        None => State::holds("Complete", "all services are rolled out"),
    }
}

/// What a component waits for, in words.
fn message(
    scope: &Scope<'_>,
    name: &str,
    ready: i32,
    replicas: i32,
    turn: &Turn,
    troubles: &BTreeMap<String, String>,
) -> Option<String> {
    let job = scope.object_name(&format!("{name}-migrate-"));
    let of_job = troubles.iter().find(|(whose, _)| whose.starts_with(&job)).map(|(_, trouble)| trouble);
    let of_pods = troubles.get(name);
    let add = |text: String, trouble: Option<&String>| match trouble {
        Some(trouble) => format!("{text}: {trouble}"),
        None => text,
    };
    Some(match turn {
        Turn::Done => return None,
        Turn::Database(message) | Turn::Secret(message) => message.clone(),
        Turn::Migrating => add("its databases are being migrated".to_owned(), of_job),
        Turn::MigrationFailed(why) => add(
            format!(
                "the migration has failed ({why}); the version before goes on; see the logs of the Job {job}…, and delete it to try again"
            ),
            of_job,
        ),
        Turn::After(before) => format!("waits for {before}"),
        Turn::RollingOut => add(format!("{ready} of {replicas} replicas are ready"), of_pods),
        Turn::RolloutFailed(why) => add(format!("new pods do not become ready ({why})"), of_pods),
    })
}
