//! Routes of a Gateway, against the Gateway API's own definitions; what its controllers would say of them, the test says.

use k8s_openapi::{
    api::{core::v1::Service, networking::v1::Ingress},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, ResourceExt as _,
    api::{DynamicObject, ListParams, Patch, PatchParams},
};
use moviebooking_operator::foreign::Foreign;
use serde_json::json;

use crate::world::{World, condition, define, is_ready};

/// Names the folder of the definitions.
const FOLDER: &str = "MOVIEBOOKING_TEST_GATEWAY_API";

/// The definitions of both kinds of routes.
pub(crate) fn definitions() -> [CustomResourceDefinition; 2] {
    let folder = std::env::var(FOLDER).unwrap_or_default();
    assert!(!folder.is_empty(), "{FOLDER} is not set: `cargo xtask test --install kube` sets it");
    ["httproutes", "grpcroutes"].map(|name| {
        let path = format!("{folder}/gateway.networking.k8s.io_{name}.yaml");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        serde_saphyr::from_str(&text).unwrap()
    })
}

/// Says what a Gateway's controller would say of a route.
async fn say(world: &World, kind: Foreign, status: &str, reason: &str) {
    let api = Api::<DynamicObject>::namespaced_with(world.client.clone(), &world.namespace, &kind.resource());
    let route = api.get("cinema-gateway").await.unwrap();
    let condition = json!({
        "type": "Accepted", "status": status, "reason": reason, "message": "said by the test",
        "observedGeneration": route.metadata.generation, "lastTransitionTime": "2026-01-01T00:00:00Z",
    });
    let status = json!({ "status": { "parents": [{
        "parentRef": route.data["spec"]["parentRefs"][0], "controllerName": "example.com/gateways",
        "conditions": [condition],
    }] } });
    api.patch_status("cinema-gateway", &PatchParams::default(), &Patch::Merge(&status)).await.unwrap();
}

/// Accepts both routes.
pub(crate) async fn accept(world: &World) {
    for kind in [Foreign::HttpRoute, Foreign::GrpcRoute] {
        say(world, kind, "True", "Accepted").await;
    }
}

#[tokio::test]
async fn a_gateway_of_somebody_else_leads_to_the_platform() {
    let world = World::shared().await;
    let routes = json!({
        "parentRef": { "name": "edge", "namespace": "gateways", "sectionName": "https" },
        "host": "tickets.example.com", "grpcHost": "grpc.tickets.example.com",
    });
    world.write(&json!({ "version": "0.1.0", "gateway": { "routes": routes } })).await.unwrap();
    let says = |reason: &'static str, part: &'static str| {
        move |platform: &_| {
            condition(platform, "Ready")
                .is_some_and(|(_, it, message)| it == reason && message.contains(part))
        }
    };
    world
        .working_until("missing the Gateway API", says("GatewayApiMissing", "install the Gateway API"))
        .await;

    // It is installed while the operator runs.
    define(&world.client, definitions()).await;
    world.working_until("waiting for a controller", says("RoutePending", "is there a Gateway edge")).await;
    let api = |kind: Foreign| {
        Api::<DynamicObject>::namespaced_with(world.client.clone(), &world.namespace, &kind.resource())
    };
    let say = async |kind, status: &str, reason: &str| say(&world, kind, status, reason).await;
    say(Foreign::HttpRoute, "True", "Accepted").await;
    say(Foreign::GrpcRoute, "False", "NotAllowedByListeners").await;
    world
        .working_until(
            "refused",
            says(
                "RouteRefused",
                "the Gateway edge does not take the GRPCRoute cinema-gateway: NotAllowedByListeners",
            ),
        )
        .await;
    say(Foreign::GrpcRoute, "True", "Accepted").await;
    world.working_until("serving", |platform| is_ready(platform, Some(1))).await;
    assert_eq!(world.platform().await.status.unwrap().url.as_deref(), Some("https://tickets.example.com"));

    let spec = api(Foreign::GrpcRoute).get("cinema-gateway").await.unwrap().data["spec"].clone();
    assert_eq!(spec["hostnames"], json!(["grpc.tickets.example.com"]));
    assert_eq!(spec["parentRefs"][0]["sectionName"], "https");
    assert_eq!(spec["rules"][0]["backendRefs"][0]["port"], 50051);
    let service = world.api::<Service>().get("cinema-gateway").await.unwrap();
    let ports = service.spec.unwrap().ports.unwrap();
    let grpc = ports.iter().find(|port| port.port == 50051).unwrap();
    assert_eq!(grpc.app_protocol.as_deref(), Some("kubernetes.io/h2c"));

    // An Ingress instead: the routes go.
    world.serving(&json!({ "version": "0.1.0", "gateway": { "ingress": { "host": "a.example" } } })).await;
    for kind in [Foreign::HttpRoute, Foreign::GrpcRoute] {
        assert!(api(kind).list(&ListParams::default()).await.unwrap().items.is_empty());
    }
    let ingresses = world.api::<Ingress>().list(&ListParams::default()).await.unwrap();
    assert_eq!(ingresses.items[0].name_any(), "cinema-gateway");
}
