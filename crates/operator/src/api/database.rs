//! Where a platform's databases are.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{ResourceRequirements, Toleration},
    apimachinery::pkg::api::resource::Quantity,
};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CloudNativePgDatabases, Restore, rules};

/// Where a platform's databases are. With none of the three, `builtin` with its defaults.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.builtin), has(self.external), has(self.cloudNativePG)].filter(set, set).size() <= 1").message(
    "databases: set one of builtin, external and cloudNativePG"
))]
pub struct Databases {
    /// A PostgreSQL server of the platform's own, with one replica and a volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub builtin: Option<BuiltinDatabases>,
    /// Databases that somebody else runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalDatabases>,
    /// Databases that CloudNativePG runs.
    #[serde(default, rename = "cloudNativePG", skip_serializing_if = "Option::is_none")]
    pub cloud_native_pg: Option<CloudNativePgDatabases>,
}

impl Databases {
    /// The server of the platform's own, unless its databases are elsewhere.
    pub fn own_server(&self) -> Option<BuiltinDatabases> {
        let elsewhere = self.external.is_some() || self.cloud_native_pg.is_some();
        (!elsewhere).then(|| self.builtin.clone().unwrap_or_default())
    }
}

/// A PostgreSQL server of the platform's own.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct BuiltinDatabases {
    /// Its image: PostgreSQL 15 or newer, as the official image `postgres` is (user 999, `POSTGRES_PASSWORD_FILE`,
    /// `PGDATA`, `psql`). A newer major version does not read the files of an older one.
    #[serde(default = "postgres_image")]
    #[schemars(length(min = 1, max = 300))]
    #[x_kube(validation = Rule::new(rules::IMAGE).message(
        "image: use an image's name such as docker.io/library/postgres:17"
    ))]
    pub image: String,
    /// The volume.
    #[serde(default)]
    pub storage: Storage,
    /// Processor time and memory of the server, instead of the default requests and memory limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// Labels that the server's node must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 20))]
    pub node_selector: BTreeMap<String, String>,
    /// Taints of nodes that are no hindrance to the server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub tolerations: Vec<Toleration>,
    /// Name of the PriorityClass of the server's pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub priority_class_name: Option<String>,
    /// What becomes of the volume, and of the password of its superuser, when the platform is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// The backup that a new server begins with. It may be removed when the platform is ready, which restarts the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<Restore>,
}

/// The image of the PostgreSQL server, unless another one is named.
fn postgres_image() -> String {
    "docker.io/library/postgres:17".to_owned()
}

impl Default for BuiltinDatabases {
    fn default() -> Self {
        Self {
            image: postgres_image(),
            storage: Storage::default(),
            resources: None,
            node_selector: BTreeMap::new(),
            tolerations: Vec::new(),
            priority_class_name: None,
            deletion_policy: DeletionPolicy::default(),
            restore: None,
        }
    }
}

/// A volume.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self == oldSelf").message(
    "storage cannot be changed once the volume was claimed: enlarge the PersistentVolumeClaim itself"
))]
pub struct Storage {
    /// Its size, such as 10Gi.
    #[serde(default = "ten_gibibytes")]
    #[x_kube(validation = Rule::new(rules::QUANTITY).message(
        "size: use a quantity such as 10Gi"
    ))]
    pub size: Quantity,
    /// Name of the StorageClass, instead of the cluster's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub storage_class_name: Option<String>,
}

pub(super) fn ten_gibibytes() -> Quantity {
    Quantity("10Gi".to_owned())
}

impl Default for Storage {
    fn default() -> Self {
        Self { size: ten_gibibytes(), storage_class_name: None }
    }
}

/// What becomes of data when the platform is deleted.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeletionPolicy {
    /// It stays; a platform of the same name finds it again.
    #[default]
    Retain,
    /// It is deleted too.
    Delete,
}

/// Databases that somebody else runs: PostgreSQL 15 or newer.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ExternalDatabases {
    /// The Secret of each database, by the service that owns it (and `bank`, for the sandbox payment provider). Its key `uri`
    /// holds the URL, postgres://USER:PASSWORD@HOST:PORT/NAME; the user owns the database. The Secret may be one that a
    /// service binding (servicebinding.io) made.
    #[schemars(extend("maxProperties" = 7))]
    #[x_kube(validation = Rule::new(
        "['users', 'movies', 'theaters', 'reservations', 'payments', 'tickets'].all(name, name in self)"
    ).message("secrets: name the Secret of each of users, movies, theaters, reservations, payments and tickets"))]
    #[x_kube(validation = Rule::new(
        "self.all(name, name in ['users', 'movies', 'theaters', 'reservations', 'payments', 'tickets', 'bank'])"
    ).message("secrets: there is a database for each of users, movies, theaters, reservations, payments, tickets and bank alone"))]
    #[x_kube(validation = Rule::new(
        "self.all(name, self[name].size() > 0 && self[name].size() <= 253)"
    ).message("secrets: the name of a Secret is empty or too long"))]
    pub secrets: BTreeMap<String, String>,
}
