//! The controller of platforms.

use std::{sync::Arc, time::Duration};

use kube::{
    Api, Resource as _, ResourceExt as _,
    api::{Patch, PatchParams},
    core::DeserializeGuard,
    runtime::controller::Action,
};
use serde_json::json;

use super::{
    Context, ReconcileError, backup, ingress, observe,
    report::{self, Reported},
    retry::some,
    routes,
    status::{self, Seen},
};
use crate::{
    api::{MovieBookingPlatform, MovieBookingPlatformStatus, State},
    apply,
    build::{self, MANAGER, Scope, Turn, owner},
    metrics,
    object::platform_kinds,
};

/// How soon a platform is looked at again while something of it is under way: what is wrong with pods is not watched.
const UNDER_WAY: Duration = Duration::from_secs(10);
/// How soon when nothing is: all that it depends on is watched.
const SETTLED: Duration = Duration::from_mins(30);

const KIND: &str = "MovieBookingPlatform";

/// Looks at a platform and does what is to be done now.
///
/// # Errors
/// When that is to be tried again.
pub(super) async fn reconcile(
    guarded: Arc<DeserializeGuard<MovieBookingPlatform>>,
    context: Arc<Context>,
) -> Result<Action, ReconcileError> {
    let action = match &guarded.0 {
        // What it has goes with it, because it owns that; nothing holds up its deletion.
        _ if guarded.meta().deletion_timestamp.is_some() => Action::await_change(),
        Ok(platform) => match Box::pin(look(platform, &context)).await {
            Ok(action) => action,
            Err(error) => {
                if let Err(untold) = tell(platform, &error, &context).await {
                    tracing::warn!(error = %untold, "the status cannot be written");
                }
                return Err(error);
            }
        },
        Err(invalid) => {
            let state = State::fails(
                "SpecInvalid",
                format!("{}; nothing of the platform is changed until it is corrected", invalid.error),
            );
            let generation = invalid.metadata.generation;
            let status =
                status::alone(MovieBookingPlatformStatus::default(), generation, &state, context.clock.now());
            let namespace = guarded.namespace().unwrap_or_default();
            write_status(&context, &namespace, &guarded.name_any(), &status).await?;
            Action::await_change()
        }
    };
    metrics::RECONCILES.with_label_values(&[KIND, "done"]).inc();
    context.attempts.succeeded(&(KIND, guarded.namespace(), guarded.meta().name.clone()));
    Ok(action)
}

/// When a look that failed is repeated.
pub(super) fn retry(
    guarded: Arc<DeserializeGuard<MovieBookingPlatform>>,
    error: &ReconcileError,
    context: Arc<Context>,
) -> Action {
    let (namespace, name) = (guarded.namespace(), guarded.meta().name.clone());
    tracing::warn!(namespace, name, %error, "the platform is not as it is to be; it is tried again");
    metrics::RECONCILES.with_label_values(&[KIND, "failed"]).inc();
    Action::requeue(context.attempts.failed((KIND, namespace, name), context.clock.now()))
}

async fn look(platform: &MovieBookingPlatform, context: &Context) -> Result<Action, ReconcileError> {
    let scope = Scope::new(platform).map_err(build::BuildError::from)?;
    let client = &context.client;
    if platform.spec.suspend {
        publish(platform, status::suspended(platform, context.clock.now()), context).await?;
        return Ok(Action::await_change());
    }
    let served = context.served();
    let live = apply::live(client, scope.namespace, scope.name, &platform_kinds(&served)).await?;
    let observed = observe::platform(client, &scope, &live, &served).await?;
    let plan = build::plan(platform, &observed)?;
    let owner = owner(platform).ok_or(build::BuildError::NotStored(build::NotStored))?;
    let mut errors = apply::apply(client, scope.namespace, &owner, &plan.objects, &plan.kept, &live).await;

    let is_settled = plan.progress.iter().all(|(_, progress)| progress.turn == Turn::Done);
    let troubles = if is_settled {
        Default::default()
    } else {
        let migrates = |name: &str| plan.objects.iter().any(|object| object.name == name);
        observe::troubles(client, scope.namespace, &observe::pods_of(scope.name), migrates).await?
    };
    let before = platform.status.as_ref().and_then(|status| status.backup.as_ref());
    let backup = backup::look(client, &scope, &live, before).await?;
    let is_settled = is_settled && backup.as_ref().is_none_or(|backup| !backup.is_under_way);
    let ingress = ingress::accepted(client, &scope).await?;
    // IngressClasses are not watched.
    let is_settled = is_settled && ingress.as_ref().is_none_or(|ingress| ingress.holds == Some(true));
    let seen = Seen {
        troubles,
        refused: errors.first().map(ToString::to_string),
        ingress,
        routes: routes::accepted(&scope, &live, &served),
        backup,
    };
    let status = status::of(platform, &scope, &plan, seen, context.clock.now());
    publish(platform, status, context).await?;
    if !errors.is_empty() {
        return Err(ReconcileError::Apply(errors.swap_remove(0)));
    }
    Ok(Action::requeue(some(if is_settled { SETTLED } else { UNDER_WAY })))
}

/// Says in the status why a look was not finished, where that is of use to somebody.
async fn tell(
    platform: &MovieBookingPlatform,
    error: &ReconcileError,
    context: &Context,
) -> Result<(), kube::Error> {
    // What cannot be applied is in the status of a look that went on.
    let Some(state) = error.state().filter(|_| !matches!(error, ReconcileError::Apply(_))) else {
        return Ok(());
    };
    let before = platform.status.clone().unwrap_or_default();
    let status = status::alone(before, platform.metadata.generation, &state, context.clock.now());
    publish(platform, status, context).await
}

/// Writes the status where it is new, and tells events of what has changed.
async fn publish(
    platform: &MovieBookingPlatform,
    status: MovieBookingPlatformStatus,
    context: &Context,
) -> Result<(), kube::Error> {
    if platform.status.as_ref() == Some(&status) {
        return Ok(());
    }
    let namespace = platform.namespace().unwrap_or_default();
    write_status(context, &namespace, &platform.name_any(), &status).await?;
    let before = platform.status.as_ref().map_or(&[][..], |status| &status.conditions);
    let reported = Reported { before, after: &status.conditions, about: platform.object_ref(&()) };
    report::publish(&context.recorder, &reported).await;
    Ok(())
}

async fn write_status(
    context: &Context,
    namespace: &str,
    name: &str,
    status: &MovieBookingPlatformStatus,
) -> Result<(), kube::Error> {
    let api = Api::<MovieBookingPlatform>::namespaced(context.client.clone(), namespace);
    let patch = json!({
        "apiVersion": MovieBookingPlatform::api_version(&()),
        "kind": KIND,
        "metadata": { "name": name },
        "status": status,
    });
    metrics::WRITES.with_label_values(&[KIND, "status"]).inc();
    match api.patch_status(name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(&patch)).await {
        // Gone in the meantime: there is nobody to tell.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        done => done.map(drop),
    }
}
