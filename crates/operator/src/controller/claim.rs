//! The controller of database claims.

mod builtin;
mod cloud_native_pg;
mod teardown;

use std::{sync::Arc, time::Duration};

use http::Uri;
use k8s_openapi::api::core::v1::Secret;
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
    api::{Binding, Conditions, DatabaseClaim, DatabaseClaimStatus, State},
    build::MANAGER,
    metrics,
};

/// How soon a claim is looked at again that waits for something.
const UNDER_WAY: Duration = Duration::from_secs(10);
/// How soon one whose database can be used: all that it depends on is watched.
const SETTLED: Duration = Duration::from_mins(30);

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
        Ok(claim) if claim.metadata.deletion_timestamp.is_some() => {
            Box::pin(teardown::end(claim, &context)).await?
        }
        Ok(claim) => Box::pin(look(claim, &context)).await?,
        Err(_) if guarded.meta().deletion_timestamp.is_some() => {
            teardown::release(guarded.meta(), &context).await?;
            Action::await_change()
        }
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
    Action::requeue(context.attempts.failed((KIND, namespace, name), context.clock.now()))
}

async fn look(claim: &DatabaseClaim, context: &Context) -> Result<Action, ReconcileError> {
    let found = match find(claim, context).await {
        Ok(found) => found,
        Err(error) => {
            if let Some(state) = error.state() {
                // What was known of the database stays known.
                let before = claim.status.clone().unwrap_or_default();
                if let Err(untold) = publish(claim, before, &state, context).await {
                    tracing::warn!(error = %untold, "the status cannot be written");
                }
            }
            return Err(error);
        }
    };
    let status = DatabaseClaimStatus {
        binding: found.secret.map(|name| Binding { name }),
        host: found.host,
        port: found.port.map(i32::from),
        ..DatabaseClaimStatus::default()
    };
    publish(claim, status, &found.state, context).await?;
    let is_ready = found.state.holds == Some(true);
    Ok(Action::requeue(some(if is_ready { SETTLED } else { UNDER_WAY })))
}

async fn find(claim: &DatabaseClaim, context: &Context) -> Result<Found, ReconcileError> {
    teardown::hold(claim, context).await?;
    let spec = &claim.spec;
    match (&spec.external, &spec.builtin, &spec.cloud_native_pg) {
        (Some(external), _, _) => of_secret(claim, &external.secret_name, context).await,
        (_, Some(builtin), _) => builtin::on_server(claim, builtin, context).await,
        (_, _, Some(asked)) => cloud_native_pg::on_cluster(claim, asked, context).await,
        (None, None, None) => {
            Ok(Found::not_yet("SpecInvalid", "spec: set exactly one of builtin, external and cloudNativePG"))
        }
    }
}

/// Writes the status with the condition `Ready` where it is new, and tells an event of it.
async fn publish(
    claim: &DatabaseClaim,
    status: DatabaseClaimStatus,
    ready: &State,
    context: &Context,
) -> Result<(), kube::Error> {
    let before = claim.status.clone().unwrap_or_default();
    let mut conditions = Conditions::new(&before.conditions, claim.metadata.generation, context.clock.now());
    conditions.set("Ready", ready);
    let generation = claim.metadata.generation;
    let status =
        DatabaseClaimStatus { observed_generation: generation, conditions: conditions.finish(), ..status };
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
    Ok(())
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
