//! A claim to a database on the server of a platform.

use std::collections::BTreeSet;

use k8s_openapi::api::{apps::v1::StatefulSet, batch::v1::Job, core::v1::Secret};
use kube::{Api, ResourceExt as _};

use super::{Found, namespace};
use crate::{
    api::{BuiltinClaim, DatabaseClaim, State},
    apply,
    build::{self, Migration, Server, claim_objects, owner},
    controller::{Context, ReconcileError, observe},
    object::{Key, Object, claim_kinds},
};

/// A database on a server of a platform: role and database are made once the server is ready.
pub(super) async fn on_server(
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
    let pod = found.spec.as_ref().and_then(|spec| spec.template.spec.clone()).unwrap_or_default();
    let objects_for = |password: &str| claim_objects(claim, Server { name: server, pod: &pod }, password);
    let secrets = Api::<Secret>::namespaced(client.clone(), &namespace);
    let credentials = format!("{}-credentials", claim.name_any());
    let password = observe::value(&secrets, &credentials, "password").await?;
    let password = password.unwrap_or_else(observe::random_secret);
    let (Some(objects), Some(owner)) = (objects_for(&password)?, owner(claim)) else {
        return Err(build::BuildError::NotStored(build::NotStored).into());
    };
    let live = apply::live(client, &namespace, &claim.name_any(), &claim_kinds(&context.served())).await?;
    let setup = objects.setup.metadata.name.clone().unwrap_or_default();
    let job = observe::typed::<Job>(&live, &setup)?;
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
            let trouble = trouble(context, &namespace, &of_job, &setup).await?;
            let message = format!(
                "role and database cannot be made ({why}){trouble}; see the logs of the Job {setup}, and delete it to try again"
            );
            State::fails("SetupFailed", message)
        }
        Some(Migration::Running) => {
            let trouble = trouble(context, &namespace, &of_job, &setup).await?;
            State::fails("SettingUp", format!("role and database are being made{trouble}"))
        }
        None if is_up => State::fails("SettingUp", "role and database are being made"),
        None => {
            let of_server = format!("statefulset.kubernetes.io/pod-name={server}-0");
            let trouble = trouble(context, &namespace, &of_server, server).await?;
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

/// What is wrong with the pods that a selector finds and an object makes, after a colon.
async fn trouble(
    context: &Context,
    namespace: &str,
    selector: &str,
    maker: &str,
) -> Result<String, kube::Error> {
    let troubles = observe::troubles(&context.client, namespace, selector, |name| name == maker).await?;
    Ok(troubles.into_values().next().map(|trouble| format!(": {trouble}")).unwrap_or_default())
}
