mod backup;
mod network;
mod objects;
mod rollout;

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;

/// A platform of the cluster with this specification.
fn platform(spec: Value) -> MovieBookingPlatform {
    serde_json::from_value(json!({
        "apiVersion": "moviebooking.dev/v1alpha1",
        "kind": "MovieBookingPlatform",
        "metadata": { "name": "cinema", "namespace": "tickets", "uid": "01234567-89ab-cdef-0123-456789abcdef" },
        "spec": spec,
    }))
    .unwrap()
}

/// A cluster in which all databases can be used and nothing runs.
fn databases_ready() -> Observed {
    let claims = ["users", "theaters", "movies", "reservations", "tickets", "payments", "bank"];
    let claimed = |name: &str| Claimed {
        secret: Some(format!("cinema-{name}-credentials")),
        port: Some(5432),
        message: String::new(),
    };
    Observed {
        service_secret: "s".repeat(43),
        superuser_password: "p".repeat(43),
        claims: claims.map(|name| (name, claimed(name))).into(),
        ..Observed::default()
    }
}

/// The objects of a type in a plan.
fn all<T: kube::Resource<DynamicType = ()> + DeserializeOwned>(plan: &Plan) -> BTreeMap<String, T> {
    let wanted = plan.objects.iter().filter(|object| object.resource.kind == T::kind(&()));
    wanted
        .map(|object| (object.name.clone(), serde_json::from_value(object.value.clone()).unwrap()))
        .collect()
}

/// The cluster after it has done what the plan says, as far as a controller of Kubernetes would within its power: Jobs
/// complete and Deployments are rolled out.
fn carried_out(observed: &Observed, plan: &Plan) -> Observed {
    let mut next = observed.clone();
    next.migrations = all::<k8s_openapi::api::batch::v1::Job>(plan)
        .into_keys()
        .map(|name| (name, Migration::Complete))
        .collect();
    for (name, mut deployment) in all::<Deployment>(plan) {
        let replicas = deployment.spec.as_ref().and_then(|spec| spec.replicas).or(Some(1));
        deployment.status = Some(DeploymentStatus {
            replicas,
            updated_replicas: replicas,
            ready_replicas: replicas,
            available_replicas: replicas,
            ..DeploymentStatus::default()
        });
        next.deployments.insert(name, deployment);
    }
    next
}

/// The cluster when nothing is left to do, and the last plan.
fn converged(platform: &MovieBookingPlatform, mut observed: Observed) -> (Observed, Plan) {
    for _ in 0..20 {
        let plan = plan(platform, &observed).unwrap();
        if plan.progress.iter().all(|(_, progress)| progress.turn == Turn::Done) {
            return (observed, plan);
        }
        observed = carried_out(&observed, &plan);
    }
    panic!("it never ends");
}
