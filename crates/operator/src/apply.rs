//! From a plan to the cluster: server-side apply with one field manager, and nothing where nothing is different.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{
    Api, Client, ResourceExt as _,
    api::{
        ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, Preconditions, TypeMeta,
    },
};
use serde_json::{Value, json};

use crate::{
    build::{INSTANCE, MANAGED_BY, MANAGER},
    foreign::Foreign,
    metrics,
    object::{Key, Object, claim_kinds, platform_kinds},
};

/// The annotation with the digest of an object as it was applied: it tells when a field that was applied once is to go.
const APPLIED: &str = "moviebooking.dev/applied";
/// The field manager that keeps the number of replicas while an autoscaler takes it over.
const HANDOVER: &str = "moviebooking-operator-handover";

/// The kind whose replicas are handed over.
const REPLICATED: &str = "Deployment";

/// The objects of a resource as they are, by what they are found by.
pub type Live = BTreeMap<Key, DynamicObject>;

/// Lists the objects of the kinds that belong to `instance`.
///
/// # Errors
/// When the API server does not answer as it should.
pub async fn live(
    client: &Client,
    namespace: &str,
    instance: &str,
    kinds: &[ApiResource],
) -> Result<Live, kube::Error> {
    let params = ListParams::default().labels(&format!("{MANAGED_BY}={MANAGER},{INSTANCE}={instance}"));
    let lists = kinds.iter().map(|kind| {
        let api = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, kind);
        let params = &params;
        async move { Ok::<_, kube::Error>((kind, api.list(params).await?)) }
    });
    let lists = futures::future::try_join_all(lists).await?;
    let objects = lists.into_iter().flat_map(|(kind, list)| {
        list.items.into_iter().map(move |mut object| {
            if kind.kind != REPLICATED {
                // Longer than the rest, and of no interest.
                object.metadata.managed_fields = None;
            }
            // The items of a list do not say it.
            object.types = Some(TypeMeta { api_version: kind.api_version.clone(), kind: kind.kind.clone() });
            (Key { kind: kind.kind.clone(), name: object.name_any() }, object)
        })
    });
    Ok(objects.collect())
}

/// What could not be done.
#[derive(Debug, thiserror::Error)]
#[error("{kind} {name} cannot be {action}: {source}")]
pub struct ApplyError {
    kind: String,
    name: String,
    action: &'static str,
    source: kube::Error,
}

impl ApplyError {
    /// Whether the API server does not want it, and will not until somebody changes something.
    pub fn is_refusal(&self) -> bool {
        matches!(&self.source, kube::Error::Api(status) if matches!(status.code, 403 | 422))
            && !self.namespace_ends()
    }

    /// Whether that is because the namespace is being deleted, where nothing new can be made.
    pub fn namespace_ends(&self) -> bool {
        let kube::Error::Api(status) = &self.source else { return false };
        let causes = status.details.iter().flat_map(|details| &details.causes);
        status.code == 403 && causes.into_iter().any(|cause| cause.reason == "NamespaceTerminating")
    }
}

/// Makes the cluster's objects those of a plan: what differs is applied, and what `owner` owns beside them and `kept` is
/// deleted. An object that cannot be had does not hold up the others.
pub async fn apply(
    client: &Client,
    namespace: &str,
    owner: &OwnerReference,
    objects: &[Object],
    kept: &BTreeSet<Key>,
    live: &Live,
) -> Vec<ApplyError> {
    let mut errors = Vec::new();
    let mut wanted = kept.clone();
    for object in objects {
        let key = object.key();
        let there = live.get(&key);
        wanted.insert(key);
        let api = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &object.resource);
        let failed = |source| ApplyError {
            kind: object.resource.kind.clone(),
            name: object.name.clone(),
            action: "applied",
            source,
        };
        match apply_one(&api, object, there).await {
            Ok(()) => {}
            Err(error) => errors.push(failed(error)),
        }
    }
    let orphans = live.iter().filter(|(key, object)| {
        let is_ours = object.owner_references().iter().any(|reference| reference.uid == owner.uid);
        is_ours && !wanted.contains(key) && object.metadata.deletion_timestamp.is_none()
    });
    for (key, orphan) in orphans {
        let Some(resource) = resource_of(key) else { continue };
        let api = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &resource);
        let params = DeleteParams {
            preconditions: Some(Preconditions { uid: orphan.uid(), resource_version: None }),
            ..DeleteParams::background()
        };
        metrics::WRITES.with_label_values(&[key.kind.as_str(), "delete"]).inc();
        match api.delete(&key.name, &params).await {
            Ok(_) => tracing::info!(
                kind = key.kind,
                name = key.name,
                namespace,
                "deleted what is not wanted any more"
            ),
            Err(error) if is_gone(&error) => {}
            Err(source) => errors.push(ApplyError {
                kind: key.kind.clone(),
                name: key.name.clone(),
                action: "deleted",
                source,
            }),
        }
    }
    errors
}

fn resource_of(key: &Key) -> Option<ApiResource> {
    let served = Foreign::ALL.into();
    let kinds = platform_kinds(&served).into_iter().chain(claim_kinds(&served));
    kinds.into_iter().find(|resource| resource.kind == key.kind)
}

/// Whether an object is not there any more, or is another one of that name.
fn is_gone(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 404 | 409))
}

async fn apply_one(
    api: &Api<DynamicObject>,
    object: &Object,
    there: Option<&DynamicObject>,
) -> Result<(), kube::Error> {
    let wanted = stamped(object).map_err(kube::Error::SerdeError)?;
    if let Some(there) = there {
        let as_json = serde_json::to_value(there).map_err(kube::Error::SerdeError)?;
        if is_as_wanted(&wanted, &as_json) {
            return Ok(());
        }
        if let Some(replicas) = replicas_to_hand_over(&wanted, there, &as_json) {
            let kept = json!({
                "apiVersion": object.resource.api_version,
                "kind": object.resource.kind,
                "metadata": { "name": object.name },
                "spec": { "replicas": replicas },
            });
            metrics::WRITES.with_label_values(&[object.resource.kind.as_str(), "apply"]).inc();
            api.patch(&object.name, &PatchParams::apply(HANDOVER), &Patch::Apply(&kept)).await?;
        }
    }
    metrics::WRITES.with_label_values(&[object.resource.kind.as_str(), "apply"]).inc();
    api.patch(&object.name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(&wanted)).await?;
    tracing::debug!(kind = object.resource.kind, name = object.name, "applied");
    Ok(())
}

/// The object with its digest.
fn stamped(object: &Object) -> serde_json::Result<Value> {
    use sha2::{Digest as _, Sha256};
    let mut value = object.value.clone();
    let digest = hex::encode(&Sha256::digest(serde_json::to_vec(&value)?)[..8]);
    let annotations = &mut value["metadata"]["annotations"];
    if annotations.is_null() {
        *annotations = json!({});
    }
    annotations[APPLIED] = digest.into();
    Ok(value)
}

/// Whether everything that is wanted is there. What else there is, the API server or others have put there.
fn is_as_wanted(wanted: &Value, there: &Value) -> bool {
    match (wanted, there) {
        (Value::Object(wanted), Value::Object(there)) => wanted.iter().all(|(key, wanted)| {
            let there = there.get(key).unwrap_or(&Value::Null);
            // The API server writes quantities in a form of its own.
            if matches!(key.as_str(), "requests" | "limits") {
                are_same_quantities(wanted, there)
            } else {
                is_as_wanted(wanted, there)
            }
        }),
        (Value::Array(wanted), Value::Array(there)) => {
            wanted.len() == there.len()
                && wanted.iter().zip(there).all(|(wanted, there)| is_as_wanted(wanted, there))
        }
        // The API server leaves out what is empty.
        (Value::Object(wanted), Value::Null) => {
            wanted.values().all(|wanted| is_as_wanted(wanted, &Value::Null))
        }
        (Value::Array(wanted), Value::Null) => wanted.is_empty(),
        _ => wanted == there,
    }
}

/// Whether all quantities that are wanted are there, however they are written.
fn are_same_quantities(wanted: &Value, there: &Value) -> bool {
    wanted.as_object().into_iter().flatten().all(|(key, wanted)| {
        let there = &there[key];
        wanted == there
            || matches!((quantity(wanted), quantity(there)), (Some(wanted), Some(there)) if (wanted - there).abs() <= wanted.abs() * 1e-9)
    })
}

/// The value of a quantity (Kubernetes' `resource.Quantity`: a decimal number with a suffix).
fn quantity(text: &Value) -> Option<f64> {
    let text = text.as_str()?;
    let end = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let factor = match suffix {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        _ => {
            let power = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].iter().position(|&binary| binary == suffix)?;
            1024_f64.powi(i32::try_from(power).ok()? + 1)
        }
    };
    number.parse::<f64>().ok().map(|number| number * factor)
}

/// The number of replicas that we have set and do not want to set any more: dropped, it would be one until an autoscaler
/// decides.
fn replicas_to_hand_over(wanted: &Value, there: &DynamicObject, as_json: &Value) -> Option<i64> {
    if wanted["kind"] != REPLICATED {
        return None;
    }
    let fields = there.metadata.managed_fields.iter().flatten();
    let ours = fields.filter(|entry| {
        entry.manager.as_deref() == Some(MANAGER) && entry.operation.as_deref() == Some("Apply")
    });
    let set = ours
        .filter_map(|entry| entry.fields_v1.as_ref())
        .any(|fields| !fields.0["f:spec"]["f:replicas"].is_null());
    if set && wanted["spec"]["replicas"].is_null() { as_json["spec"]["replicas"].as_i64() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_have_added_is_no_difference() {
        let wanted = json!({ "spec": { "ports": [{ "port": 80 }], "selector": {}, "rules": [] } });
        let defaulted =
            json!({ "spec": { "ports": [{ "port": 80, "protocol": "TCP" }], "type": "ClusterIP" } });
        assert!(is_as_wanted(&wanted, &defaulted));
        for different in [
            json!({ "spec": { "ports": [{ "port": 81 }] } }),
            json!({ "spec": { "ports": [{ "port": 80 }, { "port": 81 }] } }),
            json!({ "spec": { "ports": [] } }),
            json!({}),
        ] {
            assert!(!is_as_wanted(&wanted, &different), "{different}");
        }
    }

    #[test]
    fn a_quantity_is_the_same_however_it_is_written() {
        let requests = |cpu: &str, memory: &str| json!({ "requests": { "cpu": cpu, "memory": memory } });
        assert!(is_as_wanted(&requests("0.1", "1024Mi"), &requests("100m", "1Gi")));
        assert!(is_as_wanted(&requests("1", "1e3"), &requests("1", "1e3")));
        for other in [requests("101m", "1Gi"), requests("100m", "1G"), requests("100m", "x"), json!({})] {
            assert!(!is_as_wanted(&requests("0.1", "1024Mi"), &other), "{other}");
        }
    }
}
