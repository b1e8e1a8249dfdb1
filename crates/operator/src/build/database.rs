//! The databases: claims, and the PostgreSQL server that a platform runs for them.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{
    ByteString,
    api::{
        apps::v1::{StatefulSet, StatefulSetPersistentVolumeClaimRetentionPolicy, StatefulSetSpec},
        core::v1::{
            Container, ContainerPort, EmptyDirVolumeSource, EnvVar, EnvVarSource, ExecAction, KeyToPath,
            PersistentVolumeClaim, PersistentVolumeClaimSpec, PodSpec, PodTemplateSpec, Probe, Secret,
            SecretKeySelector, SecretVolumeSource, Service, ServiceAccount, ServicePort, ServiceSpec, Volume,
            VolumeMount, VolumeResourceRequirements,
        },
    },
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::ObjectMeta, util::intstr::IntOrString},
};

use super::{
    backup, cloud_native_pg,
    pod::{LAST_WORDS, container_security, pod_security, pull_policy, pull_secrets, quantities},
    scope::{Scope, claim_metadata, labels},
};
use crate::{
    api::{
        BuiltinClaim, BuiltinDatabases, DatabaseClaim, DatabaseClaimSpec, DeletionPolicy, ExternalClaim,
        ExternalDatabases, MovieBookingPlatformSpec,
    },
    foreign::Foreign,
    graph::{BANK, COMPONENTS, PAYMENTS},
    object::Object,
};

/// The server of a platform, as a part of its objects' names.
pub const SERVER: &str = "postgresql";
/// The Secret of its superuser, behind the server's name.
pub const SUPERUSER: &str = "superuser";
/// The port of PostgreSQL.
pub(super) const POSTGRES_PORT: u16 = 5432;
/// How many connections a server takes.
pub(super) const MAX_CONNECTIONS: &str = "300";
/// The label value of the pods that make roles and databases.
pub(super) const SETUP: &str = "database-setup";
/// The user of PostgreSQL's image.
pub(super) const POSTGRES_USER: i64 = 999;

/// The databases of a platform, each behind the component that it belongs to.
pub(super) fn databases(
    spec: &MovieBookingPlatformSpec,
) -> impl Iterator<Item = (&'static str, &'static str)> {
    let of_services = COMPONENTS.iter().filter(|component| component.database);
    let bank = spec.payments.stripe.is_none().then_some((PAYMENTS, BANK));
    of_services.map(|component| (component.name, component.name)).chain(bank)
}

/// The name of the PostgreSQL server that a platform runs.
pub fn server_name(scope: &Scope<'_>) -> String {
    scope.object_name(SERVER)
}

/// The claims of a platform, and its server or Cluster where it has one.
pub(super) fn of_platform(
    scope: &Scope<'_>,
    superuser_password: &str,
    served: &BTreeSet<Foreign>,
) -> serde_json::Result<Vec<Object>> {
    let mut objects = Vec::new();
    let databases_spec = &scope.spec.databases;
    let own_server = databases_spec.own_server();
    if let Some(asked) =
        databases_spec.cloud_native_pg.as_ref().filter(|_| served.contains(&Foreign::Cluster))
    {
        objects.extend(cloud_native_pg::cluster(scope, asked)?);
    }
    for (_, database) in databases(scope.spec) {
        let secret = |external: &ExternalDatabases| {
            let secret_name = external.secrets.get(database).cloned().unwrap_or_default();
            ExternalClaim { secret_name }
        };
        let on_cluster = |asked| cloud_native_pg::claim(scope, asked);
        let spec = DatabaseClaimSpec {
            database: database.to_owned(),
            builtin: own_server.is_some().then(|| BuiltinClaim {
                server: server_name(scope),
                deletion_policy: DeletionPolicy::Retain,
            }),
            external: databases_spec.external.as_ref().map(secret),
            cloud_native_pg: databases_spec.cloud_native_pg.as_ref().map(on_cluster),
        };
        let claim = DatabaseClaim { metadata: scope.metadata(database), spec, status: None };
        objects.push(Object::of(&claim)?);
    }
    if let Some(builtin) = own_server {
        objects.push(Object::of(&superuser(scope, &builtin, superuser_password))?);
        objects.push(Object::of(&ServiceAccount {
            metadata: scope.metadata(SERVER),
            automount_service_account_token: Some(false),
            ..ServiceAccount::default()
        })?);
        objects.push(Object::of(&server_service(scope))?);
        objects.push(Object::of(&server(scope, &builtin))?);
    }
    Ok(objects)
}

/// The password of the server's superuser, which stays as long as the server's files do.
fn superuser(scope: &Scope<'_>, builtin: &BuiltinDatabases, password: &str) -> Secret {
    let part = format!("{SERVER}-{SUPERUSER}");
    Secret {
        metadata: match builtin.deletion_policy {
            DeletionPolicy::Retain => scope.kept_metadata(&part),
            DeletionPolicy::Delete => scope.metadata(&part),
        },
        type_: Some("Opaque".to_owned()),
        data: Some([("password".to_owned(), ByteString(password.as_bytes().to_vec()))].into()),
        ..Secret::default()
    }
}

fn server_service(scope: &Scope<'_>) -> Service {
    let port = ServicePort {
        name: Some(SERVER.to_owned()),
        port: POSTGRES_PORT.into(),
        target_port: Some(IntOrString::String(SERVER.to_owned())),
        protocol: Some("TCP".to_owned()),
        ..ServicePort::default()
    };
    Service {
        metadata: scope.metadata(SERVER),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            cluster_ip: Some("None".to_owned()),
            selector: Some(scope.selecting_labels(SERVER)),
            ports: Some(vec![port]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

fn server(scope: &Scope<'_>, builtin: &BuiltinDatabases) -> StatefulSet {
    let storage = &builtin.storage;
    let claim = PersistentVolumeClaimSpec {
        access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
        storage_class_name: storage.storage_class_name.clone(),
        resources: Some(VolumeResourceRequirements {
            requests: Some([("storage".to_owned(), storage.size.clone())].into()),
            ..VolumeResourceRequirements::default()
        }),
        ..PersistentVolumeClaimSpec::default()
    };
    let when_deleted = match builtin.deletion_policy {
        DeletionPolicy::Retain => "Retain",
        DeletionPolicy::Delete => "Delete",
    };
    StatefulSet {
        metadata: scope.metadata(SERVER),
        spec: Some(StatefulSetSpec {
            replicas: Some(1),
            service_name: Some(server_name(scope)),
            selector: scope.selector(SERVER),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels(scope.name, SERVER)),
                    ..ObjectMeta::default()
                }),
                spec: Some(server_pod(scope, builtin)),
            },
            volume_claim_templates: Some(vec![PersistentVolumeClaim {
                metadata: ObjectMeta { name: Some("data".to_owned()), ..ObjectMeta::default() },
                spec: Some(claim),
                ..PersistentVolumeClaim::default()
            }]),
            persistent_volume_claim_retention_policy: Some(StatefulSetPersistentVolumeClaimRetentionPolicy {
                when_deleted: Some(when_deleted.to_owned()),
                when_scaled: Some("Retain".to_owned()),
            }),
            ..StatefulSetSpec::default()
        }),
        ..StatefulSet::default()
    }
}

fn server_pod(scope: &Scope<'_>, builtin: &BuiltinDatabases) -> PodSpec {
    let is_ready = ["pg_isready", "--host=127.0.0.1", "--username=postgres"].map(str::to_owned);
    let probe = |failures| Probe {
        exec: Some(ExecAction { command: Some(is_ready.clone().into()) }),
        period_seconds: Some(2),
        timeout_seconds: Some(5),
        failure_threshold: Some(failures),
        ..Probe::default()
    };
    let container =
        Container {
            name: SERVER.to_owned(),
            image: Some(builtin.image.clone()),
            image_pull_policy: Some(pull_policy(scope).to_owned()),
            // Each of the platform's pools may have twelve, and during a roll-out there is one more of each.
            args: Some(vec![
                "-c".to_owned(),
                format!("max_connections={MAX_CONNECTIONS}"),
                "-c".to_owned(),
                "hba_file=/config/pg_hba.conf".to_owned(),
            ]),
            env: Some(vec![
                variable("PGDATA", "/var/lib/postgresql/data/pgdata"),
                variable("POSTGRES_PASSWORD_FILE", "/run/secrets/superuser/password"),
            ]),
            ports: Some(vec![ContainerPort {
                name: Some(SERVER.to_owned()),
                container_port: POSTGRES_PORT.into(),
                ..ContainerPort::default()
            }]),
            // Ten minutes to make the files, or to go through the log of what was under way when it was killed.
            startup_probe: Some(probe(300)),
            readiness_probe: Some(probe(3)),
            resources: Some(builtin.resources.clone().unwrap_or_else(|| {
                quantities(&[("cpu", "100m"), ("memory", "256Mi")], &[("memory", "1Gi")])
            })),
            security_context: Some(container_security()),
            termination_message_policy: Some(LAST_WORDS.to_owned()),
            volume_mounts: Some(vec![
                mount("data", "/var/lib/postgresql/data"),
                mount("run", "/var/run/postgresql"),
                mount("tmp", "/tmp"),
                mount("shared-memory", "/dev/shm"),
                mount("config", "/config"),
                mount(SUPERUSER, "/run/secrets/superuser"),
            ]),
            ..Container::default()
        };
    let shared_memory = EmptyDirVolumeSource {
        medium: Some("Memory".to_owned()),
        size_limit: Some(Quantity("256Mi".to_owned())),
    };
    let mut volumes = vec![
        empty("run", EmptyDirVolumeSource::default()),
        empty("tmp", EmptyDirVolumeSource::default()),
        empty("config", EmptyDirVolumeSource::default()),
        empty("shared-memory", shared_memory),
        secret_file(SUPERUSER, &format!("{}-{SUPERUSER}", server_name(scope)), "password"),
    ];
    volumes.extend(builtin.restore.as_ref().map(backup::restored_from));
    PodSpec {
        service_account_name: Some(server_name(scope)),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        security_context: Some(pod_security(POSTGRES_USER)),
        image_pull_secrets: pull_secrets(scope),
        node_selector: (!builtin.node_selector.is_empty()).then(|| builtin.node_selector.clone()),
        tolerations: (!builtin.tolerations.is_empty()).then(|| builtin.tolerations.clone()),
        priority_class_name: builtin.priority_class_name.clone(),
        // Connections are ended and what is under way is undone; more would be a server that does not end by itself.
        termination_grace_period_seconds: Some(60),
        init_containers: Some(vec![backup::prepare(builtin, &container)]),
        containers: vec![container],
        volumes: Some(volumes),
        ..PodSpec::default()
    }
}

/// The Secret that a claim to a database at a Service of its namespace ends in, of the shape of service bindings
/// (<https://servicebinding.io/spec/core/1.1.0/>); nothing for a claim that was never stored. `options` end its URL.
pub(super) fn credentials(
    claim: &DatabaseClaim,
    provider: &str,
    service: &str,
    username: &str,
    password: &str,
    options: &str,
) -> Option<Secret> {
    let metadata = claim_metadata(claim, "credentials")?;
    let (database, namespace) =
        (&claim.spec.database, claim.metadata.namespace.as_deref().unwrap_or_default());
    let host = format!("{service}.{namespace}.svc");
    let uri = format!("postgres://{username}:{password}@{host}:{POSTGRES_PORT}/{database}{options}");
    let entries: BTreeMap<String, ByteString> = [
        ("type", "postgresql"),
        ("provider", provider),
        ("host", &host),
        ("port", &POSTGRES_PORT.to_string()),
        ("database", database),
        ("username", username),
        ("password", password),
        ("uri", &uri),
    ]
    .map(|(key, value)| (key.to_owned(), ByteString(value.as_bytes().to_vec())))
    .into();
    Some(Secret {
        metadata,
        type_: Some("servicebinding.io/postgresql".to_owned()),
        data: Some(entries),
        ..Secret::default()
    })
}

/// A variable with a value.
pub(super) fn variable(name: &str, value: &str) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Some(value.to_owned()), ..EnvVar::default() }
}

/// The variable by which PostgreSQL's programs know the password of a server's superuser.
pub(super) fn superuser_password(server: &str) -> EnvVar {
    let key = SecretKeySelector {
        name: format!("{server}-{SUPERUSER}"),
        key: "password".to_owned(),
        optional: None,
    };
    EnvVar {
        name: "PGPASSWORD".to_owned(),
        value_from: Some(EnvVarSource { secret_key_ref: Some(key), ..EnvVarSource::default() }),
        ..EnvVar::default()
    }
}

pub(super) fn mount(name: &str, path: &str) -> VolumeMount {
    VolumeMount { name: name.to_owned(), mount_path: path.to_owned(), ..VolumeMount::default() }
}

fn empty(name: &str, source: EmptyDirVolumeSource) -> Volume {
    Volume { name: name.to_owned(), empty_dir: Some(source), ..Volume::default() }
}

pub(super) fn secret_file(name: &str, secret: &str, key: &str) -> Volume {
    let source = SecretVolumeSource {
        secret_name: Some(secret.to_owned()),
        items: Some(vec![KeyToPath { key: key.to_owned(), path: key.to_owned(), mode: None }]),
        default_mode: Some(0o440),
        ..SecretVolumeSource::default()
    };
    Volume { name: name.to_owned(), secret: Some(source), ..Volume::default() }
}
