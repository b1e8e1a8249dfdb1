//! What is said of a platform.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    backup,
    trouble::{self, Trouble},
};
use crate::{
    api::{Conditions, MovieBookingPlatform, MovieBookingPlatformStatus, ServiceStatus, State},
    build::{Plan, Progress, Scope, Turn, url},
};

/// What is wrong with pods, by component or Job.
pub(super) type Troubles = BTreeMap<String, Trouble>;

/// What was seen of the cluster beside the plan.
pub(super) struct Seen {
    /// What is wrong with pods.
    pub(super) troubles: Troubles,
    /// What could not be applied.
    pub(super) refused: Option<String>,
    /// Whether anybody serves the platform's Ingress, where it has one.
    pub(super) ingress: Option<State>,
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
            message: message(scope, name, progress, &seen.troubles),
        })
        .collect();
    let databases = databases(plan);
    let migrations = migrations(scope, plan, &services, &seen.troubles);
    let rollout = rollout(plan, &services, &seen.troubles);
    let ready = match &seen.refused {
        Some(why) if why.contains("exceeded quota") => {
            State::fails("QuotaExceeded", format!("{why}: raise the namespace's quota"))
        }
        Some(why) => State::fails("ApplyFailed", why),
        None => [&databases, &migrations, &rollout]
            .into_iter()
            .chain(&seen.ingress)
            .chain(&seen.routes)
            .find(|state| state.holds != Some(true))
            .cloned()
            .unwrap_or_else(|| State::holds("Serving", format!("version {} serves", scope.spec.version))),
    };
    let mut conditions = Conditions::new(&before.conditions, generation, now);
    conditions.set("DatabasesReady", &databases);
    conditions.set("MigrationsComplete", &migrations);
    conditions.set("RolloutComplete", &rollout);
    if let Some(ingress) = &seen.ingress {
        conditions.set("IngressAccepted", ingress);
    }
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

fn migrations(scope: &Scope<'_>, plan: &Plan, services: &[ServiceStatus], troubles: &Troubles) -> State {
    let turns = || plan.progress.iter().map(|(_, progress)| &progress.turn).zip(services);
    if let Some((_, failed)) = turns().find(|(turn, _)| matches!(turn, Turn::MigrationFailed { .. })) {
        return State::fails("MigrationFailed", say(failed));
    }
    // Those with a trouble first: it tells more than that another one is not done.
    let of =
        |service: &ServiceStatus| of_migration(scope, &service.name, troubles).map(|(_, trouble)| trouble);
    let running = || turns().filter(|(turn, _)| matches!(turn, Turn::Migrating));
    if let Some((service, trouble)) =
        running().find_map(|(_, service)| of(service).map(|trouble| (service, trouble)))
    {
        return State::fails(trouble.reason.unwrap_or("MigrationFailed"), say(service));
    }
    match turns().find(|(turn, _)| matches!(turn, Turn::Migrating | Turn::Database(_))) {
        Some((_, running)) => State::fails("Migrating", say(running)),
        None => State::holds("Complete", "all databases are migrated"),
    }
}

fn rollout(plan: &Plan, services: &[ServiceStatus], troubles: &Troubles) -> State {
    let turns = || plan.progress.iter().map(|(_, progress)| &progress.turn).zip(services);
    let of = |service: &ServiceStatus| troubles.get(&service.name);
    if let Some((turn, failed)) = turns().find(|(turn, _)| matches!(turn, Turn::RolloutFailed(_))) {
        let of_pods = of(failed).and_then(|trouble| trouble.reason);
        return State::fails(of_pods.unwrap_or(reason_of(turn)), say(failed));
    }
    for (turn, waits) in turns() {
        if let Turn::Secret(lack) = turn {
            return State::fails(lack.reason, say(waits));
        }
    }
    match turns().find(|(turn, _)| !matches!(turn, Turn::Done)) {
        Some((Turn::RollingOut, next)) => {
            let reason = of(next).map(|trouble| trouble.reason.unwrap_or("ProcessFailed"));
            State::fails(reason.unwrap_or("RollingOut"), say(next))
        }
        Some((_, next)) => State::fails("RollingOut", say(next)),
        None => State::holds("Complete", "all services are rolled out"),
    }
}

/// Why a roll-out has failed, by what its Deployment says.
fn reason_of(turn: &Turn) -> &'static str {
    match turn {
        Turn::RolloutFailed(why) => trouble::unmade("", "", why).reason.unwrap_or("RolloutFailed"),
        _ => "RolloutFailed",
    }
}

fn say(service: &ServiceStatus) -> String {
    format!("{}: {}", service.name, service.message.as_deref().unwrap_or_default())
}

/// The Job of a service's migration that is in trouble, and the trouble.
fn of_migration<'a>(
    scope: &Scope<'_>,
    service: &str,
    troubles: &'a Troubles,
) -> Option<(&'a String, &'a Trouble)> {
    let jobs = scope.object_name(&format!("{service}-migrate-"));
    troubles.iter().find(|(whose, _)| whose.starts_with(&jobs))
}

/// What a component waits for, in words.
fn message(scope: &Scope<'_>, name: &str, progress: &Progress, troubles: &Troubles) -> Option<String> {
    let of_job = of_migration(scope, name, troubles);
    let add = |text: String, trouble: Option<&Trouble>| match trouble {
        Some(trouble) => format!("{text}: {trouble}"),
        None => text,
    };
    let of_pods = troubles.get(name);
    Some(match &progress.turn {
        Turn::Done => return None,
        Turn::Database(message) => message.clone(),
        Turn::Secret(lack) => lack.message.clone(),
        Turn::Migrating => match of_job {
            Some((job, trouble)) if trouble.reason.is_none() => {
                format!(
                    "the migration fails and is tried again: {trouble}; the version before goes on; `kubectl logs job/{job}` tells more"
                )
            }
            _ => add("its databases are being migrated".to_owned(), of_job.map(|(_, trouble)| trouble)),
        },
        Turn::MigrationFailed { job, why } => {
            let failed = add(format!("the migration has failed ({why})"), of_job.map(|(_, trouble)| trouble));
            format!(
                "{failed}; the version before goes on; `kubectl logs job/{job}` tells more, `kubectl delete job/{job}` has it tried again"
            )
        }
        Turn::After(before) => format!("waits for {before}"),
        Turn::RollingOut => {
            add(format!("{} of {} replicas are ready", progress.ready, progress.replicas), of_pods)
        }
        Turn::RolloutFailed(why) => {
            let deployment = scope.object_name(name);
            let why = if reason_of(&progress.turn) == "RolloutFailed" {
                why.clone()
            } else {
                trouble::unmade("Deployment", &deployment, why).to_string()
            };
            add(format!("new pods do not become ready ({why})"), of_pods)
        }
    })
}
