//! The custom resources, group `moviebooking.dev`, version `v1alpha1`: what people write and what they read of it.
//!
//! The schema of the cluster is made from these types, their doc comments and their rules; `moviebooking-operator crds`
//! prints it. What it cannot refuse, [`build`](crate::build) never has to: every value that is let in can be built of.

#![expect(unreachable_pub, reason = "the derived schemas repeat their structs within functions")]

mod backup;
mod claim;
mod cloud_native_pg;
mod condition;
mod database;
mod development;
mod gateway;
mod integrations;
mod platform;
mod routes;
mod rules;
mod values;
mod workload;

pub use backup::{Backup, BackupStatus, Restore};
pub use claim::{
    Binding, BuiltinClaim, CloudNativePgClaim, DatabaseClaim, DatabaseClaimSpec, DatabaseClaimStatus,
    ExternalClaim,
};
pub use cloud_native_pg::{CloudNativePgCluster, CloudNativePgDatabases, ClusterStorage};
pub use condition::{Conditions, State};
pub use database::{BuiltinDatabases, Databases, DeletionPolicy, ExternalDatabases, Storage};
pub use development::Development;
pub use gateway::{CertificateIssuer, Gateway, Ingress, IssuerKind, ServiceType};
pub use integrations::{Events, Nats, Payments, Stripe, Telemetry};
pub use platform::{
    Images, MovieBookingPlatform, MovieBookingPlatformSpec, MovieBookingPlatformStatus, PullPolicy,
    ServiceStatus,
};
pub use routes::{ParentRef, Routes};
pub use values::values_schema;
pub use workload::{Autoscaling, EnvironmentVariable, Workload};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt as _;

/// The group of the resources, and the prefix of the labels and annotations.
pub const GROUP: &str = "moviebooking.dev";

/// The definitions of both resources.
pub fn definitions() -> [CustomResourceDefinition; 2] {
    [MovieBookingPlatform::crd(), DatabaseClaim::crd()]
}

#[cfg(test)]
mod tests;
