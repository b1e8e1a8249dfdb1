//! The end of a claim whose database goes with it: a finalizer keeps the claim until a Job has removed database and role.
//!
//! It always ends. Where the server is gone, or the namespace ends too, there is nothing to remove; a Job that fails, or
//! takes too long, leaves the database, of which an event tells.

use jiff::SignedDuration;
use k8s_openapi::api::{apps::v1::StatefulSet, batch::v1::Job};
use kube::{
    Api, Resource as _, ResourceExt as _,
    api::{Patch, PatchParams},
    core::ObjectMeta,
    runtime::{
        controller::Action,
        events::{Event, EventType},
    },
};
use serde_json::json;

use super::{KIND, UNDER_WAY, namespace};
use crate::{
    api::{BuiltinClaim, DatabaseClaim, DeletionPolicy},
    apply,
    build::{self, Migration, Server, owner, teardown},
    controller::{Context, ReconcileError, observe, retry::some},
    metrics,
    object::{Object, claim_kinds},
};

/// The finalizer.
const FINALIZER: &str = "moviebooking.dev/database";
/// The field manager of the finalizer alone: whoever writes the claim itself does not take it away.
const MANAGER: &str = "moviebooking-operator-finalizer";
/// A claim that was deleted so long ago is not kept any longer, whatever became of its database.
const BOUND: SignedDuration = SignedDuration::from_mins(10);

fn is_held(metadata: &ObjectMeta) -> bool {
    metadata.finalizers.iter().flatten().any(|finalizer| finalizer == FINALIZER)
}

fn server_to_clear(claim: &DatabaseClaim) -> Option<&BuiltinClaim> {
    claim.spec.builtin.as_ref().filter(|builtin| builtin.deletion_policy == DeletionPolicy::Delete)
}

/// Has the claim kept when it is deleted, or not, as its deletion policy says.
pub(super) async fn hold(claim: &DatabaseClaim, context: &Context) -> Result<(), kube::Error> {
    let is_to_be_held = server_to_clear(claim).is_some();
    if is_held(&claim.metadata) == is_to_be_held {
        return Ok(());
    }
    write(&claim.metadata, if is_to_be_held { &[FINALIZER] } else { &[] }, context).await
}

/// Does what is left to do for a claim that is deleted.
pub(super) async fn end(claim: &DatabaseClaim, context: &Context) -> Result<Action, ReconcileError> {
    if !is_held(&claim.metadata) {
        // What it has goes with it, because it owns that.
        return Ok(Action::await_change());
    }
    let left = match server_to_clear(claim) {
        Some(builtin) => match clear(claim, builtin, context).await? {
            Cleared::NotYet => return Ok(Action::requeue(some(UNDER_WAY))),
            Cleared::Done => None,
            Cleared::Left(why) => Some(why),
        },
        None => None,
    };
    if let Some(why) = left {
        let note = format!("database and role {} are left on the server: {why}", claim.spec.database);
        tracing::warn!(namespace = namespace(claim), name = claim.name_any(), note);
        let event = Event {
            type_: EventType::Warning,
            reason: "DatabaseLeft".to_owned(),
            note: Some(note),
            action: "Deleting".to_owned(),
            secondary: None,
        };
        if let Err(error) = context.recorder.publish(&event, &claim.object_ref(&())).await {
            tracing::warn!(%error, "an event cannot be written");
        }
    }
    release(&claim.metadata, context).await?;
    Ok(Action::await_change())
}

/// Keeps a claim no longer.
pub(super) async fn release(metadata: &ObjectMeta, context: &Context) -> Result<(), kube::Error> {
    if is_held(metadata) { write(metadata, &[], context).await } else { Ok(()) }
}

async fn write(metadata: &ObjectMeta, finalizers: &[&str], context: &Context) -> Result<(), kube::Error> {
    let namespace = metadata.namespace.as_deref().unwrap_or_default();
    let name = metadata.name.as_deref().unwrap_or_default();
    let api = Api::<DatabaseClaim>::namespaced(context.client.clone(), namespace);
    let patch = json!({
        "apiVersion": DatabaseClaim::api_version(&()),
        "kind": KIND,
        // With its uid another one of that name is not meant.
        "metadata": { "name": name, "uid": metadata.uid, "finalizers": finalizers },
    });
    metrics::WRITES.with_label_values(&[KIND, "apply"]).inc();
    match api.patch_metadata(name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(&patch)).await {
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        done => done.map(drop),
    }
}

/// What became of a database that is to go.
enum Cleared {
    /// It is still there.
    NotYet,
    /// It is gone, or was never there.
    Done,
    /// It stays, and why.
    Left(String),
}

async fn clear(
    claim: &DatabaseClaim,
    builtin: &BuiltinClaim,
    context: &Context,
) -> Result<Cleared, ReconcileError> {
    let (client, namespace, name) = (&context.client, namespace(claim), &builtin.server);
    let servers = Api::<StatefulSet>::namespaced(client.clone(), &namespace);
    let server = servers.get_opt(name).await?.filter(|server| server.metadata.deletion_timestamp.is_none());
    let pod = server.and_then(|server| server.spec?.template.spec);
    let Some(pod) = pod else { return Ok(Cleared::Done) };
    let (Some(job), Some(owner)) = (teardown(claim, Server { name, pod: &pod }), owner(claim)) else {
        return Err(build::BuildError::NotStored(build::NotStored).into());
    };
    let live = apply::live(client, &namespace, &claim.name_any(), &claim_kinds(&context.served())).await?;
    let there = observe::typed::<Job>(&live, job.metadata.name.as_deref().unwrap_or_default())?;
    match there.as_ref().map(observe::migration) {
        Some(Migration::Complete) => return Ok(Cleared::Done),
        Some(Migration::Failed(why)) => return Ok(Cleared::Left(why)),
        Some(Migration::Running) | None => {}
    }
    let since = claim.metadata.deletion_timestamp.as_ref();
    if since.is_some_and(|since| context.clock.now().duration_since(since.0) > BOUND) {
        return Ok(Cleared::Left("that took too long".to_owned()));
    }
    if there.is_none() {
        // The rest goes with the claim.
        let kept = live.keys().cloned().collect();
        let errors = apply::apply(client, &namespace, &owner, &[Object::of(&job)?], &kept, &live).await;
        if let Some(error) = errors.into_iter().next() {
            return if error.namespace_ends() {
                Ok(Cleared::Done)
            } else {
                Err(ReconcileError::Apply(error))
            };
        }
    }
    Ok(Cleared::NotYet)
}
