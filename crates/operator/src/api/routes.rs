//! Routes of a Gateway to a platform.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::rules;

/// Routes from a Gateway (gateway.networking.k8s.io/v1) that somebody else takes care of: an HTTPRoute for REST and
/// gRPC-Web and, where `grpcHost` is set, a GRPCRoute. The certificate is the Gateway's.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.grpcHost) || self.grpcHost != self.host").message(
    "routes: host and grpcHost are the same: a Gateway accepts one of an HTTPRoute and a GRPCRoute of a host; use another for grpcHost"
))]
pub struct Routes {
    /// The Gateway.
    pub parent_ref: ParentRef,
    /// Name of the host of REST and gRPC-Web.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new(rules::HOST).message(
        "host: use a name such as tickets.example.com"
    ))]
    pub host: String,
    /// Name of the host of gRPC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new(rules::HOST).message(
        "grpcHost: use a name such as grpc.tickets.example.com"
    ))]
    pub grpc_host: Option<String>,
    /// Whether the Gateway's listener has TLS, as it should: `status.url` says so.
    #[serde(default = "yes")]
    pub tls: bool,
}

fn yes() -> bool {
    true
}

/// A Gateway, or one listener of it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ParentRef {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new(rules::NAME).message(
        "name: use the name of a Gateway: lower-case letters, digits, - and ."
    ))]
    pub name: String,
    /// Its namespace, unless it is the platform's; its listeners must let routes of others in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new(rules::LABEL).message(
        "namespace: use the name of a namespace: lower-case letters, digits and -"
    ))]
    pub namespace: Option<String>,
    /// Name of the listener, unless all are meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new(rules::NAME).message(
        "sectionName: use the name of a listener: lower-case letters, digits, - and ."
    ))]
    pub section_name: Option<String>,
}
