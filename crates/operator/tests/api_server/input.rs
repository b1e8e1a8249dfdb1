//! What nobody may write: each is refused with a message that names the field and the fix.

use kube::{
    Api,
    api::{DynamicObject, PostParams},
};
use moviebooking_operator::api::{DatabaseClaim, MovieBookingPlatform};
use serde_json::{Value, json};

use crate::world::World;

/// What the API server says of an object.
pub(crate) async fn refusal<K: kube::Resource<DynamicType = ()>>(
    world: &World,
    name: &str,
    spec: &Value,
) -> Option<String> {
    let resource = kube::api::ApiResource::erase::<K>(&());
    let api = Api::<DynamicObject>::namespaced_with(world.client.clone(), &world.namespace, &resource);
    let object = DynamicObject::new(name, &resource).data(json!({ "spec": spec }));
    let params = PostParams { dry_run: true, ..PostParams::default() };
    match api.create(&params, &object).await {
        Ok(_) => None,
        Err(kube::Error::Api(status)) => Some(status.message.clone()),
        Err(error) => panic!("{error}"),
    }
}

/// The specification with a value at a path such as `services.users.replicas`.
pub(crate) fn with(mut spec: Value, path: &str, value: Value) -> Value {
    let mut place = &mut spec;
    for part in path.split('.') {
        if !place.is_object() {
            *place = json!({});
        }
        place = &mut place[part];
    }
    *place = value;
    spec
}

#[tokio::test]
async fn wrong_platforms_are_refused() {
    let world = World::shared().await;
    let long = "x".repeat(5000);
    let secrets = |names: &[&str]| -> Value {
        names.iter().map(|name| ((*name).to_owned(), json!("s"))).collect::<serde_json::Map<_, _>>().into()
    };
    let cases = [
        ("version", json!("not a tag"), "version: use the tag of the images, such as 0.1.0"),
        ("version", json!(""), "spec.version"),
        ("version", json!(long), "spec.version"),
        ("images.repository", json!("Registry/UPPER"), "images.repository: use a registry and a folder"),
        (
            "images.pullPolicy",
            json!("Sometimes"),
            "supported values: \"IfNotPresent\", \"Always\", \"Never\"",
        ),
        ("images.pullSecrets", json!([""]), "spec.images.pullSecrets[0]"),
        ("replicas", json!(0), "spec.replicas: Invalid value: 0"),
        ("replicas", json!(101), "spec.replicas: Invalid value: 101"),
        ("services.bank", json!({}), "services: use the names users, movies"),
        ("services.users.replicas", json!(0), "spec.services.users.replicas"),
        (
            "services.users",
            json!({ "replicas": 1, "autoscaling": { "maxReplicas": 2 } }),
            "remove replicas, which the autoscaler decides",
        ),
        ("services.users.autoscaling", json!({ "minReplicas": 5, "maxReplicas": 2 }), "raise maxReplicas"),
        (
            "services.users.autoscaling",
            json!({ "maxReplicas": 2, "targetCpuPercent": 0 }),
            "targetCpuPercent",
        ),
        ("services.users.autoscaling", json!({}), "maxReplicas: Required value"),
        (
            "services.users.env",
            json!([{ "name": "lower", "value": "" }]),
            "name: use capital letters, digits and _",
        ),
        (
            "services.users.env",
            json!([{ "name": "MOVIEBOOKING_SERVICE_SECRET", "value": "" }]),
            "secrets and databases' URLs do not belong here",
        ),
        (
            "services.users.env",
            json!([{ "name": "MOVIEBOOKING_DATABASE_URL", "value": "" }]),
            "secrets and databases' URLs do not belong here",
        ),
        (
            "services.users.env",
            json!([{ "name": "A", "value": "" }, { "name": "A", "value": "" }]),
            "Duplicate value",
        ),
        (
            "services.users.env",
            json!([{ "name": "A", "value": long }]),
            "spec.services.users.env[0].value: Too long",
        ),
        ("services.users.priorityClassName", json!(""), "priorityClassName"),
        (
            "databases",
            json!({ "builtin": {}, "external": { "secrets": secrets(&["users"]) } }),
            "databases: set either builtin or external",
        ),
        (
            "databases.builtin.image",
            json!("no image"),
            "image: use an image's name such as docker.io/library/postgres:17",
        ),
        ("databases.builtin.storage.size", json!("big"), "size: use a quantity such as 10Gi"),
        ("databases.builtin.storage.size", json!("-1Gi"), "size: use a quantity such as 10Gi"),
        ("databases.builtin.deletionPolicy", json!("Keep"), "supported values: \"Retain\", \"Delete\""),
        ("databases.external.secrets", secrets(&["users"]), "name the Secret of each of users, movies"),
        (
            "databases.external.secrets",
            secrets(&["users", "movies", "theaters", "reservations", "payments", "tickets"]),
            "name the Secret of the database bank too",
        ),
        (
            "databases.external.secrets",
            secrets(&["users", "movies", "theaters", "reservations", "payments", "tickets", "cinema"]),
            "there is a database for each of",
        ),
        (
            "gateway.serviceType",
            json!("ExternalName"),
            "supported values: \"ClusterIP\", \"NodePort\", \"LoadBalancer\"",
        ),
        ("gateway.ingress", json!({}), "spec.gateway.ingress.host: Required value"),
        (
            "gateway.ingress.host",
            json!("https://tickets.example.com"),
            "host: use a name such as tickets.example.com",
        ),
        (
            "gateway.ingress",
            json!({ "host": "a.example", "issuer": { "name": "x" } }),
            "issuer needs tlsSecretName",
        ),
        (
            "gateway.ingress",
            json!({ "host": "a.example", "tlsSecretName": "t", "issuer": { "name": "x", "kind": "Pope" } }),
            "supported values: \"Issuer\", \"ClusterIssuer\"",
        ),
        ("gateway.trustedProxies", json!(["10.0.0.1"]), "trustedProxies: use networks such as 10.0.0.0/8"),
        ("gateway.corsOrigins", json!(["tickets.example.com/page"]), "corsOrigins: use scheme://host"),
        ("payments.stripe", json!({}), "spec.payments.stripe.secretName: Required value"),
        (
            "payments.stripe",
            json!({ "secretName": "s", "returnUrl": "http://x.example" }),
            "returnUrl: use a URL that begins with https://",
        ),
        ("events.nats.servers", json!([]), "spec.events.nats.servers"),
        (
            "events.nats.servers",
            json!(["nats://user:pass@nats:4222"]),
            "user and password belong into credentialsSecretName",
        ),
        ("telemetry.log", json!("info; rm"), "log: use error, warn, info, debug or trace"),
        ("telemetry.otlpEndpoint", json!("collector:4317"), "otlpEndpoint: use a URL such as"),
        ("telemetry.traceSamplePercent", json!(101), "spec.telemetry.traceSamplePercent"),
        ("networkPolicies", json!("yes"), "spec.networkPolicies"),
        ("suspend", json!(1), "spec.suspend"),
    ];
    for (path, value, expected) in cases {
        let spec = with(json!({ "version": "0.1.0" }), path, value.clone());
        let said = refusal::<MovieBookingPlatform>(&world, "cinema", &spec).await;
        let said = said.unwrap_or_else(|| panic!("{path} is let in: {value}"));
        assert!(said.contains(expected), "{path}: {said}, not {expected}");
    }
    for name in ["1cinema", "a", "cinema.example", "a-name-that-is-much-longer-than-thirty"] {
        let said = refusal::<MovieBookingPlatform>(&world, name, &json!({ "version": "0.1.0" })).await;
        assert!(said.is_some_and(|said| said.contains("metadata.name: use 2 to 30")), "{name}");
    }
    assert_eq!(refusal::<MovieBookingPlatform>(&world, "cinema", &json!({ "version": "0.1.0" })).await, None);
}

#[tokio::test]
async fn wrong_claims_are_refused() {
    let world = World::shared().await;
    let builtin = json!({ "server": "cinema-postgresql" });
    let cases = [
        (json!({ "database": "users" }), "set exactly one of builtin and external"),
        (
            json!({ "database": "users", "builtin": builtin, "external": { "secretName": "s" } }),
            "set exactly one of builtin and external",
        ),
        (json!({ "database": "Users; DROP", "builtin": builtin }), "database: use lower-case letters"),
        (json!({ "database": "postgres", "builtin": builtin }), "this name is PostgreSQL's own"),
        (json!({ "database": "pg_x", "builtin": builtin }), "this name is PostgreSQL's own"),
        (json!({ "builtin": builtin }), "spec.database: Required value"),
        (json!({ "database": "users", "builtin": { "server": "" } }), "spec.builtin.server"),
        (json!({ "database": "users", "external": { "secretName": "" } }), "spec.external.secretName"),
    ];
    for (spec, expected) in cases {
        let said = refusal::<DatabaseClaim>(&world, "cinema-users", &spec).await;
        let said = said.unwrap_or_else(|| panic!("let in: {spec}"));
        assert!(said.contains(expected), "{said}, not {expected}");
    }
    let said =
        refusal::<DatabaseClaim>(&world, "A", &json!({ "database": "users", "builtin": builtin })).await;
    assert!(said.is_some());
}

#[tokio::test]
async fn a_volume_cannot_be_changed_afterwards() {
    let world = World::shared().await;
    let spec = |size: &str| json!({ "version": "0.1.0", "suspend": true, "databases": { "builtin": { "storage": { "size": size } } } });
    world.write(&spec("10Gi")).await.unwrap();
    let error = world.write(&spec("20Gi")).await.unwrap_err().to_string();
    assert!(error.contains("enlarge the PersistentVolumeClaim itself"), "{error}");
}
