//! What is known of a platform's surroundings: the stage that reads and decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::{
    apps::v1::Deployment,
    batch::v1::Job,
    core::v1::{Event, Pod, Secret},
};
use kube::{Api, Client, ResourceExt, api::ListParams};
use rand::Rng as _;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::{
    ReconcileError,
    trouble::{self, Trouble},
};
use crate::{
    api::{DatabaseClaim, MovieBookingPlatformSpec},
    apply::Live,
    build::{
        Claimed, INSTANCE, Lack, Migration, NAME, Observed, SERVICE_SECRET, SUPERUSER, Scope, server_name,
    },
    foreign::Foreign,
    graph::{BANK, COMPONENTS, PAYMENTS},
    object::Key,
};

/// Reads what the objects of a platform depend on.
///
/// # Errors
/// When the API server does not answer as it should.
pub(super) async fn platform(
    client: &Client,
    scope: &Scope<'_>,
    live: &Live,
    served: &BTreeSet<Foreign>,
) -> Result<Observed, ReconcileError> {
    let secrets = Api::<Secret>::namespaced(client.clone(), scope.namespace);
    let (service_name, service_key) = SERVICE_SECRET;
    let service_secret = value(&secrets, &scope.object_name(service_name), service_key).await?;
    let superuser = format!("{}-{SUPERUSER}", server_name(scope));
    let superuser_password = match scope.spec.databases.own_server() {
        Some(_) => value(&secrets, &superuser, "password").await?,
        None => None,
    };
    let mut observed = Observed {
        served: served.clone(),
        service_secret: service_secret.unwrap_or_else(random_secret),
        superuser_password: superuser_password.unwrap_or_else(random_secret),
        ..Observed::default()
    };
    let databases = COMPONENTS.iter().map(|component| component.name).chain([BANK]);
    for database in databases {
        if let Some(claim) = typed::<DatabaseClaim>(live, &scope.object_name(database))? {
            observed.claims.insert(database, claimed(&claim));
        }
    }
    for (key, _) in live.iter().filter(|(key, _)| key.kind == "Job") {
        if let Some(job) = typed::<Job>(live, &key.name)? {
            observed.migrations.insert(key.name.clone(), migration(&job));
        }
    }
    for component in &COMPONENTS {
        let name = scope.object_name(component.name);
        if let Some(deployment) = typed::<Deployment>(live, &name)? {
            observed.deployments.insert(name, deployment);
        }
    }
    // The sandbox's process reads that of its database when it starts.
    let bank = observed.claims.get(BANK).filter(|_| scope.spec.payments.stripe.is_none());
    let of_bank = bank.and_then(|claimed| {
        Some(NamedSecret { components: vec![PAYMENTS], name: claimed.secret.clone()?, keys: &["uri"] })
    });
    for NamedSecret { components, name, keys } in named_secrets(scope.spec).into_iter().chain(of_bank) {
        let secret = secrets.get_opt(&name).await?;
        let lacks = lacks(&name, keys, secret.as_ref());
        let digest =
            hex::encode(&Sha256::digest(serde_json::to_vec(&secret.map(|secret| secret.data))?)[..8]);
        for component in components {
            match &lacks {
                Some(lacks) => drop(observed.missing.insert(component, lacks.clone())),
                None => observed.read_at_start.entry(component).or_default().push_str(&digest),
            }
        }
    }
    Ok(observed)
}

/// A Secret that a platform names and that processes read when they start.
pub(super) struct NamedSecret {
    /// The components whose processes do.
    components: Vec<&'static str>,
    /// Its name.
    pub(super) name: String,
    /// The keys that it has to have.
    keys: &'static [&'static str],
}

/// The Secrets that a platform names and that processes read when they start.
pub(super) fn named_secrets(spec: &MovieBookingPlatformSpec) -> Vec<NamedSecret> {
    let services =
        || COMPONENTS.iter().filter(|component| component.database).map(|component| component.name).collect();
    let mut named = Vec::new();
    if let Some(nats) = &spec.events.nats {
        let of_nats =
            [(&nats.credentials_secret_name, &["credentials"]), (&nats.ca_secret_name, &["ca.crt"])];
        named.extend(of_nats.into_iter().filter_map(|(name, keys)| {
            Some(NamedSecret { components: services(), name: name.clone()?, keys })
        }));
    }
    if let Some(stripe) = &spec.payments.stripe {
        let (name, keys) = (stripe.secret_name.clone(), &["key", "webhook-secret"][..]);
        named.push(NamedSecret { components: vec![PAYMENTS], name, keys });
    }
    named
}

/// What is wrong with a Secret that is to have these keys.
fn lacks(name: &str, keys: &[&str], secret: Option<&Secret>) -> Option<Lack> {
    let missing = |message| Some(Lack { reason: "SecretMissing", message });
    let Some(secret) = secret else {
        return missing(format!("there is no Secret {name}: make one with {}", keys.join(" and ")));
    };
    let value = |key: &str| secret.data.as_ref()?.get(key);
    if let Some(key) = keys.iter().find(|key| value(key).is_none()) {
        return missing(format!("the Secret {name} has no key {key}: add it"));
    }
    STRIPE_KEYS.iter().find_map(|(key, prefixes)| {
        let of_stripe = keys.contains(key).then(|| value(key)).flatten()?;
        let begins_right = prefixes.iter().any(|prefix| of_stripe.0.starts_with(prefix.as_bytes()));
        let prefixes: Vec<_> = prefixes.iter().map(|prefix| format!("{prefix}…")).collect();
        let prefixes = prefixes.join(" or ");
        let message =
            format!("the key {key} of the Secret {name} is not what Stripe has made: use {prefixes}");
        (!begins_right).then_some(Lack { reason: "SecretInvalid", message })
    })
}

/// How the values in Stripe's Secret begin.
const STRIPE_KEYS: [(&str, &[&str]); 2] = [("key", &["sk_", "rk_"]), ("webhook-secret", &["whsec_"])];

/// The value of a key of a Secret, if there is such a Secret and it has that.
pub(super) async fn value(
    secrets: &Api<Secret>,
    name: &str,
    key: &str,
) -> Result<Option<String>, kube::Error> {
    let secret = secrets.get_opt(name).await?;
    let value = secret.and_then(|secret| secret.data?.remove(key));
    Ok(value.and_then(|value| String::from_utf8(value.0).ok()).filter(|value| !value.is_empty()))
}

/// 32 random bytes as text, of letters and digits that stand for themselves wherever a secret is written.
pub(super) fn random_secret() -> String {
    let mut bytes = [0; 32];
    rand::rng().fill_bytes(&mut bytes);
    hex::encode(bytes)
}

pub(super) fn typed<T>(live: &Live, name: &str) -> serde_json::Result<Option<T>>
where
    T: kube::Resource<DynamicType = ()> + DeserializeOwned,
{
    let object = live.get(&Key::of::<T>(name));
    object.map(|object| serde_json::from_value(serde_json::to_value(object)?)).transpose()
}

fn claimed(claim: &DatabaseClaim) -> Claimed {
    let status = claim.status.clone().unwrap_or_default();
    let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready");
    let is_ready = status.observed_generation == claim.metadata.generation
        && ready.is_some_and(|ready| ready.status == "True");
    Claimed {
        secret: status.binding.filter(|_| is_ready).map(|binding| binding.name),
        port: status.port.and_then(|port| port.try_into().ok()),
        message: ready
            .map_or_else(|| "nobody has looked at the claim yet".to_owned(), |ready| ready.message.clone()),
    }
}

/// How a Job does.
pub(super) fn migration(job: &Job) -> Migration {
    let conditions = job.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let mut held = conditions.filter(|condition| condition.status == "True");
    match held.find(|condition| matches!(condition.type_.as_str(), "Complete" | "Failed")) {
        Some(condition) if condition.type_ == "Complete" => Migration::Complete,
        Some(condition) => Migration::Failed(condition.message.clone().unwrap_or_default()),
        None => Migration::Running,
    }
}

/// What is wrong with the pods that `selector` finds: of each the first, by the value of `app.kubernetes.io/name` or, of a
/// Job's pods, the name of the Job; and what keeps those objects that `makes_pods` takes from having any, by name.
///
/// # Errors
/// When the API server does not answer as it should.
pub(super) async fn troubles(
    client: &Client,
    namespace: &str,
    selector: &str,
    makes_pods: impl Fn(&str) -> bool,
) -> Result<BTreeMap<String, Trouble>, kube::Error> {
    let pods = Api::<Pod>::namespaced(client.clone(), namespace);
    let pods = pods.list(&ListParams::default().labels(selector)).await?;
    let mut troubles = BTreeMap::new();
    for pod in &pods {
        let labels = pod.labels();
        let whose = labels.get("batch.kubernetes.io/job-name").or_else(|| labels.get(NAME)).cloned();
        if let (Some(whose), Some(trouble)) = (whose, trouble::of_pod(pod)) {
            troubles.entry(whose).or_insert(trouble);
        }
    }
    // Deployments say it themselves.
    let have_pods: BTreeSet<&String> =
        pods.iter().flat_map(ResourceExt::owner_references).map(|owner| &owner.name).collect();
    let events = Api::<Event>::namespaced(client.clone(), namespace);
    for event in events.list(&ListParams::default().fields("reason=FailedCreate")).await? {
        let whose = event.involved_object.name.clone().unwrap_or_default();
        if makes_pods(&whose) && !have_pods.contains(&whose) {
            troubles.insert(whose, trouble::of_event(&event));
        }
    }
    Ok(troubles)
}

/// The label selector of a platform's pods.
pub(super) fn pods_of(instance: &str) -> String {
    format!("{INSTANCE}={instance}")
}
