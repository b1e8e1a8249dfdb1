//! Settings of one workload: a service or the gateway.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ResourceRequirements, Toleration};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::Development;

/// Settings of one workload: a service or the gateway.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.replicas) && has(self.autoscaling))").message(
    "replicas and autoscaling are both set: remove replicas, which the autoscaler decides"
))]
pub struct Workload {
    /// How many replicas, instead of `spec.replicas`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub replicas: Option<i32>,
    /// Have a HorizontalPodAutoscaler decide how many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,
    /// Processor time and memory of each replica, instead of the default requests and memory limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// Labels that a node must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 20))]
    pub node_selector: BTreeMap<String, String>,
    /// Taints of nodes that are no hindrance.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub tolerations: Vec<Toleration>,
    /// Name of the PriorityClass of its pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub priority_class_name: Option<String>,
    /// Variables that are set, or set otherwise, for the process; `--help` of its program names them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub env: Vec<EnvironmentVariable>,
    /// Have it run from an image of yours whose program can be replaced: for development alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub development: Option<Development>,
}

/// How many replicas there may be, and when there are more of them.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.minReplicas <= self.maxReplicas").message(
    "minReplicas is larger than maxReplicas: raise maxReplicas"
))]
pub struct Autoscaling {
    /// The fewest replicas.
    #[serde(default = "two")]
    #[schemars(range(min = 1, max = 100))]
    pub min_replicas: i32,
    /// The most replicas.
    #[schemars(range(min = 1, max = 100))]
    pub max_replicas: i32,
    /// The share of the requested processor time, in percent, that the replicas are to use on average.
    #[serde(default = "seventy")]
    #[schemars(range(min = 1, max = 100))]
    pub target_cpu_percent: i32,
}

fn two() -> i32 {
    2
}

fn seventy() -> i32 {
    70
}

/// A variable of a process.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct EnvironmentVariable {
    /// Its name, such as MOVIEBOOKING_MAX_REQUESTS.
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Z_][A-Z0-9_]*$')").message(
        "name: use capital letters, digits and _, such as MOVIEBOOKING_MAX_REQUESTS"
    ))]
    #[x_kube(validation = Rule::new("!self.contains('SECRET') && !self.contains('KEY') && !self.startsWith('MOVIEBOOKING_DATABASE_URL') && self != 'MOVIEBOOKING_BANK_DATABASE_URL'").message(
        "name: secrets and databases' URLs do not belong here, where everybody reads them: use spec.databases, spec.payments and spec.events"
    ))]
    pub name: String,
    /// Its value.
    #[schemars(length(max = 4096))]
    pub value: String,
}
