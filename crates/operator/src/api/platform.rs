//! The resource that a person writes: a platform.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Backup, BackupStatus, Databases, Events, Gateway, Payments, Telemetry, Workload};

/// A Movie Booking Platform: six services, the gateway in front of them and their databases, of one version.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "moviebooking.dev",
    version = "v1alpha1",
    kind = "MovieBookingPlatform",
    namespaced,
    status = "MovieBookingPlatformStatus",
    shortname = "mbp",
    category = "moviebooking",
    derive = "PartialEq",
    doc = "A Movie Booking Platform: six services, the gateway in front of them and their databases, of one version.",
    validation = Rule::new("self.metadata.name.matches('^[a-z][-a-z0-9]{0,28}[a-z0-9]$')").message(
        "metadata.name: use 2 to 30 lower-case letters, digits and -, beginning with a letter: the names of the platform's objects begin with it"
    ),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.version"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason"),
    printcolumn(name = "URL", type_ = "string", json_path = ".status.url"),
    printcolumn(name = "Backup", type_ = "date", json_path = ".status.backup.lastSuccessTime", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.backup) || !has(self.databases) || !(has(self.databases.external) || has(self.databases.cloudNativePG))").message(
    "spec.backup: databases that others run are backed up by them; remove backup"
))]
#[x_kube(validation = Rule::new(
    "!has(self.databases) || !has(self.databases.external) || (has(self.payments) && has(self.payments.stripe)) || 'bank' in self.databases.external.secrets"
).message("spec.databases.external.secrets: name the Secret of the database bank too, which the sandbox payment provider keeps its ledger in, or set spec.payments.stripe"))]
pub struct MovieBookingPlatformSpec {
    /// Version of the platform: the tag of all images. Changing it runs the migrations of each service and then rolls the
    /// services out one after another.
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9_][A-Za-z0-9._-]*$')").message(
        "version: use the tag of the images, such as 0.1.0: letters, digits, '_', '.' and '-'"
    ))]
    pub version: String,
    /// Where the images come from.
    #[serde(default)]
    pub images: Images,
    /// Replicas of each service and of the gateway, unless `services` says otherwise for one. Two by default, so that the
    /// platform serves while one is replaced.
    #[serde(default = "two")]
    #[schemars(range(min = 1, max = 100))]
    pub replicas: i32,
    /// Settings of single workloads, by name: users, movies, theaters, reservations, payments, tickets or gateway.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 7))]
    #[x_kube(validation = Rule::new(
        "self.all(name, name in ['users', 'movies', 'theaters', 'reservations', 'payments', 'tickets', 'gateway'])"
    ).message("services: use the names users, movies, theaters, reservations, payments, tickets and gateway alone"))]
    pub services: BTreeMap<String, Workload>,
    /// Where the databases are. By default the platform runs a PostgreSQL server of its own.
    #[serde(default)]
    pub databases: Databases,
    /// When the databases are copied to a volume, all as of one moment. By default never. It takes `databases.builtin`:
    /// nobody can stop the clocks of servers that others run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<Backup>,
    /// How the platform is reached.
    #[serde(default)]
    pub gateway: Gateway,
    /// Who moves the money. By default nobody: a sandbox takes test tokens.
    #[serde(default)]
    pub payments: Payments,
    /// Where events are published. By default they reach the platform's own webhooks alone.
    #[serde(default)]
    pub events: Events,
    /// Logs and traces.
    #[serde(default)]
    pub telemetry: Telemetry,
    /// Whether pods may be reached by nobody but those who have to: one NetworkPolicy for each workload.
    #[serde(default = "yes")]
    pub network_policies: bool,
    /// Set to true to have the operator leave the platform as it is, for work by hand; it runs on meanwhile.
    #[serde(default)]
    pub suspend: bool,
}

fn two() -> i32 {
    2
}

fn yes() -> bool {
    true
}

/// Where the images come from: `REPOSITORY/users:VERSION` and so on.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Images {
    /// Registry and folder of the images.
    #[serde(default = "repository")]
    #[schemars(length(min = 1, max = 200))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9][a-z0-9._:/-]*[a-z0-9]$') && !self.contains('//')").message(
        "images.repository: use a registry and a folder such as registry.example/cinema, in lower case and without a tag"
    ))]
    pub repository: String,
    /// When nodes fetch an image.
    #[serde(default)]
    pub pull_policy: PullPolicy,
    /// Names of the Secrets (type `kubernetes.io/dockerconfigjson`) that the registry is entered with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), inner(length(min = 1, max = 253)))]
    pub pull_secrets: Vec<String>,
}

fn repository() -> String {
    "moviebooking".to_owned()
}

impl Default for Images {
    fn default() -> Self {
        Self { repository: repository(), pull_policy: PullPolicy::default(), pull_secrets: Vec::new() }
    }
}

/// When nodes fetch an image: as in a container's `imagePullPolicy`.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PullPolicy {
    /// When it is not there.
    #[default]
    IfNotPresent,
    /// Whenever a container starts, unless it has the newest of that name.
    Always,
    /// Never: it was put there by other means.
    Never,
}

/// What became of it.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct MovieBookingPlatformStatus {
    /// The generation of the resource that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The version that all services last ran at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Where the platform is reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Its backups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupStatus>,
    /// What holds of the platform: DatabasesReady, MigrationsComplete, RolloutComplete, RoutesAccepted where it has routes
    /// and, of these, Ready; with backups also BackupSucceeded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The services in the order in which they are rolled out, and the gateway.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub services: Vec<ServiceStatus>,
}

/// How a service does.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ServiceStatus {
    /// Its name.
    pub name: String,
    /// The version that it is at, or on the way to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// How many replicas there shall be.
    #[serde(default)]
    pub replicas: i32,
    /// How many replicas answer requests.
    #[serde(default)]
    pub ready_replicas: i32,
    /// What it waits for, or what is wrong with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}
