//! Runs the controllers, in one of the operator's processes at a time.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::StreamExt as _;
use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    autoscaling::v2::HorizontalPodAutoscaler,
    batch::v1::{CronJob, Job},
    coordination::v1::Lease,
    core::v1::{Secret, Service, ServiceAccount},
    networking::v1::{Ingress, NetworkPolicy},
    policy::v1::PodDisruptionBudget,
};
use kube::{
    Api, Client, Resource,
    core::{DeserializeGuard, PartialObjectMeta},
    runtime::{Controller, controller, reflector::ObjectRef, utils::Backoff, watcher},
};
use kube_lease_manager::LeaseManagerBuilder;
use moviebooking_serve::StartError;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::{Context, claim, platform};
use crate::{
    api::{DatabaseClaim, MovieBookingPlatform},
    build::{MANAGED_BY, MANAGER},
    metrics,
};

/// How long the process that works may be silent before another one takes over, and how long before that it says that it
/// lives; in seconds.
const LEASE: (u64, u64) = (15, 5);
/// How often the process that works asks whether it is still its turn.
const ASK_EVERY: Duration = Duration::from_secs(3);
/// Changes that come together are looked at together.
const DEBOUNCE: Duration = Duration::from_millis(200);
/// Resources that are looked at at once.
const CONCURRENCY: u16 = 8;

/// How the operator's processes agree on which of them works: by a Lease.
#[derive(Clone, Debug)]
pub struct Election {
    /// The namespace of the Lease.
    pub namespace: String,
    /// The name of this process among the others.
    pub identity: String,
}

/// Waits until it is this process's turn, then works until it is told to stop. Losing the turn ends the process: whatever
/// was under way is not finished beside the next one's work.
///
/// # Errors
/// When the turn was lost, or the Lease cannot be had.
pub async fn run(
    context: Arc<Context>,
    election: &Election,
    stop: CancellationToken,
) -> Result<(), StartError> {
    let lease =
        |error| StartError::unavailable(format!("the Lease {MANAGER} in {}: {error}", election.namespace));
    let manager = LeaseManagerBuilder::new(context.client.clone(), MANAGER)
        .with_namespace(&election.namespace)
        .with_identity(&election.identity)
        .with_field_manager(format!("{MANAGER}-{}", election.identity))
        .with_duration(LEASE.0)
        .with_grace(LEASE.1)
        .build()
        .await
        .map_err(|error| lease(error.to_string()))?;
    let (mut leads, watching) = manager.watch().await;
    metrics::LEADER.with_label_values(&[] as &[&str]).set(0);
    tracing::info!(identity = election.identity, "waiting for the turn");
    tokio::select! {
        () = stop.cancelled() => {}
        leading = leads.wait_for(|leads| *leads) => {
            leading.map_err(|_| lease("it cannot be watched".to_owned()))?;
        }
    }
    let mut lost = false;
    if !stop.is_cancelled() {
        metrics::LEADER.with_label_values(&[] as &[&str]).set(1);
        tracing::info!("this process works now");
        tokio::select! {
            () = controllers(&context, &stop) => {}
            _ = leads.wait_for(|leads| !*leads) => lost = true,
            () = silence(&context.client, election) => lost = true,
        }
        metrics::LEADER.with_label_values(&[] as &[&str]).set(0);
    }
    if lost {
        return Err(lease("another process may have taken over; this one ends".to_owned()));
    }
    // Gives the turn back, so that the next one need not wait.
    drop(leads);
    if let Ok(Err(error)) = watching.await {
        tracing::warn!(%error, "the turn was not given back");
    }
    Ok(())
}

/// Ends when the Lease has not said for its whole duration that it is this process's turn: whoever cannot reach the API
/// server cannot know who works.
async fn silence(client: &Client, election: &Election) {
    let leases = Api::<Lease>::namespaced(client.clone(), &election.namespace);
    let mut heard = Instant::now();
    while heard.elapsed() < Duration::from_secs(LEASE.0) {
        let asked = Instant::now();
        let holder = match tokio::time::timeout(ASK_EVERY, leases.get(MANAGER)).await {
            Ok(Ok(lease)) => lease.spec.and_then(|spec| spec.holder_identity),
            _ => None,
        };
        if holder.as_deref() == Some(&election.identity) {
            heard = asked;
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// Both controllers until they are told to stop, and what they are doing then.
async fn controllers(context: &Arc<Context>, stop: &CancellationToken) {
    let client = &context.client;
    let config = || controller::Config::default().debounce(DEBOUNCE).concurrency(CONCURRENCY);
    let told = || {
        let stop = stop.clone();
        async move { stop.cancelled().await }
    };
    let platforms = Controller::new(
        Api::<DeserializeGuard<MovieBookingPlatform>>::all(client.clone()),
        watcher::Config::default(),
    );
    metrics::Platforms::show(platforms.store());
    let platforms = platforms
        .with_config(config())
        .trigger_backoff(Rest)
        .owns(ours::<ServiceAccount>(client), owned())
        .owns(ours::<Secret>(client), owned())
        .owns(ours::<Service>(client), owned())
        .owns(ours::<NetworkPolicy>(client), owned())
        .owns(ours::<StatefulSet>(client), owned())
        .owns(ours::<DatabaseClaim>(client), owned())
        .owns(ours::<Job>(client), owned())
        .owns(ours::<CronJob>(client), owned())
        .owns(ours::<PodDisruptionBudget>(client), owned())
        .owns(ours::<HorizontalPodAutoscaler>(client), owned())
        .owns(ours::<Deployment>(client), owned())
        .owns(ours::<Ingress>(client), owned())
        .graceful_shutdown_on(told())
        .run(platform::reconcile, platform::retry, Arc::clone(context))
        .for_each(async |_| ());

    let claims = Controller::new(
        Api::<DeserializeGuard<DatabaseClaim>>::all(client.clone()),
        watcher::Config::default(),
    );
    let known = claims.store();
    let claims = claims
        .with_config(config())
        .trigger_backoff(Rest)
        .owns(ours::<Secret>(client), owned())
        .owns(ours::<Job>(client), owned())
        .watches(ours::<StatefulSet>(client), owned(), move |server| {
            let (namespace, name) = (server.metadata.namespace, server.metadata.name);
            let on_it = known.state().into_iter().filter(move |claim| match &claim.0 {
                Ok(claim) => {
                    claim.metadata.namespace == namespace
                        && claim.spec.builtin.as_ref().map(|builtin| &builtin.server) == name.as_ref()
                }
                Err(_) => false,
            });
            on_it.map(|claim| ObjectRef::from_obj(&*claim)).collect::<Vec<_>>()
        })
        .graceful_shutdown_on(told())
        .run(claim::reconcile, claim::retry, Arc::clone(context))
        .for_each(async |_| ());
    tokio::join!(platforms, claims);
}

/// The pause after a watch that was broken off. All watches of a controller share it, one pause after another, and an API
/// server that is restarted breaks off all of them: pauses that doubled would add up to minutes.
#[derive(Clone, Copy, Debug)]
struct Rest;

impl Iterator for Rest {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(Duration::from_millis(rand::random_range(200..=600)))
    }
}

impl Backoff for Rest {
    fn reset(&mut self) {}
}

/// Objects of a kind, of which only the metadata is looked at: it tells whose they are and that they have changed.
fn ours<K>(client: &Client) -> Api<PartialObjectMeta<K>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned,
{
    Api::all(client.clone())
}

/// Only what the operator has made.
fn owned() -> watcher::Config {
    watcher::Config::default().labels(&format!("{MANAGED_BY}={MANAGER}"))
}
