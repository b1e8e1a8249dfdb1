//! From a platform and what is known of the cluster to the objects that it consists of. Nothing here talks to a cluster.

mod backup;
mod claim;
mod cloud_native_pg;
mod database;
mod gateway;
mod network;
mod pod;
mod rollout;
mod routes;
mod scope;
mod workload;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::Deployment;

pub use backup::backup_name;
pub use claim::{ClaimObjects, Server, claim_objects, teardown};
pub use cloud_native_pg::{CloudNativePgObjects, cloud_native_pg_objects};
pub use database::{SERVER, SUPERUSER, server_name};
pub use gateway::url;
pub use pod::{Bindings, SERVICE_SECRET};
pub use rollout::{Lack, Migration, Progress, TEMPLATE, Turn};
pub use routes::routes_asked_for;
pub use scope::{INSTANCE, MANAGED_BY, MANAGER, NAME, NotStored, Scope, owner};

use crate::{
    api::MovieBookingPlatform,
    foreign::Foreign,
    graph::COMPONENTS,
    object::{Key, Object},
};

/// What is known of a platform's surroundings, as far as its objects depend on it.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The kinds of others that the cluster serves.
    pub served: BTreeSet<Foreign>,
    /// The secret that the services know each other by: the one that is there, or a new one.
    pub service_secret: String,
    /// The password of the superuser of the platform's PostgreSQL server: the one that is there, or a new one.
    pub superuser_password: String,
    /// The databases' claims, by database.
    pub claims: BTreeMap<&'static str, Claimed>,
    /// How the migrations do, by the name of the Job.
    pub migrations: BTreeMap<String, Migration>,
    /// The Deployments that are there, by name.
    pub deployments: BTreeMap<String, Deployment>,
    /// What is wrong with the Secrets that the platform names, by component that needs it.
    pub missing: BTreeMap<&'static str, Lack>,
    /// A digest of the Secrets that a component reads at its start alone: a change of them rolls it out.
    pub read_at_start: BTreeMap<&'static str, String>,
}

/// A claim to a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claimed {
    /// The Secret with the database's URL, once it can be used.
    pub secret: Option<String>,
    /// The port of its server.
    pub port: Option<u16>,
    /// What it waits for.
    pub message: String,
}

/// What a platform is to consist of.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Objects as they are to be.
    pub objects: Vec<Object>,
    /// Objects that stay as they are for the time being, whatever that is.
    pub kept: BTreeSet<Key>,
    /// Where the roll-out is, in its order.
    pub progress: Vec<(&'static str, Progress)>,
}

/// Why nothing could be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// It has no name, namespace or uid.
    #[error(transparent)]
    NotStored(#[from] NotStored),
    /// An object cannot be written as JSON.
    #[error("an object cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

/// What `platform` is to consist of now.
///
/// # Errors
/// When it does not come from a cluster.
pub fn plan(platform: &MovieBookingPlatform, observed: &Observed) -> Result<Plan, BuildError> {
    let scope = Scope::new(platform)?;
    let mut plan = Plan::default();
    plan.objects.push(Object::of(&workload::service_secret(&scope, &observed.service_secret))?);
    plan.objects.extend(database::of_platform(&scope, &observed.superuser_password, &observed.served)?);
    for component in &COMPONENTS {
        plan.objects.push(Object::of(&workload::service_account(&scope, component))?);
        plan.objects.push(Object::of(&workload::service(&scope, component))?);
        plan.objects.push(Object::of(&workload::disruption_budget(&scope, component))?);
        if let Some(autoscaler) = workload::autoscaler(&scope, component) {
            plan.objects.push(Object::of(&autoscaler)?);
        }
    }
    if scope.spec.network_policies {
        for policy in network::policies(&scope, observed) {
            plan.objects.push(Object::of(&policy)?);
        }
    }
    if let Some(backup) = backup::cron_job(&scope) {
        plan.objects.push(Object::of(&backup)?);
    }
    if let Some(ingress) = gateway::ingress(&scope) {
        plan.objects.push(Object::of(&ingress)?);
    }
    if let Some(routes) = &scope.spec.gateway.routes {
        for kind in routes_asked_for(&scope).into_iter().filter(|kind| observed.served.contains(kind)) {
            plan.objects.push(routes::route(&scope, routes, kind)?);
        }
    }
    rollout::add(&mut plan, &scope, observed)?;
    Ok(plan)
}

#[cfg(test)]
mod tests;
