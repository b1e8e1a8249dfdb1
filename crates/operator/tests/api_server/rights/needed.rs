//! Each right is needed: one is taken away at a time, and the operator says that it lacks just that one, where a person
//! looks. When it is given back, the platform goes on.

use std::collections::BTreeSet;

use futures::StreamExt as _;
use k8s_openapi::api::events::v1::Event;
use kube::{
    Api, Client,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams},
    core::GroupVersionKind,
};
use moviebooking_cluster::ApiServer;
use moviebooking_operator::{
    api::{DatabaseClaim, MovieBookingPlatform},
    build::{MANAGED_BY, MANAGER},
    foreign::Foreign,
    object::{claim_kinds, platform_kinds},
    rbac,
};
use serde_json::{Value, json};

use super::{Right, granted, may};
use crate::{
    cloud_native_pg, routes,
    world::{OPERATOR, Operator, World, admin, define, install, make_namespace, until},
};

/// How many rights are taken away at once, each of an operator or of a platform of its own.
const AT_ONCE: usize = 4;

/// The rights that a namespace's objects take, and are given there alone in this test; the others are for all namespaces
/// at once.
fn is_of_a_namespace((_, resource, verb): &Right) -> bool {
    !matches!(verb.as_str(), "list" | "watch") || matches!(resource.as_str(), "pods" | "events")
}

fn without(rights: &BTreeSet<Right>, right: &Right) -> BTreeSet<Right> {
    rights.iter().filter(|other| *other != right).cloned().collect()
}

/// Gives a user these rights and no others: in a namespace, or in all.
async fn grant(client: &Client, namespace: Option<&str>, name: &str, user: &str, rights: &BTreeSet<Right>) {
    const GROUP: &str = "rbac.authorization.k8s.io";
    let apply = async |kind: &str, mut object: Value| {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(GROUP, "v1", kind));
        object["apiVersion"] = resource.api_version.clone().into();
        object["kind"] = kind.into();
        object["metadata"] = json!({ "name": name });
        let api = match namespace {
            Some(namespace) => Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &resource),
            None => Api::all_with(client.clone(), &resource),
        };
        api.patch(name, &PatchParams::apply("test").force(), &Patch::Apply(&object)).await.unwrap();
    };
    let kind = if namespace.is_some() { "Role" } else { "ClusterRole" };
    let rule = |(group, resource, verb): &Right| json!({ "apiGroups": [group], "resources": [resource], "verbs": [verb] });
    apply(kind, json!({ "rules": rights.iter().map(rule).collect::<Vec<_>>() })).await;
    let subject = json!({ "apiGroup": GROUP, "kind": "User", "name": user });
    let role = json!({ "apiGroup": GROUP, "kind": kind, "name": name });
    apply(&format!("{kind}Binding"), json!({ "roleRef": role, "subjects": [subject] })).await;
    let one = rights.first().unwrap();
    let namespace = namespace.unwrap_or("default");
    until("the rights are known", async || may(client, user, namespace, one).await).await;
}

/// What the API server says to somebody who lacks a right.
fn refusal((group, resource, verb): &Right) -> String {
    format!("cannot {verb} resource \"{resource}\" in API group \"{group}\"")
}

/// A text that was put into quotes, perhaps twice, as it was.
fn unquoted(text: &str) -> String {
    text.replace('\\', "")
}

/// What the operator needs before it looks at any platform: it says so in its log, and says nothing else.
async fn starts_without(server: &ApiServer, client: &Client, number: usize, right: &Right) {
    let name = format!("lacks-{number}");
    let user = format!("system:serviceaccount:{name}:moviebooking-operator");
    make_namespace(client, &name).await;
    grant(client, None, &name, &user, &without(&granted(rbac::cluster_role().rules), right)).await;
    grant(client, Some(&name), &name, &user, &without(&granted(rbac::role().rules), right)).await;
    let operator = Operator::start_as(&user, &name, server, &name);
    let refusal = refusal(right);
    until(&refusal, async || unquoted(&operator.log()).contains(&refusal)).await;
    let log = unquoted(&operator.log());
    let others: Vec<&str> =
        log.lines().filter(|line| line.contains("is forbidden") && !line.contains(&refusal)).collect();
    assert!(others.is_empty(), "without {right:?}: {others:#?}");
    // Whatever it lacks, it ends when it is told to.
    tokio::task::block_in_place(|| operator.stop());
}

/// What a platform is to be, one after another, for the operator to need a right.
fn specs((group, resource, verb): &Right) -> Vec<Value> {
    let one = json!({
        "version": "0.1.0",
        "services": { "gateway": { "autoscaling": { "maxReplicas": 5 } } },
        "gateway": { "ingress": { "host": "a.example" } },
        "databases": { "builtin": { "deletionPolicy": "Delete" } },
        "backup": { "schedule": "@daily", "claimName": "backups" },
    });
    let other = json!({
        "version": "0.1.0",
        "networkPolicies": false,
        "gateway": { "routes": {
            "parentRef": { "name": "edge" }, "host": "a.example", "grpcHost": "b.example",
        } },
        "databases": { "cloudNativePG": { "deletionPolicy": "Delete" } },
    });
    let with = |field: &str, value: Value| {
        let mut spec = one.clone();
        spec[field] = value;
        spec
    };
    let is_of_other = Foreign::ALL.iter().any(|kind| kind.resource().group == *group);
    match (resource.as_str(), verb.as_str()) {
        // The sandbox for payments has a database.
        ("databaseclaims", "delete") => {
            vec![one.clone(), with("payments", json!({ "stripe": { "secretName": "stripe" } }))]
        }
        // What happens again is told by the event that there is.
        ("events", "patch") => {
            vec![with("suspend", true.into()), one.clone(), with("suspend", true.into())]
        }
        (_, "delete") if is_of_other => vec![other, one],
        (_, "delete") => vec![one, other],
        _ if is_of_other => vec![other],
        _ => vec![one],
    }
}

/// Whether there are objects of the resource that the operator has made.
async fn has_any(world: &World, (group, resource, _): &Right) -> bool {
    let all = BTreeSet::from(Foreign::ALL);
    let mut kinds = platform_kinds(&all).into_iter().chain(claim_kinds(&all));
    let kind = kinds.find(|kind| kind.group == *group && kind.plural == *resource).unwrap();
    let api = Api::<DynamicObject>::namespaced_with(world.client.clone(), &world.namespace, &kind);
    let made = ListParams::default().labels(&format!("{MANAGED_BY}={MANAGER}"));
    !api.list(&made).await.unwrap().items.is_empty()
}

/// The statuses of the platform and of its claims, as text.
async fn statuses(world: &World) -> Vec<Option<String>> {
    let text = |status: Value| unquoted(&status.to_string());
    let platform = world.platform().await;
    let of_platform = platform.status.map(|status| text(json!(status)));
    let claims = world.api::<DatabaseClaim>().list(&ListParams::default()).await.unwrap();
    let of_claims = claims.into_iter().map(|claim| claim.status.map(|status| text(json!(status))));
    [of_platform].into_iter().chain(of_claims).collect()
}

/// Waits until `condition` holds, while now and then that is done which Kubernetes' controllers would do.
async fn working_until(world: &World, what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let mut looks = 0;
    until(what, async || {
        if looks % 5 == 0 {
            world.work(|_| true).await;
        }
        looks += 1;
        condition().await
    })
    .await;
}

/// What the operator needs for a platform: it says so in the status, or in its log where it cannot write that.
async fn goes_on_without(
    client: &Client,
    operator: &Operator,
    all: &BTreeSet<Right>,
    number: usize,
    right: &Right,
) {
    let world = World { client: client.clone(), namespace: format!("without-{number}"), operator: None };
    make_namespace(client, &world.namespace).await;
    let give = async |rights: &BTreeSet<Right>| {
        grant(client, Some(&world.namespace), "rights", OPERATOR, rights).await
    };
    give(&without(all, right)).await;
    let specs = specs(right);
    let (last, before) = specs.split_last().unwrap();
    for spec in before {
        world.write(spec).await.unwrap();
        let generation = world.platform().await.metadata.generation;
        working_until(&world, "looked at", async || {
            let status = world.platform().await.status;
            status.is_some_and(|status| status.observed_generation == generation)
                && (right.2 != "delete" || has_any(&world, right).await)
        })
        .await;
    }
    world.write(last).await.unwrap();
    let refusal = format!("{} in the namespace \"{}\"", refusal(right), world.namespace);
    let is_in_status = right.0 != "events.k8s.io" && !right.1.ends_with("/status");
    let is_told = async || {
        if is_in_status {
            statuses(&world).await.iter().flatten().any(|text| text.contains(&refusal))
        } else {
            unquoted(&operator.log()).contains(&refusal)
        }
    };
    working_until(&world, &refusal, is_told).await;
    give(all).await;
    let mut looks = 0;
    working_until(&world, &format!("going on with {right:?}"), async || {
        // It tries again later and later, and at once when somebody touches the platform.
        if looks % 10 == 0 {
            let label = json!({ "metadata": { "labels": { "looked-at": looks.to_string() } } });
            let platforms = world.api::<MovieBookingPlatform>();
            platforms.patch("cinema", &PatchParams::default(), &Patch::Merge(&label)).await.unwrap();
        }
        looks += 1;
        let events = world.api::<Event>().list(&ListParams::default()).await.unwrap();
        let goes_on =
            |status: &Option<String>| status.as_ref().is_some_and(|text| !text.contains("is forbidden"));
        !events.items.is_empty() && statuses(&world).await.iter().all(goes_on)
    })
    .await;
    // What is not there takes no time of the operator's any more.
    let all = DeleteParams::default();
    world.api::<MovieBookingPlatform>().delete("cinema", &all).await.unwrap();
    world.api::<DatabaseClaim>().delete_collection(&all, &ListParams::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_one_right_the_operator_says_what_it_may_not_do() {
    let server = tokio::task::spawn_blocking(|| ApiServer::start().unwrap()).await.unwrap();
    let client = admin(&server).await;
    install(&client).await;
    define(&client, cloud_native_pg::definitions()).await;
    define(&client, routes::definitions()).await;
    let all = granted(rbac::cluster_role().rules);
    let (of_a_namespace, everywhere): (BTreeSet<Right>, BTreeSet<Right>) =
        all.iter().cloned().partition(is_of_a_namespace);
    let (of_a_platform, of_the_start): (Vec<Right>, Vec<Right>) =
        everywhere.iter().cloned().partition(|(_, resource, _)| resource == "ingressclasses");

    let at_home = granted(rbac::role().rules);
    futures::stream::iter(of_the_start.iter().chain(&at_home).enumerate())
        .for_each_concurrent(AT_ONCE, |(number, right)| starts_without(&server, &client, number, right))
        .await;

    // From here on what is not of a namespace is allowed everywhere.
    grant(&client, None, rbac::ROLE, OPERATOR, &everywhere).await;
    let of_deployments = ("apps".to_owned(), "deployments".to_owned(), "patch".to_owned());
    until("it may no more", async || !may(&client, OPERATOR, "default", &of_deployments).await).await;
    let operator = Operator::start(&server, "one");
    futures::stream::iter(of_a_namespace.iter().enumerate())
        .for_each_concurrent(AT_ONCE, |(number, right)| {
            goes_on_without(&client, &operator, &of_a_namespace, number, right)
        })
        .await;

    let [right] = of_a_platform.as_slice() else { panic!("{of_a_platform:?}") };
    let world = World { client: client.clone(), namespace: "without-classes".to_owned(), operator: None };
    make_namespace(&client, &world.namespace).await;
    grant(&client, Some(&world.namespace), "rights", OPERATOR, &of_a_namespace).await;
    grant(&client, None, rbac::ROLE, OPERATOR, &without(&everywhere, right)).await;
    until("it may not any more", async || !may(&client, OPERATOR, "default", right).await).await;
    world.write(&specs(right)[0]).await.unwrap();
    let refusal = refusal(right);
    until(&refusal, async || statuses(&world).await.iter().flatten().any(|text| text.contains(&refusal)))
        .await;
}
