//! The controller of database claims.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use http::Uri;
use k8s_openapi::api::{apps::v1::StatefulSet, core::v1::Secret};
use kube::{
    Api, Resource as _, ResourceExt as _,
    api::{Patch, PatchParams},
    core::DeserializeGuard,
    runtime::controller::Action,
};
use serde_json::json;

use super::{
    Context, ReconcileError, observe,
    report::{self, Reported},
    retry::some,
};
use crate::{
    api::{Binding, BuiltinClaim, Conditions, DatabaseClaim, DatabaseClaimStatus, State},
    apply,
    build::{self, MANAGER, Migration, claim_objects, owner},
    metrics,
    object::{Key, Object, claim_kinds},
};

/// How soon a claim is looked at again that waits for something.
const UNDER_WAY: Duration = Duration::from_secs(10);
/// How soon one whose database can be used.
const SETTLED: Duration = Duration::from_secs(300);

const KIND: &str = "DatabaseClaim";

/// What was found out about a database.
struct Found {
    state: State,
    secret: Option<String>,
    host: Option<String>,
    port: Option<u16>,
}

impl Found {
    fn not_yet(reason: &'static str, message: impl Into<String>) -> Self {
        Self { state: State::fails(reason, message), secret: None, host: None, port: None }
    }
}

/// Looks at a claim and does what is to be done now.
///
/// # Errors
/// When that is to be tried again.
pub(super) async fn reconcile(
    guarded: Arc<DeserializeGuard<DatabaseClaim>>,
    context: Arc<Context>,
) -> Result<Action, ReconcileError> {
    let action = match &guarded.0 {
        // What it has goes with it, because it owns that. The database stays: it is the server's.
        _ if guarded.meta().deletion_timestamp.is_some() => Action::await_change(),
        Ok(claim) => Box::pin(look(claim, &context)).await?,
        Err(invalid) => {
            tracing::warn!(name = guarded.name_any(), error = invalid.error, "the claim cannot be read");
            Action::await_change()
        }
    };
    metrics::RECONCILES.with_label_values(&[KIND, "done"]).inc();
    context.attempts.succeeded(&(KIND, guarded.namespace(), guarded.meta().name.clone()));
    Ok(action)
}

/// When a look that failed is repeated.
pub(super) fn retry(
    guarded: Arc<DeserializeGuard<DatabaseClaim>>,
    error: &ReconcileError,
    context: Arc<Context>,
) -> Action {
    let (namespace, name) = (guarded.namespace(), guarded.meta().name.clone());
    tracing::warn!(namespace, name, %error, "the claim is not satisfied; it is tried again");
    metrics::RECONCILES.with_label_values(&[KIND, "failed"]).inc();
    Action::requeue(context.attempts.failed((KIND, namespace, name)))
}

async fn look(claim: &DatabaseClaim, context: &Context) -> Result<Action, ReconcileError> {
    let found = match (&claim.spec.external, &claim.spec.builtin) {
        (Some(external), _) => of_secret(claim, &external.secret_name, context).await?,
        (None, Some(builtin)) => on_server(claim, builtin, context).await?,
        (None, None) => Found::not_yet("SpecInvalid", "spec: set exactly one of builtin and external"),
    };
    let is_ready = found.state.holds == Some(true);
    let before = claim.status.clone().unwrap_or_default();
    let mut conditions = Conditions::new(&before.conditions, claim.metadata.generation, context.clock.now());
    conditions.set("Ready", &found.state);
    let status = DatabaseClaimStatus {
        observed_generation: claim.metadata.generation,
        binding: found.secret.map(|name| Binding { name }),
        host: found.host,
        port: found.port.map(i32::from),
        conditions: conditions.finish(),
    };
    if status != before || claim.status.is_none() {
        let api = Api::<DatabaseClaim>::namespaced(context.client.clone(), &namespace(claim));
        let patch = json!({
            "apiVersion": DatabaseClaim::api_version(&()),
            "kind": KIND,
            "metadata": { "name": claim.name_any() },
            "status": status,
        });
        metrics::WRITES.with_label_values(&[KIND, "status"]).inc();
        api.patch_status(&claim.name_any(), &PatchParams::apply(MANAGER).force(), &Patch::Apply(&patch))
            .await?;
        let about = claim.object_ref(&());
        let reported = Reported { before: &before.conditions, after: &status.conditions, about };
        report::publish(&context.recorder, &reported).await;
    }
    Ok(Action::requeue(some(if is_ready { SETTLED } else { UNDER_WAY })))
}

fn namespace(claim: &DatabaseClaim) -> String {
    claim.namespace().unwrap_or_default()
}

/// A database that somebody else runs and whose Secret is named.
async fn of_secret(claim: &DatabaseClaim, name: &str, context: &Context) -> Result<Found, ReconcileError> {
    let secrets = Api::<Secret>::namespaced(context.client.clone(), &namespace(claim));
    if secrets.get_opt(name).await?.is_none() {
        return Ok(Found::not_yet(
            "SecretMissing",
            format!("there is no Secret {name}: make one with the key uri"),
        ));
    }
    let Some(uri) = observe::value(&secrets, name, "uri").await? else {
        return Ok(Found::not_yet("SecretInvalid", format!("the Secret {name} has no key uri: add it")));
    };
    let Some((host, port)) = server_of(&uri) else {
        let message = format!(
            "the key uri of the Secret {name} is not of the form postgres://USER:PASSWORD@HOST:PORT/NAME: correct it"
        );
        return Ok(Found::not_yet("SecretInvalid", message));
    };
    Ok(Found {
        state: State::holds("Bound", format!("the Secret {name} says where the database is")),
        secret: Some(name.to_owned()),
        host: Some(host),
        port: Some(port),
    })
}

/// Host and port in the URL of a database.
fn server_of(uri: &str) -> Option<(String, u16)> {
    let parsed: Uri = uri.trim().parse().ok()?;
    let is_postgres = matches!(parsed.scheme_str(), Some("postgres" | "postgresql"));
    let has_user = parsed.authority()?.as_str().contains('@');
    let host = parsed.host().filter(|host| !host.is_empty())?;
    (is_postgres && has_user && parsed.path().len() > 1)
        .then(|| (host.to_owned(), parsed.port_u16().unwrap_or(5432)))
}

/// A database on a server of a platform: role and database are made once the server is ready.
async fn on_server(
    claim: &DatabaseClaim,
    builtin: &BuiltinClaim,
    context: &Context,
) -> Result<Found, ReconcileError> {
    let (client, namespace, server) = (&context.client, namespace(claim), &builtin.server);
    let servers = Api::<StatefulSet>::namespaced(client.clone(), &namespace);
    let Some(found) = servers.get_opt(server).await? else {
        return Ok(Found::not_yet(
            "ServerMissing",
            format!("there is no StatefulSet {server}: name a platform's server"),
        ));
    };
    let pod = found.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
    let image = pod.and_then(|pod| pod.containers.first()?.image.clone()).unwrap_or_default();
    let secrets = Api::<Secret>::namespaced(client.clone(), &namespace);
    let credentials = format!("{}-credentials", claim.name_any());
    let password = observe::value(&secrets, &credentials, "password").await?;
    let password = password.unwrap_or_else(observe::random_secret);
    let (Some(objects), Some(owner)) = (claim_objects(claim, server, &image, &password)?, owner(claim))
    else {
        return Err(build::BuildError::NotStored(build::NotStored).into());
    };
    let live = apply::live(client, &namespace, &claim.name_any(), &claim_kinds()).await?;
    let setup = objects.setup.metadata.name.clone().unwrap_or_default();
    let job = observe::typed::<k8s_openapi::api::batch::v1::Job>(&live, &setup)?;
    let is_up = found.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or(0) > 0;
    let mut wanted = vec![Object::of(&objects.credentials)?];
    // A Job that exists is kept as it is, whatever the server does; one that does not waits for the server.
    let mut kept = BTreeSet::new();
    if is_up || job.is_some() {
        wanted.push(Object::of(&objects.setup)?);
    } else {
        kept.insert(Key { kind: "Job".to_owned(), name: setup.clone() });
    }
    let mut errors = apply::apply(client, &namespace, &owner, &wanted, &kept, &live).await;
    if !errors.is_empty() {
        return Err(ReconcileError::Apply(errors.swap_remove(0)));
    }
    let of_job = format!("batch.kubernetes.io/job-name={setup}");
    let state = match job.as_ref().map(observe::migration) {
        Some(Migration::Complete) => State::holds("Bound", "role and database are made"),
        Some(Migration::Failed(why)) => {
            let trouble = trouble(context, &namespace, &of_job).await?;
            let message = format!(
                "role and database cannot be made ({why}){trouble}; see the logs of the Job {setup}, and delete it to try again"
            );
            State::fails("SetupFailed", message)
        }
        Some(Migration::Running) => {
            let trouble = trouble(context, &namespace, &of_job).await?;
            State::fails("SettingUp", format!("role and database are being made{trouble}"))
        }
        None if is_up => State::fails("SettingUp", "role and database are being made"),
        None => {
            let of_server = format!("statefulset.kubernetes.io/pod-name={server}-0");
            let trouble = trouble(context, &namespace, &of_server).await?;
            State::fails("ServerNotReady", format!("the server {server} is not ready{trouble}"))
        }
    };
    let is_ready = state.holds == Some(true);
    Ok(Found {
        state,
        secret: is_ready.then_some(credentials),
        host: Some(format!("{server}.{namespace}.svc")),
        port: Some(5432),
    })
}

/// What is wrong with the pods that a selector finds, after a colon.
async fn trouble(context: &Context, namespace: &str, selector: &str) -> Result<String, kube::Error> {
    let troubles = observe::troubles(&context.client, namespace, selector).await?;
    Ok(troubles.into_values().next().map(|trouble| format!(": {trouble}")).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_where_its_url_says() {
        let at = |host: &str, port| Some((host.to_owned(), port));
        assert_eq!(
            server_of("postgres://users:p%40ss@db.example:6432/users?sslmode=require\n"),
            at("db.example", 6432)
        );
        assert_eq!(server_of("postgresql://u:p@db/x"), at("db", 5432));
        for wrong in [
            "",
            "db.example",
            "mysql://u:p@db/x",
            "postgres://db/x",
            "postgres://u:p@db",
            "postgres://u:p@db/",
            "postgres://u:p@:1/x",
        ] {
            assert_eq!(server_of(wrong), None, "{wrong}");
        }
    }
}
