//! Runs the controllers, in one of the operator's processes at a time.

use std::{
    collections::BTreeSet,
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
    core::DeserializeGuard,
    runtime::{controller, reflector::Store},
};
use kube_lease_manager::LeaseManagerBuilder;
use moviebooking_serve::StartError;
use tokio_util::sync::CancellationToken;

use super::{
    Context, claim, observe, platform, served,
    watch::{Rest, all, all_of, controller_of, naming, others, ours, owned},
};
use crate::{
    api::{DatabaseClaim, MovieBookingPlatform},
    build::MANAGER,
    foreign::Foreign,
    metrics,
    object::{CLAIMS, PLATFORMS},
};

/// How long the process that works may be silent before another one takes over, and how long before that it says that it
/// lives; in seconds.
const LEASE: (u64, u64) = (15, 5);
/// How often the process that works asks whether it is still its turn.
const ASK_EVERY: Duration = Duration::from_secs(3);
/// Changes that come together are looked at together.
const DEBOUNCE: Duration = Duration::from_millis(200);
/// Resources of a kind that are looked at at once. More of them take more memory, and the API server is not faster for it.
const CONCURRENCY: u16 = 4;

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
            () = work(&context, &stop) => {}
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

/// Both controllers until they are told to stop, begun anew whenever the cluster serves other kinds of others: a watch of
/// a kind that is not there fails for ever.
async fn work(context: &Arc<Context>, stop: &CancellationToken) {
    while !stop.is_cancelled() {
        let served = tokio::select! {
            served = served::hear(&context.client) => served,
            () = stop.cancelled() => return,
        };
        tracing::info!(kinds = ?served, "kinds of others that are used");
        context.served.set(served.clone());
        let round = stop.child_token();
        let until_others_are = async {
            tokio::select! {
                () = served::change(&context.client, &served) => round.cancel(),
                () = round.cancelled() => {}
            }
        };
        tokio::join!(controllers(context, &served, &round), until_others_are);
    }
}

/// Both controllers until they are told to stop, and what they are doing then.
async fn controllers(context: &Arc<Context>, served: &BTreeSet<Foreign>, stop: &CancellationToken) {
    let client = &context.client;
    let config = || controller::Config::default().debounce(DEBOUNCE).concurrency(CONCURRENCY);
    let told = || {
        let stop = stop.clone();
        async move { stop.cancelled().await }
    };
    let mut platforms = controller_of::<MovieBookingPlatform>(client);
    metrics::Platforms::show(platforms.store());
    platforms = platforms
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
        .owns(ours::<Ingress>(client), owned());
    for kind in PLATFORMS.iter().filter(|kind| served.contains(kind)) {
        platforms = platforms.owns_with(all_of(client, *kind), kind.resource(), owned());
    }
    let [named, known_platforms] = [platforms.store(), platforms.store()];
    platforms = platforms.watches(ours::<Secret>(client), others(), move |secret| {
        naming(&named, &secret.metadata, |platform: &MovieBookingPlatform, name| {
            observe::named_secrets(&platform.spec).iter().any(|secret| secret.name == name)
        })
    });
    let platforms = platforms
        .graceful_shutdown_on(told())
        .run(platform::reconcile, platform::retry, Arc::clone(context))
        .for_each(async |_| ());

    let claims = controller_of::<DatabaseClaim>(client);
    let [of_servers, of_clusters, of_secrets, known_claims] = std::array::from_fn(|_| claims.store());
    let mut claims = claims
        .with_config(config())
        .trigger_backoff(Rest)
        .owns(ours::<Secret>(client), owned())
        .owns(ours::<Job>(client), owned())
        .watches(ours::<StatefulSet>(client), owned(), move |server| {
            naming(&of_servers, &server.metadata, |claim: &DatabaseClaim, name| {
                claim.spec.builtin.as_ref().is_some_and(|builtin| builtin.server == name)
            })
        })
        .watches(ours::<Secret>(client), others(), move |secret| {
            naming(&of_secrets, &secret.metadata, |claim: &DatabaseClaim, name| {
                claim.spec.external.as_ref().is_some_and(|external| external.secret_name == name)
            })
        });
    for kind in CLAIMS.iter().filter(|kind| served.contains(kind)) {
        claims = claims.owns_with(all_of(client, *kind), kind.resource(), owned());
    }
    if served.contains(&Foreign::Cluster) {
        let kind = Foreign::Cluster;
        // They may be anybody's.
        claims = claims.watches_with(all_of(client, kind), kind.resource(), all(), move |cluster| {
            naming(&of_clusters, &cluster.metadata, |claim: &DatabaseClaim, name| {
                claim.spec.cloud_native_pg.as_ref().is_some_and(|asked| asked.cluster == name)
            })
        });
    }
    let claims = claims
        .graceful_shutdown_on(told())
        .run(claim::reconcile, claim::retry, Arc::clone(context))
        .for_each(async |_| ());
    tokio::join!(ending(platforms, &known_platforms, stop), ending(claims, &known_claims, stop));
}

/// Runs a controller to its end. One that is told to stop before it knows its resources has nothing under way, and would
/// wait for them for ever.
async fn ending<K>(
    controller: impl Future<Output = ()>,
    known: &Store<DeserializeGuard<K>>,
    stop: &CancellationToken,
) where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let told_too_early = async {
        tokio::select! {
            Ok(()) = known.wait_until_ready() => std::future::pending().await,
            () = stop.cancelled() => {}
        }
    };
    tokio::select! {
        () = controller => {}
        () = told_too_early => {}
    }
}
