//! How a platform is reached.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Routes, rules};

/// How a platform is reached.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.ingress) && has(self.routes))").message(
    "gateway: set either ingress or routes"
))]
pub struct Gateway {
    /// Type of the Service in front of the gateway, which has port 80.
    #[serde(default)]
    pub service_type: ServiceType,
    /// An Ingress before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress: Option<Ingress>,
    /// Routes of a Gateway before it, instead of an Ingress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routes: Option<Routes>,
    /// Networks of the proxies and load balancers in front, such as 10.0.0.0/8, which say who the client is
    /// (X-Forwarded-For): what limits count by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(min = 1, max = 43)))]
    #[x_kube(validation = Rule::new("self.all(network, isCIDR(network))").message(
        "trustedProxies: use networks such as 10.0.0.0/8 or fd00::/8"
    ))]
    pub trusted_proxies: Vec<String>,
    /// Origins whose pages may call the platform from a browser, such as `https://tickets.example.com`; `*` for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(min = 1, max = 200)))]
    #[x_kube(validation = Rule::new("self.all(origin, origin == '*' || origin.matches('^https?://[A-Za-z0-9.-]+(:[0-9]+)?$'))").message(
        "corsOrigins: use scheme://host or scheme://host:port without a path, or * for every origin"
    ))]
    pub cors_origins: Vec<String>,
}

/// The type of a Service, as in `spec.type` of one.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServiceType {
    /// Reached from within the cluster.
    #[default]
    ClusterIP,
    /// At a port of every node as well.
    NodePort,
    /// By a load balancer of the cloud.
    LoadBalancer,
}

/// An Ingress before the gateway: REST, gRPC-Web and, where its controller passes HTTP/2 on, gRPC.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.issuer) || has(self.tlsSecretName)").message(
    "ingress: issuer needs tlsSecretName, the Secret that the certificate is put into"
))]
pub struct Ingress {
    /// Name of the IngressClass, instead of the cluster's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub class_name: Option<String>,
    /// Name of the host.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new(rules::HOST).message(
        "host: use a name such as tickets.example.com"
    ))]
    pub host: String,
    /// Name of the Secret (type `kubernetes.io/tls`) with its certificate; without one there is no TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub tls_secret_name: Option<String>,
    /// The cert-manager issuer that makes the certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<CertificateIssuer>,
    /// Annotations of the Ingress, for its controller.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 50))]
    pub annotations: BTreeMap<String, String>,
}

/// A cert-manager issuer.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CertificateIssuer {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Its kind.
    #[serde(default)]
    pub kind: IssuerKind,
}

/// The kinds of cert-manager's issuers.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IssuerKind {
    /// One of the platform's namespace.
    #[default]
    Issuer,
    /// One of the cluster.
    ClusterIssuer,
}
