//! A pod of a component: what its process is given, within what it runs.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{
        Capabilities, Container, ContainerPort, EmptyDirVolumeSource, EnvVar, EnvVarSource, HTTPGetAction,
        KeyToPath, LocalObjectReference, PodSecurityContext, PodSpec, Probe, ResourceRequirements,
        SeccompProfile, SecretKeySelector, SecretVolumeSource, SecurityContext, TopologySpreadConstraint,
        Volume, VolumeMount,
    },
    apimachinery::pkg::{api::resource::Quantity, util::intstr::IntOrString},
};

use super::{rollout::MIGRATE, scope::Scope};
use crate::{
    api::PullPolicy,
    graph::{BANK, Component, GATEWAY, METRICS_PORT, PAYMENTS, component},
};

/// The user that the images run as.
const USER: i64 = 65532;
/// How long a pod that is to end goes on taking requests: until everybody has looked up its service's name again, and every
/// connection over HTTP/1.1 has had its last answer or been idle for too long.
const LINGER_SECONDS: i64 = 10;
/// How long a process may take until the requests under way are answered, as it says itself, and some more.
const DRAIN_SECONDS: i64 = 25;

/// The status of a pod has the end of the log of a process that has failed: what the platform's status repeats.
pub(super) const LAST_WORDS: &str = "FallbackToLogsOnError";

/// The folder for newer programs of a service that somebody works on, and the volume's name.
const DEVELOPMENT: &str = "development";

/// Where the secrets of a process are.
const SECRETS: &str = "/run/secrets";

/// The Secret with the secret that the services of a platform know each other by, and its key.
pub const SERVICE_SECRET: (&str, &str) = ("service-secret", "secret");

/// The Secrets that hold the URLs of databases, by database.
pub type Bindings = BTreeMap<&'static str, String>;

/// The pod of a component, whose databases' Secrets are known.
pub(super) fn of_component(scope: &Scope<'_>, component: &Component, bindings: &Bindings) -> PodSpec {
    let workload = scope.workload(component.name);
    let secrets = secrets(scope, component, bindings);
    let mut container = container(component.name, scope);
    container.env = Some(environment(scope, component, bindings));
    container.ports = Some(vec![port("serving", component.port), port("metrics", METRICS_PORT)]);
    let mut mounts: Vec<_> = secrets.iter().map(SecretFiles::mount).collect();
    let mut volumes: Vec<_> = secrets.into_iter().map(SecretFiles::volume).collect();
    if workload.development.is_some() {
        let name = DEVELOPMENT.to_owned();
        mounts.push(VolumeMount { name, mount_path: format!("/{DEVELOPMENT}"), ..VolumeMount::default() });
        let (name, empty_dir) = (DEVELOPMENT.to_owned(), Some(EmptyDirVolumeSource::default()));
        volumes.push(Volume { name, empty_dir, ..Volume::default() });
    }
    container.volume_mounts = Some(mounts);
    container.resources = Some(workload.resources.unwrap_or_else(|| resources(component)));
    container.startup_probe = Some(probe("/healthz", 1, 120));
    container.readiness_probe = Some(probe("/readyz", 2, 2));
    container.liveness_probe = Some(probe("/healthz", 10, 3));
    PodSpec {
        volumes: Some(volumes),
        termination_grace_period_seconds: Some(LINGER_SECONDS + DRAIN_SECONDS),
        topology_spread_constraints: Some(
            ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
                .map(|key| spread(scope, component, key))
                .into(),
        ),
        ..pod(scope, component, container)
    }
}

/// The pod that runs the migrations of a component's databases.
pub(super) fn of_migration(scope: &Scope<'_>, component: &Component, bindings: &Bindings) -> PodSpec {
    let secrets = secrets(scope, component, bindings);
    let mut container = container(MIGRATE, scope);
    container.image = Some(scope.image(component.name));
    container.args = Some(vec!["--migrate-only".to_owned()]);
    container.env = Some(environment(scope, component, bindings));
    container.volume_mounts = Some(secrets.iter().map(SecretFiles::mount).collect());
    container.resources = Some(resources(component));
    PodSpec {
        volumes: Some(secrets.into_iter().map(SecretFiles::volume).collect()),
        restart_policy: Some("Never".to_owned()),
        ..pod(scope, component, container)
    }
}

fn pod(scope: &Scope<'_>, component: &Component, container: Container) -> PodSpec {
    let workload = scope.workload(component.name);
    PodSpec {
        service_account_name: Some(scope.object_name(component.name)),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        security_context: Some(pod_security(USER)),
        image_pull_secrets: pull_secrets(scope),
        node_selector: (!workload.node_selector.is_empty()).then_some(workload.node_selector),
        tolerations: (!workload.tolerations.is_empty()).then_some(workload.tolerations),
        priority_class_name: workload.priority_class_name,
        containers: vec![container],
        ..PodSpec::default()
    }
}

/// What the Pod Security level `restricted` asks of a pod, which runs as `user` and its files' group.
pub(super) fn pod_security(user: i64) -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(user),
        run_as_group: Some(user),
        fs_group: Some(user),
        fs_group_change_policy: Some("OnRootMismatch".to_owned()),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            ..SeccompProfile::default()
        }),
        ..PodSecurityContext::default()
    }
}

/// What it asks of a container; its root is read-only besides.
pub(super) fn container_security() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), ..Capabilities::default() }),
        ..SecurityContext::default()
    }
}

/// When nodes fetch an image. Said of every container: without it the API server chooses by the image's tag, once.
pub(super) fn pull_policy(scope: &Scope<'_>) -> &'static str {
    match scope.spec.images.pull_policy {
        PullPolicy::IfNotPresent => "IfNotPresent",
        PullPolicy::Always => "Always",
        PullPolicy::Never => "Never",
    }
}

/// What registries are entered with.
pub(super) fn pull_secrets(scope: &Scope<'_>) -> Option<Vec<LocalObjectReference>> {
    let names = scope.spec.images.pull_secrets.iter();
    let secrets: Vec<_> = names.map(|name| LocalObjectReference { name: name.clone() }).collect();
    (!secrets.is_empty()).then_some(secrets)
}

fn container(name: &str, scope: &Scope<'_>) -> Container {
    Container {
        name: name.to_owned(),
        image: Some(scope.image(name)),
        image_pull_policy: Some(pull_policy(scope).to_owned()),
        security_context: Some(container_security()),
        termination_message_policy: Some(LAST_WORDS.to_owned()),
        ..Container::default()
    }
}

/// Requests, and a limit of memory. Passwords are hashed in memory, 19 MiB for each login under way.
fn resources(component: &Component) -> ResourceRequirements {
    let memory = if component.name == "users" { "512Mi" } else { "256Mi" };
    quantities(&[("cpu", "50m"), ("memory", "64Mi")], &[("memory", memory)])
}

/// Requests and limits.
pub(super) fn quantities(requests: &[(&str, &str)], limits: &[(&str, &str)]) -> ResourceRequirements {
    let map = |list: &[(&str, &str)]| {
        list.iter().map(|(name, quantity)| ((*name).to_owned(), Quantity((*quantity).to_owned()))).collect()
    };
    ResourceRequirements {
        requests: Some(map(requests)),
        limits: Some(map(limits)),
        ..ResourceRequirements::default()
    }
}

fn port(name: &str, port: u16) -> ContainerPort {
    ContainerPort { name: Some(name.to_owned()), container_port: port.into(), ..ContainerPort::default() }
}

fn probe(path: &str, period: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String("metrics".to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period),
        failure_threshold: Some(failures),
        timeout_seconds: Some(3),
        ..Probe::default()
    }
}

fn spread(scope: &Scope<'_>, component: &Component, key: &str) -> TopologySpreadConstraint {
    TopologySpreadConstraint {
        max_skew: 1,
        topology_key: key.to_owned(),
        when_unsatisfiable: "ScheduleAnyway".to_owned(),
        label_selector: Some(scope.selector(component.name)),
        match_label_keys: Some(vec!["pod-template-hash".to_owned()]),
        ..TopologySpreadConstraint::default()
    }
}

/// The variables of a component's process; what the platform's resource sets for it comes last and counts.
fn environment(scope: &Scope<'_>, component: &Component, bindings: &Bindings) -> Vec<EnvVar> {
    let spec = scope.spec;
    let mut variables = vec![
        ("MOVIEBOOKING_LISTEN".to_owned(), format!("0.0.0.0:{}", component.port)),
        ("MOVIEBOOKING_METRICS_LISTEN".to_owned(), format!("0.0.0.0:{METRICS_PORT}")),
        ("MOVIEBOOKING_PLAINTEXT".to_owned(), "true".to_owned()),
    ];
    let mut set = |name: &str, value: String| variables.push((format!("MOVIEBOOKING_{name}"), value));
    // Who works on a service waits for its newer program.
    if scope.workload(component.name).development.is_none() {
        set("LINGER_SECONDS", LINGER_SECONDS.to_string());
    }
    for peer in component.calls.iter().filter_map(|name| self::component(name)) {
        set(
            &format!("{}_URL", peer.name.to_uppercase()),
            format!("http://{}:{}", scope.object_name(peer.name), peer.port),
        );
    }
    if component.database {
        set("DATABASE_URL_FILE", format!("{SECRETS}/database/uri"));
        set("SERVICE_SECRET_FILE", format!("{SECRETS}/service/{}", SERVICE_SECRET.1));
        if let Some(nats) = &spec.events.nats {
            set("NATS_URL", nats.servers.join(","));
            if nats.credentials_secret_name.is_some() {
                set("NATS_CREDENTIALS_FILE", format!("{SECRETS}/nats/credentials"));
            }
            if nats.ca_secret_name.is_some() {
                set("NATS_CA", format!("{SECRETS}/nats-ca/ca.crt"));
            }
        }
    }
    if component.name == PAYMENTS
        && let Some(stripe) = &spec.payments.stripe
    {
        set("PAYMENT_PROVIDER", "stripe".to_owned());
        set("STRIPE_KEY_FILE", format!("{SECRETS}/stripe/key"));
        set("STRIPE_WEBHOOK_SECRET_FILE", format!("{SECRETS}/stripe/webhook-secret"));
        if let Some(url) = &stripe.return_url {
            set("STRIPE_RETURN_URL", url.clone());
        }
    }
    if component.name == GATEWAY {
        if !spec.gateway.trusted_proxies.is_empty() {
            set("TRUSTED_PROXIES", spec.gateway.trusted_proxies.join(","));
        }
        if !spec.gateway.cors_origins.is_empty() {
            set("CORS_ORIGINS", spec.gateway.cors_origins.join(","));
        }
    }
    if let Some(log) = &spec.telemetry.log {
        set("LOG", log.clone());
    }
    if let Some(endpoint) = &spec.telemetry.otlp_endpoint {
        variables.push(("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), endpoint.clone()));
    }
    if let Some(percent) = spec.telemetry.trace_sample_percent {
        variables
            .push(("OTEL_TRACES_SAMPLER_ARG".to_owned(), format!("{}.{:02}", percent / 100, percent % 100)));
    }
    let own = scope.workload(component.name).env;
    variables.retain(|(name, _)| own.iter().all(|variable| variable.name != *name));
    variables.extend(own.into_iter().map(|variable| (variable.name, variable.value)));
    let plain = |(name, value)| EnvVar { name, value: Some(value), ..EnvVar::default() };
    let mut variables: Vec<EnvVar> = variables.into_iter().map(plain).collect();
    if component.name == PAYMENTS
        && let Some(secret) = bindings.get(BANK)
    {
        // There is no variable that names a file for it.
        let uri = SecretKeySelector { name: secret.clone(), key: "uri".to_owned(), optional: None };
        variables.push(EnvVar {
            name: "MOVIEBOOKING_BANK_DATABASE_URL".to_owned(),
            value_from: Some(EnvVarSource { secret_key_ref: Some(uri), ..EnvVarSource::default() }),
            ..EnvVar::default()
        });
    }
    variables
}

/// Keys of a Secret as files.
struct SecretFiles {
    folder: &'static str,
    secret: String,
    keys: &'static [&'static str],
}

impl SecretFiles {
    fn mount(&self) -> VolumeMount {
        VolumeMount {
            name: self.folder.to_owned(),
            mount_path: format!("{SECRETS}/{}", self.folder),
            read_only: Some(true),
            ..VolumeMount::default()
        }
    }

    fn volume(self) -> Volume {
        let item = |key: &&str| KeyToPath { key: (*key).to_owned(), path: (*key).to_owned(), mode: None };
        let source = SecretVolumeSource {
            secret_name: Some(self.secret),
            items: Some(self.keys.iter().map(item).collect()),
            // The user's group is the files'.
            default_mode: Some(0o440),
            ..SecretVolumeSource::default()
        };
        Volume { name: self.folder.to_owned(), secret: Some(source), ..Volume::default() }
    }
}

/// What of which Secrets a component's process reads as files.
fn secrets(scope: &Scope<'_>, component: &Component, bindings: &Bindings) -> Vec<SecretFiles> {
    let mut secrets = Vec::new();
    if !component.database {
        return secrets;
    }
    let mut add = |folder, secret, keys| secrets.push(SecretFiles { folder, secret, keys });
    if let Some(secret) = bindings.get(component.name) {
        add("database", secret.clone(), &["uri"]);
    }
    add("service", scope.object_name(SERVICE_SECRET.0), &[SERVICE_SECRET.1]);
    if let Some(nats) = &scope.spec.events.nats {
        if let Some(secret) = &nats.credentials_secret_name {
            add("nats", secret.clone(), &["credentials"]);
        }
        if let Some(secret) = &nats.ca_secret_name {
            add("nats-ca", secret.clone(), &["ca.crt"]);
        }
    }
    if component.name == PAYMENTS
        && let Some(stripe) = &scope.spec.payments.stripe
    {
        add("stripe", stripe.secret_name.clone(), &["key", "webhook-secret"]);
    }
    secrets
}
