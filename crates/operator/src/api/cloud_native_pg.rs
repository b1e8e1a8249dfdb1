//! Databases of CloudNativePG.

use k8s_openapi::{api::core::v1::ResourceRequirements, apimachinery::pkg::api::resource::Quantity};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{DeletionPolicy, database::ten_gibibytes, rules};

/// Databases on a Cluster of CloudNativePG 1.30 or newer: a Database and a DatabaseRole for each.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.clusterName) && has(self.cluster))").message(
    "cloudNativePG: set either clusterName, for a Cluster that is there, or cluster, for one of the platform's own"
))]
#[x_kube(validation = Rule::new(
    "has(self.clusterName) == has(oldSelf.clusterName) && (!has(self.clusterName) || self.clusterName == oldSelf.clusterName)"
).message("cloudNativePG.clusterName cannot be changed: databases stay on the Cluster that they were made on"))]
pub struct CloudNativePgDatabases {
    /// Name of a Cluster of the platform's namespace that somebody else takes care of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 50))]
    #[x_kube(validation = Rule::new(rules::LABEL).message(
        "clusterName: use the name of a Cluster: lower-case letters, digits and -"
    ))]
    pub cluster_name: Option<String>,
    /// A Cluster of the platform's own. With neither of the two there is one with these defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<CloudNativePgCluster>,
    /// What becomes of the databases and their roles when the platform is deleted; of a Cluster of its own, of that.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

/// A Cluster of CloudNativePG.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CloudNativePgCluster {
    /// How many instances: one that is written to, the others to take its place.
    #[serde(default = "three")]
    #[schemars(range(min = 1, max = 9))]
    pub instances: i32,
    /// Image of PostgreSQL 15 or newer, instead of the one that CloudNativePG uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 300))]
    #[x_kube(validation = Rule::new(rules::IMAGE).message(
        "imageName: use an image's name such as ghcr.io/cloudnative-pg/postgresql:17"
    ))]
    pub image_name: Option<String>,
    /// The volume of each instance.
    #[serde(default)]
    #[x_kube(validation = Rule::new(
        "quantity(string(self.size)).compareTo(quantity(string(oldSelf.size))) >= 0"
    ).message("storage.size: a volume cannot be made smaller"))]
    #[x_kube(validation = Rule::new(
        "has(self.storageClassName) == has(oldSelf.storageClassName) && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)"
    ).message("storage.storageClassName cannot be changed once volumes were claimed"))]
    pub storage: ClusterStorage,
    /// Processor time and memory of each instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
}

impl Default for CloudNativePgCluster {
    fn default() -> Self {
        Self { instances: three(), image_name: None, storage: ClusterStorage::default(), resources: None }
    }
}

fn three() -> i32 {
    3
}

/// The volume of an instance.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ClusterStorage {
    /// Its size, such as 10Gi. It can grow where the StorageClass lets it.
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

impl Default for ClusterStorage {
    fn default() -> Self {
        Self { size: ten_gibibytes(), storage_class_name: None }
    }
}
