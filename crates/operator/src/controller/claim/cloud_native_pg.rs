//! A claim to a database on a Cluster of CloudNativePG, which makes role and database of resources of its own and says in
//! their status when they are applied.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt as _, core::DynamicObject};

use super::{Found, namespace};
use crate::{
    api::{CloudNativePgClaim, DatabaseClaim, State},
    apply::{self, Live},
    build::{self, cloud_native_pg_objects, owner},
    controller::{Context, ReconcileError, observe},
    foreign::Foreign,
    object::{Object, claim_kinds},
};

/// The kinds without which there is no such database.
const NEEDED: [Foreign; 3] = [Foreign::Cluster, Foreign::DatabaseRole, Foreign::Database];

/// Makes role and database, which CloudNativePG does once the Cluster can be written to.
pub(super) async fn on_cluster(
    claim: &DatabaseClaim,
    asked: &CloudNativePgClaim,
    context: &Context,
) -> Result<Found, ReconcileError> {
    let (client, namespace, served) = (&context.client, namespace(claim), context.served());
    if let Some(missing) = NEEDED.iter().find(|kind| !served.contains(kind)) {
        let message = format!(
            "the API server knows no {} of CloudNativePG: install CloudNativePG 1.30 or newer",
            missing.kind()
        );
        return Ok(Found::not_yet("CloudNativePGMissing", message));
    }
    let name = &asked.cluster;
    let clusters =
        Api::<DynamicObject>::namespaced_with(client.clone(), &namespace, &Foreign::Cluster.resource());
    let Some(cluster) = clusters.get_opt(name).await? else {
        let message = format!("there is no Cluster {name} in this namespace: make it, or name another one");
        return Ok(Found::not_yet("ClusterMissing", message));
    };
    let status = &cluster.data["status"];
    let service = status["writeService"].as_str().map_or_else(|| format!("{name}-rw"), str::to_owned);
    let secrets = Api::<Secret>::namespaced(client.clone(), &namespace);
    let credentials = format!("{}-credentials", claim.name_any());
    let password = observe::value(&secrets, &credentials, "password").await?;
    let password = password.unwrap_or_else(observe::random_secret);
    let objects = cloud_native_pg_objects(claim, asked, &service, &password)?;
    let (Some(objects), Some(owner)) = (objects, owner(claim)) else {
        return Err(build::BuildError::NotStored(build::NotStored).into());
    };
    let live = apply::live(client, &namespace, &claim.name_any(), &claim_kinds(&served)).await?;
    let progress = [&objects.role, &objects.database].map(|object| progress(object, &live));
    let wanted =
        [Object::of(&objects.credentials)?, Object::of(&objects.password)?, objects.role, objects.database];
    let mut errors = apply::apply(client, &namespace, &owner, &wanted, &BTreeSet::new(), &live).await;
    if !errors.is_empty() {
        return Err(ReconcileError::Apply(errors.swap_remove(0)));
    }
    // What cannot be done is of more interest than what has not begun.
    let state = match progress.into_iter().max() {
        None | Some(Progress::Applied) => State::holds("Bound", "role and database are made"),
        Some(Progress::Refused(message)) => State::fails("SetupFailed", message),
        Some(Progress::Pending) => {
            let phase = status["phase"].as_str().unwrap_or("nothing yet");
            let message =
                format!("CloudNativePG has not made role and database yet; the Cluster {name} says: {phase}");
            State::fails("SettingUp", message)
        }
    };
    let is_ready = state.holds == Some(true);
    Ok(Found {
        state,
        secret: is_ready.then_some(credentials),
        host: Some(format!("{service}.{namespace}.svc")),
        port: Some(5432),
    })
}

/// What CloudNativePG has made of a resource.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Progress {
    /// What it is to be.
    Applied,
    /// Nothing yet, of this generation.
    Pending,
    /// It cannot, and why.
    Refused(String),
}

fn progress(object: &Object, live: &Live) -> Progress {
    let Some(there) = live.get(&object.key()) else { return Progress::Pending };
    let status = &there.data["status"];
    if status["observedGeneration"].as_i64() < there.metadata.generation {
        // It tells of a failure without a generation.
        return match status["message"].as_str().filter(|_| status["applied"] == false) {
            Some(message) => Progress::Refused(refusal(object, message)),
            None => Progress::Pending,
        };
    }
    match status["applied"].as_bool() {
        Some(true) => Progress::Applied,
        Some(false) => Progress::Refused(refusal(object, status["message"].as_str().unwrap_or_default())),
        None => Progress::Pending,
    }
}

fn refusal(object: &Object, message: &str) -> String {
    format!("CloudNativePG cannot apply the {} {}: {message}", object.resource.kind, object.name)
}

#[cfg(test)]
mod tests {
    use kube::core::ObjectMeta;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_resource_counts_as_applied_in_its_present_form_alone() {
        let metadata = ObjectMeta { name: Some("one".to_owned()), ..ObjectMeta::default() };
        let object = Foreign::Database.object(&metadata, json!({})).unwrap();
        let progress_of = |status: Value| {
            let mut there = DynamicObject::new("one", &Foreign::Database.resource());
            there.metadata.generation = Some(2);
            there.data = json!({ "status": status });
            progress(&object, &[(object.key(), there)].into())
        };
        assert_eq!(progress(&object, &Live::new()), Progress::Pending);
        assert_eq!(progress_of(Value::Null), Progress::Pending);
        assert_eq!(progress_of(json!({ "applied": true, "observedGeneration": 1 })), Progress::Pending);
        assert_eq!(progress_of(json!({ "applied": true, "observedGeneration": 2 })), Progress::Applied);
        // A replica cluster: it is not known.
        assert_eq!(progress_of(json!({ "observedGeneration": 2 })), Progress::Pending);
        let refused = progress_of(json!({ "applied": false, "message": "no such role" }));
        assert_eq!(
            refused,
            Progress::Refused("CloudNativePG cannot apply the Database one: no such role".to_owned())
        );
    }
}
