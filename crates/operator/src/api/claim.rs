//! A service's claim to a database.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::DeletionPolicy;

/// A claim to a PostgreSQL database. It ends in a Secret of the shape of service bindings (servicebinding.io), which
/// `status.binding` names; a MovieBookingPlatform has one claim for each of its databases.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "moviebooking.dev",
    version = "v1alpha1",
    kind = "DatabaseClaim",
    namespaced,
    status = "DatabaseClaimStatus",
    shortname = "dbclaim",
    category = "moviebooking",
    derive = "PartialEq",
    doc = "A claim to a PostgreSQL database. It ends in a Secret of the shape of service bindings (servicebinding.io), which status.binding names; a MovieBookingPlatform has one claim for each of its databases.",
    validation = Rule::new("self.metadata.name.matches('^[a-z][-a-z0-9]{0,43}[a-z0-9]$')").message(
        "metadata.name: use 2 to 45 lower-case letters, digits and -, beginning with a letter: the names of the claim's objects begin with it"
    ),
    printcolumn(name = "Database", type_ = "string", json_path = ".spec.database"),
    printcolumn(name = "Host", type_ = "string", json_path = ".status.host"),
    printcolumn(name = "Secret", type_ = "string", json_path = ".status.binding.name"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.builtin), has(self.external), has(self.cloudNativePG)].filter(set, set).size() == 1").message(
    "spec: set exactly one of builtin, external and cloudNativePG"
))]
#[x_kube(validation = Rule::new("!has(self.cloudNativePG) || !(self.database.startsWith('cnpg_') || self.database == 'streaming_replica')").message(
    "database: CloudNativePG keeps this name for a role of its own; use another"
))]
pub struct DatabaseClaimSpec {
    /// Name of the database, and of the role that owns it.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z_][a-z0-9_]*$')").message(
        "database: use lower-case letters, digits and _, beginning with a letter"
    ))]
    #[x_kube(validation = Rule::new("!(self in ['postgres', 'template0', 'template1']) && !self.startsWith('pg_')").message(
        "database: this name is PostgreSQL's own; use another"
    ))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("database: a claim stays with its database; make another claim"))]
    pub database: String,
    /// A database on a server that a platform runs: role and database are made, with a random password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub builtin: Option<BuiltinClaim>,
    /// A database that somebody else runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalClaim>,
    /// A database on a Cluster of CloudNativePG: a DatabaseRole and a Database are made, with a random password.
    #[serde(default, rename = "cloudNativePG", skip_serializing_if = "Option::is_none")]
    pub cloud_native_pg: Option<CloudNativePgClaim>,
}

/// A database on a server that a platform runs.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct BuiltinClaim {
    /// Name of the server's StatefulSet, Service and, with `-superuser` behind it, Secret.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("server: a claim stays with its server; make another claim"))]
    pub server: String,
    /// What becomes of database and role when the claim is deleted. A platform's own claims leave that to the server's volume.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

/// A database on a Cluster of CloudNativePG.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CloudNativePgClaim {
    /// Name of the Cluster, which is in the claim's namespace.
    #[schemars(length(min = 1, max = 50))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("cluster: a claim stays with its Cluster; make another claim"))]
    pub cluster: String,
    /// What becomes of database and role when the claim is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

/// A database that somebody else runs.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ExternalClaim {
    /// Name of the Secret whose key `uri` holds the URL, postgres://USER:PASSWORD@HOST:PORT/NAME.
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: String,
}

/// What became of a claim.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseClaimStatus {
    /// The generation of the resource that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The Secret with the keys type, provider, host, port, database, username, password and uri; of a database that somebody
    /// else runs, with uri at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<Binding>,
    /// The machine that the database is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The port of its server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<i32>,
    /// Whether the database can be used: Ready.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// A Secret of the claim's namespace.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Binding {
    /// Its name.
    pub name: String,
}
