//! The operator's roles are what it needs, and no more: over a platform's whole life nothing is refused to it, and
//! [without any one right](needed) it says what it may not do.

mod needed;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::{
    authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
    core::v1::Secret,
    rbac::v1::PolicyRule,
};
use kube::{
    Api, Client,
    api::{DeleteParams, PostParams},
};
use moviebooking_cluster::{ApiServer, Request};
use moviebooking_operator::{api::MovieBookingPlatform, rbac};
use serde_json::{Value, json};

use crate::{
    cloud_native_pg, routes,
    world::{OPERATOR, Operator, World, admin, condition, define, install, until},
};

/// Group, resource and verb.
type Right = (String, String, String);

fn granted(rules: Option<Vec<PolicyRule>>) -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    for rule in rules.unwrap() {
        assert_eq!(rule.resource_names, None);
        for group in rule.api_groups.iter().flatten() {
            for resource in rule.resources.iter().flatten() {
                rights.extend(rule.verbs.iter().map(|verb| (group.clone(), resource.clone(), verb.clone())));
            }
        }
    }
    rights
}

fn used(requests: Vec<Request>) -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    for request in requests {
        assert_ne!(request.code, 403, "{request:?}");
        let right = |verb: &str| (request.group.clone(), request.resource.clone(), verb.to_owned());
        rights.insert(right(&request.verb));
        // What is applied and was not there is made.
        if request.verb == "patch" && request.code == 201 {
            rights.insert(right("create"));
        }
    }
    rights
}

/// A platform's life: each way to have databases, each way in, a new version, and what goes when it is not wanted any more.
async fn live(world: &World) {
    let secret = async |name: &str, data: Value| {
        let secret = json!({ "metadata": { "name": name }, "stringData": data });
        let secret: Secret = serde_json::from_value(secret).unwrap();
        world.api::<Secret>().create(&PostParams::default(), &secret).await.unwrap();
    };
    secret("stripe", json!({ "key": "sk_test_1", "webhook-secret": "whsec_1" })).await;
    let names = ["users", "movies", "theaters", "reservations", "payments", "tickets"];
    for name in names {
        secret(name, json!({ "uri": format!("postgres://{name}:secret@db.example/{name}") })).await;
    }
    let secrets: BTreeMap<&str, &str> = names.map(|name| (name, name)).into();

    world
        .serving(&json!({
            "version": "0.1.0",
            "services": { "gateway": { "autoscaling": { "maxReplicas": 5 } } },
            "gateway": { "ingress": { "host": "a.example" } },
            "databases": { "builtin": { "deletionPolicy": "Delete" } },
            "backup": { "schedule": "@daily", "claimName": "backups" },
        }))
        .await;
    let routes = json!({ "parentRef": { "name": "edge" }, "host": "a.example", "grpcHost": "b.example" });
    let on_cloud_native_pg = json!({
        "version": "0.2.0",
        "networkPolicies": false,
        "gateway": { "routes": routes },
        "databases": { "cloudNativePG": { "deletionPolicy": "Delete" } },
    });
    world.write(&on_cloud_native_pg).await.unwrap();
    world
        .working_until("waiting for the Gateway", |platform| {
            condition(platform, "Ready").is_some_and(|(_, reason, _)| reason == "RoutePending")
        })
        .await;
    routes::accept(world).await;
    world.serving(&on_cloud_native_pg).await;
    world
        .serving(&json!({
            "version": "0.2.0",
            "payments": { "stripe": { "secretName": "stripe" } },
            "databases": { "external": { "secrets": secrets } },
        }))
        .await;
    // What is removed was owned; what is said twice is one event.
    world.serving(&json!({ "version": "0.3.0", "payments": { "stripe": { "secretName": "stripe" } } })).await;
    let platforms = world.api::<MovieBookingPlatform>();
    platforms.delete("cinema", &DeleteParams::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_operator_does_is_what_its_roles_grant() {
    let server = tokio::task::spawn_blocking(|| ApiServer::start_recording(OPERATOR).unwrap()).await.unwrap();
    let client = admin(&server).await;
    install(&client).await;
    define(&client, cloud_native_pg::definitions()).await;
    define(&client, routes::definitions()).await;
    let mut operator = Operator::start(&server, "recorded");
    let world = World::on(&server).await;
    live(&world).await;
    // A watch is in the record when it has ended.
    operator.kill();
    let rights: BTreeSet<Right> =
        granted(rbac::cluster_role().rules).into_iter().chain(granted(rbac::role().rules)).collect();
    let requests = || used(server.requests().unwrap());
    let watched = |requests: &BTreeSet<Right>| requests.iter().filter(|(_, _, verb)| verb == "watch").count();
    let watches = watched(&rights);
    until("the watches have ended", async || watched(&requests()) >= watches).await;
    let used = requests();
    let unused: Vec<_> = rights.difference(&used).collect();
    assert!(unused.is_empty(), "granted and not needed: {unused:?}");
    let beside: Vec<_> = used.difference(&rights).collect();
    assert!(beside.is_empty(), "done without being granted: {beside:?}");

    may_not(&client).await;
}

/// It may do nothing of what would make it more than it is.
async fn may_not(client: &Client) {
    let asks = [
        ("", "pods", "create"),
        ("", "pods/exec", "create"),
        ("", "pods", "delete"),
        ("", "nodes", "list"),
        ("", "namespaces", "list"),
        ("", "configmaps", "get"),
        ("", "persistentvolumeclaims", "delete"),
        ("", "serviceaccounts/token", "create"),
        ("", "serviceaccounts", "impersonate"),
        ("", "secrets", "deletecollection"),
        ("apps", "deployments", "delete"),
        ("apps", "deployments/scale", "patch"),
        ("apps", "daemonsets", "create"),
        ("rbac.authorization.k8s.io", "clusterroles", "escalate"),
        ("rbac.authorization.k8s.io", "rolebindings", "create"),
        ("apiextensions.k8s.io", "customresourcedefinitions", "patch"),
        ("admissionregistration.k8s.io", "validatingadmissionpolicies", "patch"),
        ("moviebooking.dev", "moviebookingplatforms", "patch"),
        ("moviebooking.dev", "moviebookingplatforms", "delete"),
        ("gateway.networking.k8s.io", "gateways", "patch"),
        ("coordination.k8s.io", "leases", "patch"),
        ("*", "*", "*"),
    ];
    for (group, resource, verb) in asks {
        let right = (group.to_owned(), resource.to_owned(), verb.to_owned());
        assert!(!may(client, OPERATOR, "default", &right).await, "{right:?}");
    }
}

/// Whether the API server lets a user do something in a namespace.
pub(crate) async fn may(
    client: &Client,
    user: &str,
    namespace: &str,
    (group, resource, verb): &Right,
) -> bool {
    let (resource, subresource) = match resource.split_once('/') {
        Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
        None => (resource.as_str(), None),
    };
    let attributes = ResourceAttributes {
        namespace: Some(namespace.to_owned()),
        group: Some(group.clone()),
        resource: Some(resource.to_owned()),
        subresource,
        verb: Some(verb.clone()),
        ..ResourceAttributes::default()
    };
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(user.to_owned()),
            resource_attributes: Some(attributes),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let answer = Api::all(client.clone()).create(&PostParams::default(), &review).await.unwrap();
    answer.status.unwrap().allowed
}
