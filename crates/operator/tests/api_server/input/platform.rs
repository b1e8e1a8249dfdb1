//! Wrong values of a platform.

use kube::api::{ApiResource, Patch, PatchParams};
use moviebooking_operator::api::MovieBookingPlatform;
use serde_json::{Value, json};

use super::{Case, about, all_are_refused, case, refusal};
use crate::world::World;

fn long() -> Value {
    json!("x".repeat(5000))
}

fn secrets(names: &[&str]) -> Value {
    names.iter().map(|name| ((*name).to_owned(), json!("s"))).collect::<serde_json::Map<_, _>>().into()
}

/// What a field must have beside it.
fn base(field: &str) -> Value {
    let needed = |prefix: &str| field.starts_with(prefix);
    let mut spec = json!({ "version": "0.1.0" });
    if needed("gateway.ingress.") {
        spec["gateway"] = json!({ "ingress": { "host": "a.example", "tlsSecretName": "tls" } });
    }
    if needed("gateway.ingress.issuer.") {
        spec["gateway"]["ingress"]["issuer"] = json!({ "name": "x" });
    }
    if needed("gateway.routes.") {
        spec["gateway"] = json!({ "routes": { "parentRef": { "name": "edge" }, "host": "a.example" } });
    }
    if needed("payments.stripe.") {
        spec["payments"] = json!({ "stripe": { "secretName": "s" } });
    }
    if needed("events.nats.") {
        spec["events"] = json!({ "nats": { "servers": ["nats://nats"] } });
    }
    if needed("backup.") {
        spec["backup"] = json!({ "schedule": "@daily", "claimName": "backups" });
    }
    if needed("databases.builtin.restore.") {
        spec["databases"] = json!({ "builtin": { "restore": { "claimName": "backups", "backup": "b-1" } } });
    }
    if needed("services.*.autoscaling.") {
        spec["services"] = json!({ "users": { "autoscaling": { "maxReplicas": 5 } } });
    }
    spec
}

fn of_the_whole() -> Vec<Case> {
    vec![
        case("version", json!("not a tag"), "version: use the tag of the images, such as 0.1.0"),
        case("version", json!(""), "spec.version"),
        case("version", long(), "spec.version: Too long"),
        case("images.repository", json!("Registry/UPPER"), "images.repository: use a registry and a folder"),
        case(
            "images.pullPolicy",
            json!("Sometimes"),
            "supported values: \"IfNotPresent\", \"Always\", \"Never\"",
        ),
        case("images.pullSecrets.[]", json!(""), "spec.images.pullSecrets[0]"),
        case("replicas", json!(0), "spec.replicas: Invalid value: 0"),
        case("replicas", json!(101), "spec.replicas: Invalid value: 101"),
        case("networkPolicies", json!("yes"), "spec.networkPolicies: Invalid value: \"string\""),
        case("suspend", json!(1), "spec.suspend: Invalid value: \"integer\""),
        case("telemetry.log", json!("info; rm"), "log: use error, warn, info, debug or trace"),
        case("telemetry.otlpEndpoint", json!("collector:4317"), "otlpEndpoint: use a URL such as"),
        case("telemetry.traceSamplePercent", json!(101), "spec.telemetry.traceSamplePercent"),
        case("payments.stripe", json!({}), "spec.payments.stripe.secretName: Required value"),
        case("payments.stripe.secretName", json!(""), "spec.payments.stripe.secretName"),
        case(
            "payments.stripe.returnUrl",
            json!("http://x.example"),
            "returnUrl: use a URL that begins with https://",
        ),
        case("events.nats.servers", json!([]), "spec.events.nats.servers"),
        case(
            "events.nats.servers.[]",
            json!("nats://user:pass@nats:4222"),
            "user and password belong into credentialsSecretName",
        ),
        case("events.nats.credentialsSecretName", json!(""), "spec.events.nats.credentialsSecretName"),
        case("events.nats.caSecretName", json!(""), "spec.events.nats.caSecretName"),
    ]
}

/// Of processor time and memory at `path`, as the policy says it of `named`.
fn of_resources(path: &str, cases: &mut Vec<Case>) {
    let field = |below: &str| format!("{path}.resources.{below}");
    for kind in ["requests", "limits"] {
        let wrong = case(&field(kind), json!({ "cpu": "half" }), "resources: use quantities such as 500m");
        cases.push(about(&field(&format!("{kind}.[]")), wrong));
        cases.push(case(
            &field(kind),
            json!({ "cpus": "1" }),
            "resources: use cpu, memory, ephemeral-storage",
        ));
    }
    let more = json!({ "requests": { "cpu": 2 }, "limits": { "cpu": "1500m" } });
    cases.push(case(&format!("{path}.resources"), more, "a request is more than its limit: lower the one"));
    for below in ["name", "request"] {
        let claim = json!([{ "name": "gpu", "request": "one" }]);
        let wrong = case(&field("claims"), claim, "resources: claims of devices are not for these pods");
        cases.push(about(&field(&format!("claims.[].{below}")), wrong));
    }
}

/// Of the choice of nodes at `path`.
fn of_nodes(path: &str, cases: &mut Vec<Case>) {
    let selector = format!("{path}.nodeSelector");
    for wrong in [json!({ "no key": "x" }), json!({ "key": "no value" })] {
        let wrong = case(&selector, wrong, ".nodeSelector: use labels of nodes");
        cases.push(about(&format!("{selector}.[]"), wrong));
    }
    let unknown =
        ".tolerations: use operator Exists or Equal, effect NoSchedule, PreferNoSchedule or NoExecute";
    let useless = ".tolerations: use the key and value of a taint";
    let tolerations = [
        ("operator", json!({ "key": "edge", "operator": "Likes" }), unknown),
        ("effect", json!({ "key": "edge", "effect": "Maybe" }), unknown),
        ("tolerationSeconds", json!({ "key": "edge", "tolerationSeconds": 5 }), unknown),
        ("key", json!({ "key": "no key" }), useless),
        ("key", json!({ "value": "x" }), useless),
        ("value", json!({ "key": "edge", "operator": "Exists", "value": "x" }), useless),
    ];
    for (below, toleration, says) in tolerations {
        let field = format!("{path}.tolerations.[]");
        cases.push(about(&format!("{field}.{below}"), case(&field, toleration, says)));
    }
    cases.push(case(&format!("{path}.priorityClassName"), json!(""), "priorityClassName"));
}

fn of_services() -> Vec<Case> {
    let belongs_elsewhere = "secrets and databases' URLs do not belong here";
    let variable = |name: &str, value: &str| json!([{ "name": name, "value": value }]);
    let env = |below: &str, value: Value, says| {
        about(&format!("services.*.env.[].{below}"), case("services.*.env", value, says))
    };
    let mut cases = vec![
        case("services", json!({ "bank": {} }), "services: use the names users, movies"),
        case("services.*.replicas", json!(0), "spec.services.users.replicas"),
        case("services.*.development", json!({}), "image: Required value"),
        case(
            "services.*.development.image",
            json!("registry.example/me/users"),
            "image: use a name with a tag, such as registry.example/me/users:mine",
        ),
        case(
            "services.*",
            json!({ "replicas": 1, "autoscaling": { "maxReplicas": 2 } }),
            "remove replicas, which the autoscaler decides",
        ),
        case("services.*.autoscaling", json!({}), "maxReplicas: Required value"),
        case("services.*.autoscaling.minReplicas", json!(6), "minReplicas is larger than maxReplicas"),
        case("services.*.autoscaling.maxReplicas", json!(101), "maxReplicas: Invalid value: 101"),
        case("services.*.autoscaling.targetCpuPercent", json!(0), "targetCpuPercent: Invalid value: 0"),
        env("name", variable("lower", ""), "name: use capital letters, digits and _"),
        env("name", variable("MOVIEBOOKING_SERVICE_SECRET", ""), belongs_elsewhere),
        env("name", variable("MOVIEBOOKING_DATABASE_URL", ""), belongs_elsewhere),
        env("name", json!([{ "name": "A", "value": "" }, { "name": "A", "value": "" }]), "Duplicate value"),
        env("value", json!([{ "name": "A", "value": long() }]), "spec.services.users.env[0].value: Too long"),
    ];
    of_resources("services.*", &mut cases);
    of_nodes("services.*", &mut cases);
    cases
}

fn of_databases() -> Vec<Case> {
    let all = ["users", "movies", "theaters", "reservations", "payments", "tickets"];
    let external = |value: Value, says| {
        about("databases.external.secrets.*", case("databases.external.secrets", value, says))
    };
    let mut empty = secrets(&all);
    empty["bank"] = json!("");
    let mut cases = vec![
        case(
            "databases",
            json!({ "builtin": {}, "cloudNativePG": {} }),
            "databases: set one of builtin, external and cloudNativePG",
        ),
        case("databases.builtin.image", json!("no image"), "image: use an image's name such as docker.io"),
        case("databases.builtin.storage.size", json!("big"), "size: use a quantity such as 10Gi"),
        case("databases.builtin.storage.size", json!("-1Gi"), "size: use a quantity such as 10Gi"),
        case("databases.builtin.storage.storageClassName", json!(""), "storageClassName"),
        case("databases.builtin.deletionPolicy", json!("Keep"), "supported values: \"Retain\", \"Delete\""),
        external(secrets(&["users"]), "name the Secret of each of users, movies"),
        external(secrets(&all), "name the Secret of the database bank too"),
        external(secrets(&[&all[..], &["cinema"]].concat()), "there is a database for each of"),
        external(empty, "secrets: the name of a Secret is empty or too long"),
        case(
            "databases.cloudNativePG",
            json!({ "clusterName": "a", "cluster": {} }),
            "cloudNativePG: set either clusterName, for a Cluster that is there, or cluster",
        ),
        case("databases.cloudNativePG.clusterName", json!("A b"), "clusterName: use the name of a Cluster"),
        case(
            "databases.cloudNativePG.deletionPolicy",
            json!("Keep"),
            "supported values: \"Retain\", \"Delete\"",
        ),
        case("databases.cloudNativePG.cluster.instances", json!(0), "instances: Invalid value: 0"),
        case(
            "databases.cloudNativePG.cluster.imageName",
            json!("no image"),
            "imageName: use an image's name",
        ),
        case("databases.cloudNativePG.cluster.storage.size", json!(0), "size: use a quantity such as 10Gi"),
        case("databases.cloudNativePG.cluster.storage.storageClassName", json!(""), "storageClassName"),
    ];
    of_resources("databases.builtin", &mut cases);
    of_nodes("databases.builtin", &mut cases);
    of_resources("databases.cloudNativePG.cluster", &mut cases);
    cases
}

fn of_backups() -> Vec<Case> {
    let times = "schedule: use five fields such as '30 3 * * *'";
    let claim = "claimName: use the name of a PersistentVolumeClaim";
    let backup = json!({ "schedule": "@daily", "claimName": "backups" });
    vec![
        case("backup.schedule", json!("every night"), times),
        case("backup.schedule", json!("30 3 * *"), times),
        case("backup.schedule", json!("TZ=Europe/Berlin 30 3 * * *"), times),
        case("backup.schedule", json!("@reboot"), times),
        case("backup.claimName", json!("Backups"), claim),
        case("backup", json!({}), "spec.backup.schedule: Required value"),
        case("backup.keep", json!(0), "spec.backup.keep"),
        case("backup.keep", json!(1001), "spec.backup.keep"),
        case("databases.builtin.restore.claimName", json!(""), "claimName"),
        case(
            "databases.builtin.restore.backup",
            json!("../other"),
            "backup: use the name of a backup such as",
        ),
        about(
            "backup",
            case(
                "",
                json!({ "backup": backup, "databases": { "cloudNativePG": {} } }),
                "spec.backup: databases that others run are backed up by them",
            ),
        ),
    ]
}

fn of_the_gateway() -> Vec<Case> {
    let types = "supported values: \"ClusterIP\", \"NodePort\", \"LoadBalancer\"";
    let routes = json!({ "parentRef": { "name": "edge" }, "host": "a.example" });
    vec![
        case("gateway.serviceType", json!("ExternalName"), types),
        case(
            "gateway",
            json!({ "ingress": { "host": "a.example" }, "routes": routes }),
            "gateway: set either ingress or routes",
        ),
        case(
            "gateway.trustedProxies.[]",
            json!("10.0.0.1"),
            "trustedProxies: use networks such as 10.0.0.0/8",
        ),
        case("gateway.corsOrigins.[]", json!("tickets.example.com/page"), "corsOrigins: use scheme://host"),
        case("gateway.ingress", json!({}), "spec.gateway.ingress.host: Required value"),
        case("gateway.ingress.className", json!(""), "spec.gateway.ingress.className"),
        case(
            "gateway.ingress.host",
            json!("https://a.example"),
            "host: use a name such as tickets.example.com",
        ),
        case("gateway.ingress.tlsSecretName", json!(""), "spec.gateway.ingress.tlsSecretName"),
        case(
            "gateway.ingress",
            json!({ "host": "a.example", "issuer": { "name": "x" } }),
            "issuer needs tlsSecretName",
        ),
        case("gateway.ingress.issuer.name", json!(""), "spec.gateway.ingress.issuer.name"),
        case("gateway.ingress.issuer.kind", json!("Pope"), "supported values: \"Issuer\", \"ClusterIssuer\""),
        about(
            "gateway.ingress.annotations.*",
            case(
                "gateway.ingress.annotations",
                json!({ "no key": "" }),
                "spec.gateway.ingress.annotations: use keys such as",
            ),
        ),
        case(
            "gateway.routes",
            json!({ "host": "a.example" }),
            "spec.gateway.routes.parentRef: Required value",
        ),
        case("gateway.routes.parentRef.name", json!("No name"), "name: use the name of a Gateway"),
        case("gateway.routes.parentRef.namespace", json!("a.b"), "namespace: use the name of a namespace"),
        case("gateway.routes.parentRef.sectionName", json!("-"), "sectionName: use the name of a listener"),
        case("gateway.routes.host", json!("*.example"), "host: use a name such as tickets.example.com"),
        case(
            "gateway.routes.grpcHost",
            json!("a_b"),
            "grpcHost: use a name such as grpc.tickets.example.com",
        ),
        case("gateway.routes.grpcHost", json!("a.example"), "use another for grpcHost"),
        case("gateway.routes.tls", json!("yes"), "spec.gateway.routes.tls: Invalid value: \"string\""),
    ]
}

#[tokio::test]
async fn each_field_of_a_platform_refuses_a_wrong_value() {
    let kind = ApiResource::erase::<MovieBookingPlatform>(&());
    let cases =
        [of_the_whole(), of_services(), of_databases(), of_backups(), of_the_gateway()].into_iter().flatten();
    all_are_refused(&kind, base, cases.collect()).await;

    let world = World::shared().await;
    let fine = json!({ "version": "0.1.0" });
    for name in ["1cinema", "a", "cinema.example", "a-name-that-is-much-longer-than-thirty"] {
        let said = refusal(&world, &kind, name, &fine).await;
        assert!(said.is_some_and(|said| said.contains("metadata.name: use 2 to 30")), "{name}");
    }
    let tolerations = json!([{ "operator": "Exists" }, { "key": "edge", "value": "x", "effect": "NoExecute", "tolerationSeconds": 5 }]);
    let chosen = json!({
        "nodeSelector": { "kubernetes.io/arch": "arm64", "zone": "" },
        "tolerations": tolerations,
        "resources": { "requests": { "cpu": 1, "example.com/gpu": "1" }, "limits": { "memory": "1Gi", "cpu": "1000m" } },
    });
    let chosen = json!({ "version": "0.1.0", "services": { "users": chosen } });
    let kept = ["* * * * *", "*/5 0-6 1,15 * MON-FRI", "@hourly"]
        .map(|times| json!({ "version": "0.1.0", "backup": { "schedule": times, "claimName": "backups" } }));
    for fine in [fine, chosen].into_iter().chain(kept) {
        assert_eq!(refusal(&world, &kind, "cinema", &fine).await, None);
    }
}

#[tokio::test]
async fn what_volumes_and_databases_are_on_cannot_be_changed_afterwards() {
    let world = World::shared().await;
    let write = async |databases: Value| {
        let spec = json!({ "version": "0.1.0", "suspend": true, "databases": databases });
        world.write(&spec).await.map_err(|error| error.to_string())
    };
    let builtin = |size: &str| json!({ "builtin": { "storage": { "size": size } } });
    write(builtin("10Gi")).await.unwrap();
    let error = write(builtin("20Gi")).await.unwrap_err();
    assert!(error.contains("enlarge the PersistentVolumeClaim itself"), "{error}");

    let own = |storage: Value| json!({ "cloudNativePG": { "cluster": { "storage": storage } } });
    write(own(json!({ "size": "10Gi" }))).await.unwrap();
    write(own(json!({ "size": "20480Mi" }))).await.unwrap();
    let error = write(own(json!({ "size": "15Gi" }))).await.unwrap_err();
    assert!(error.contains("storage.size: a volume cannot be made smaller"), "{error}");
    let error = write(own(json!({ "size": "20Gi", "storageClassName": "fast" }))).await.unwrap_err();
    assert!(error.contains("storage.storageClassName cannot be changed"), "{error}");
    let error = write(json!({ "cloudNativePG": { "clusterName": "shared" } })).await.unwrap_err();
    assert!(error.contains("cloudNativePG.clusterName cannot be changed"), "{error}");
}

/// What only the cluster can tell is told by the status, and the rest of the platform goes on.
#[tokio::test]
async fn a_field_that_the_cluster_refuses_is_a_condition() {
    let world = World::shared().await;
    world.serving(&json!({ "version": "0.1.0" })).await;
    // A quota of the namespace, say, would be the same: somebody has the object's name.
    let theirs = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "cinema-gateway" },
        "spec": { "clusterIP": "None" },
    });
    let services = world.api::<k8s_openapi::api::core::v1::Service>();
    services.delete("cinema-gateway", &kube::api::DeleteParams::default()).await.unwrap();
    let params = PatchParams::apply("they").force();
    services.patch("cinema-gateway", &params, &Patch::Apply(&theirs)).await.unwrap();
    world.write(&json!({ "version": "0.1.0", "replicas": 3 })).await.unwrap();
    world
        .working_until("told of the Service", |platform| {
            crate::world::condition(platform, "Ready").is_some_and(|(_, reason, message)| {
                reason == "ApplyFailed" && message.contains("Service cinema-gateway cannot be applied")
            }) && platform
                .status
                .as_ref()
                .is_some_and(|it| it.services.iter().all(|it| it.ready_replicas == 3))
        })
        .await;
}
