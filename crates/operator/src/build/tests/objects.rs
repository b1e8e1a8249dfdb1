//! What is built, as a person would read it.

use k8s_openapi::api::{
    batch::v1::{CronJob, Job},
    core::v1::PodSpec,
};

use super::*;

/// All objects, one after another, as YAML.
fn text(plan: &Plan) -> String {
    let documents = plan.objects.iter().map(|object| serde_saphyr::to_string(&object.value).unwrap());
    documents.collect::<Vec<_>>().join("---\n")
}

#[test]
fn a_version_alone() {
    let (_, plan) = converged(&platform(json!({ "version": "0.1.0" })), databases_ready());
    insta::assert_snapshot!(text(&plan));
}

#[test]
fn everything_that_can_be_set() {
    let platform = platform(json!({
        "version": "0.2.0",
        "images": { "repository": "registry.example/cinema", "pullPolicy": "Always", "pullSecrets": ["registry"] },
        "replicas": 3,
        "services": {
            "users": {
                "autoscaling": { "maxReplicas": 9 },
                "resources": { "requests": { "cpu": "1" } },
                "env": [{ "name": "MOVIEBOOKING_SIGNING_KEY_DAYS", "value": "30" }],
            },
            "gateway": {
                "replicas": 5,
                "nodeSelector": { "zone": "edge" },
                "tolerations": [{ "key": "edge", "operator": "Exists" }],
                "priorityClassName": "high",
                "env": [{ "name": "MOVIEBOOKING_PLAINTEXT", "value": "false" }],
            },
        },
        "databases": { "external": { "secrets": {
            "users": "u", "movies": "m", "theaters": "th", "reservations": "r", "payments": "p", "tickets": "ti",
        } } },
        "gateway": {
            "serviceType": "LoadBalancer",
            "ingress": {
                "className": "nginx", "host": "tickets.example.com", "tlsSecretName": "tls",
                "issuer": { "name": "letsencrypt", "kind": "ClusterIssuer" }, "annotations": { "a": "b" },
            },
            "trustedProxies": ["10.0.0.0/8"],
            "corsOrigins": ["https://tickets.example.com"],
        },
        "payments": { "stripe": { "secretName": "stripe", "returnUrl": "https://tickets.example.com/paid" } },
        "events": { "nats": {
            "servers": ["tls://nats.events"], "credentialsSecretName": "nats", "caSecretName": "nats-ca",
        } },
        "telemetry": { "log": "debug", "otlpEndpoint": "http://collector:4317", "traceSamplePercent": 5 },
    }));
    let (_, plan) = converged(&platform, databases_ready());
    insta::assert_snapshot!(text(&plan));
    assert_eq!(url(&Scope::new(&platform).unwrap()), "https://tickets.example.com");
}

/// The databases of CloudNativePG and the routes of a Gateway, instead of what the others have.
#[test]
fn what_others_define() {
    let platform = platform(json!({
        "version": "0.2.0",
        "databases": { "cloudNativePG": {
            "cluster": {
                "instances": 2, "imageName": "registry.example/postgresql:17",
                "storage": { "size": "50Gi", "storageClassName": "fast" },
                "resources": { "requests": { "cpu": "1" } },
            },
            "deletionPolicy": "Delete",
        } },
        "gateway": { "routes": {
            "parentRef": { "name": "edge", "namespace": "gateways", "sectionName": "https" },
            "host": "tickets.example.com", "grpcHost": "grpc.tickets.example.com",
        } },
    }));
    let observed = Observed { served: Foreign::ALL.into(), ..databases_ready() };
    let (_, plan) = converged(&platform, observed);
    let kinds = ["Cluster", "DatabaseClaim", "HTTPRoute", "GRPCRoute"];
    let theirs = plan.objects.iter().filter(|object| {
        kinds.contains(&object.resource.kind.as_str())
            || object.name == "cinema-gateway" && object.resource.kind == "Service"
            || object.name == "cinema-migration"
    });
    let documents = theirs.map(|object| serde_saphyr::to_string(&object.value).unwrap());
    insta::assert_snapshot!(documents.collect::<Vec<_>>().join("---\n"));
    assert_eq!(url(&Scope::new(&platform).unwrap()), "https://tickets.example.com");

    // Without their definitions there is none of them, and the rest is as it is to be.
    let (_, plan) = converged(&platform, databases_ready());
    assert!(
        plan.objects.iter().all(|object| !["Cluster", "HTTPRoute"].contains(&object.resource.kind.as_str()))
    );
}

/// What a claim to a database on a Cluster consists of.
#[test]
fn a_claim_to_a_database_of_cloud_native_pg() {
    let asked = crate::api::CloudNativePgClaim {
        cluster: "shared".to_owned(),
        deletion_policy: crate::api::DeletionPolicy::Delete,
    };
    let claim: crate::api::DatabaseClaim = serde_json::from_value(json!({
        "metadata": { "name": "extra", "namespace": "tickets", "uid": "u" },
        "spec": { "database": "extra", "cloudNativePG": asked },
    }))
    .unwrap();
    let objects = cloud_native_pg_objects(&claim, &asked, "shared-rw", "secret").unwrap().unwrap();
    let secrets = [&objects.credentials, &objects.password].map(|secret| Object::of(secret).unwrap());
    let documents = [&secrets[0], &secrets[1], &objects.role, &objects.database]
        .map(|object| serde_saphyr::to_string(&object.value).unwrap());
    insta::assert_snapshot!(documents.join("---\n"));
}

#[test]
fn every_pod_keeps_to_the_restricted_level_and_has_no_token() {
    let spec = json!({ "version": "0.1.0", "backup": { "schedule": "@daily", "claimName": "backups" } });
    let (_, plan) = converged(&platform(spec), databases_ready());
    let deployments =
        all::<Deployment>(&plan).into_values().map(|it| it.spec.unwrap().template.spec.unwrap());
    let sets = all::<k8s_openapi::api::apps::v1::StatefulSet>(&plan).into_values();
    let sets = sets.map(|it| it.spec.unwrap().template.spec.unwrap());
    let jobs = all::<Job>(&plan).into_values().map(|it| it.spec.unwrap().template.spec.unwrap());
    let scheduled = all::<CronJob>(&plan).into_values().map(|it| it.spec.unwrap().job_template.spec.unwrap());
    let scheduled = scheduled.map(|it| it.template.spec.unwrap());
    let pods: Vec<PodSpec> = deployments.chain(sets).chain(jobs).chain(scheduled).collect();
    assert_eq!(pods.len(), 7 + 1 + 6 + 1);
    for pod in pods {
        let security = pod.security_context.as_ref().unwrap();
        assert_eq!(security.run_as_non_root, Some(true));
        assert_eq!(security.seccomp_profile.as_ref().unwrap().type_, "RuntimeDefault");
        assert_eq!(pod.automount_service_account_token, Some(false));
        assert!(pod.host_network.is_none() && pod.host_pid.is_none() && pod.host_ipc.is_none());
        for container in pod.containers.iter().chain(pod.init_containers.iter().flatten()) {
            let security = container.security_context.as_ref().unwrap();
            assert_eq!(security.allow_privilege_escalation, Some(false));
            assert_eq!(security.read_only_root_filesystem, Some(true));
            assert_eq!(security.capabilities.as_ref().unwrap().drop, Some(vec!["ALL".to_owned()]));
            let resources = container.resources.as_ref().unwrap();
            assert!(resources.requests.is_some() && resources.limits.is_some());
        }
        for volume in pod.volumes.iter().flatten() {
            assert!(volume.host_path.is_none());
        }
    }
}

#[test]
fn a_service_that_somebody_works_on_has_an_image_and_a_folder_of_its_own() {
    let image = "registry.example/me/users:mine";
    let spec = json!({ "version": "0.1.0", "services": { "users": { "development": { "image": image } } } });
    let (_, plan) = converged(&platform(spec), databases_ready());
    for (name, deployment) in all::<Deployment>(&plan) {
        let pod = deployment.spec.unwrap().template.spec.unwrap();
        let writable = pod.volumes.iter().flatten().filter(|volume| volume.empty_dir.is_some()).count();
        let is_users = name == "cinema-users";
        assert_eq!(writable, usize::from(is_users), "{name}");
        assert_eq!(pod.containers[0].image.as_deref() == Some(image), is_users, "{name}");
        let mounts = pod.containers[0].volume_mounts.iter().flatten();
        let has_folder =
            mounts.into_iter().any(|mount| mount.mount_path == "/development" && mount.read_only.is_none());
        assert_eq!(has_folder, is_users, "{name}");
    }
}

#[test]
fn no_secret_is_anywhere_but_in_secrets() {
    let (_, plan) = converged(&platform(json!({ "version": "0.1.0" })), databases_ready());
    let observed = databases_ready();
    for object in plan.objects.iter().filter(|object| object.resource.kind != "Secret") {
        let text = object.value.to_string();
        assert!(!text.contains(&observed.service_secret) && !text.contains(&observed.superuser_password));
    }
}

#[test]
fn what_a_retained_server_needs_stays_when_the_platform_goes() {
    for (policy, stays) in [("Retain", true), ("Delete", false)] {
        let spec = json!({ "version": "0.1.0", "databases": { "builtin": { "deletionPolicy": policy } } });
        let plan = plan(&platform(spec), &databases_ready()).unwrap();
        let secrets = all::<k8s_openapi::api::core::v1::Secret>(&plan);
        assert_eq!(secrets["cinema-postgresql-superuser"].metadata.owner_references.is_none(), stays);
        assert!(secrets["cinema-service-secret"].metadata.owner_references.is_some());
        let server = &all::<k8s_openapi::api::apps::v1::StatefulSet>(&plan)["cinema-postgresql"];
        let retention = server.spec.as_ref().unwrap().persistent_volume_claim_retention_policy.as_ref();
        assert_eq!(retention.unwrap().when_deleted.as_deref(), Some(policy));
    }
}

#[test]
fn the_names_of_the_longest_platform_fit() {
    let mut platform = platform(json!({ "version": "0.1.0" }));
    platform.metadata.name = Some("c".repeat(30));
    let (_, plan) = converged(&platform, databases_ready());
    for object in &plan.objects {
        // Labels hold them, and names of services are those of hosts.
        assert!(object.name.len() <= 63, "{}", object.name);
        let most = if object.resource.kind == "DatabaseClaim" { 45 } else { 63 };
        assert!(object.name.len() <= most, "{}", object.name);
    }
}

#[test]
fn each_password_has_a_role_of_its_own() {
    let claim = |database: &str| {
        let claim = json!({
            "apiVersion": "moviebooking.dev/v1alpha1",
            "kind": "DatabaseClaim",
            "metadata": { "name": "cinema-movies", "namespace": "tickets", "uid": "01234567-89ab-cdef-0123-456789abcdef" },
            "spec": { "database": database, "builtin": { "server": "cinema-postgresql" } },
        });
        serde_json::from_value(claim).unwrap()
    };
    let pod = k8s_openapi::api::core::v1::PodSpec::default();
    let objects = |database: &str, password: &str| {
        let server = Server { name: "cinema-postgresql", pod: &pod };
        let made = claim_objects(&claim(database), server, password).unwrap().unwrap();
        let data = made.credentials.data.unwrap();
        (String::from_utf8(data["username"].0.clone()).unwrap(), made.setup.metadata.name.unwrap())
    };
    let (role, job) = objects("movies", "one");
    assert!(role.starts_with("movies_"), "{role}");
    assert_eq!(objects("movies", "one"), (role.clone(), job.clone()));
    let (other_role, other_job) = objects("movies", "two");
    assert!(other_role != role && other_job != job);
    // PostgreSQL cuts longer names off.
    assert_eq!(objects(&"m".repeat(63), "one").0.len(), 63);
}
