//! Kinds that other projects define and that a cluster may lack: CloudNativePG's and the Gateway API's.
//!
//! No crate has their types, so their objects are written as JSON, with the fields that are set here alone.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    api::ApiResource,
    core::gvk::{GroupVersion, GroupVersionKind},
};
use serde_json::{Value, json};

use crate::object::Object;

/// A kind that a cluster may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Foreign {
    /// A PostgreSQL cluster of CloudNativePG.
    Cluster,
    /// A database on one, since 1.25.
    Database,
    /// A role of one, since 1.30.
    DatabaseRole,
    /// What a Gateway does with HTTP requests.
    HttpRoute,
    /// What it does with gRPC calls, since version 1.1 of the Gateway API.
    GrpcRoute,
}

impl Foreign {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Cluster, Self::Database, Self::DatabaseRole, Self::HttpRoute, Self::GrpcRoute];

    /// Group, kind and plural name; the version is `v1` of all.
    const fn names(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Cluster => ("postgresql.cnpg.io", "Cluster", "clusters"),
            Self::Database => ("postgresql.cnpg.io", "Database", "databases"),
            Self::DatabaseRole => ("postgresql.cnpg.io", "DatabaseRole", "databaseroles"),
            Self::HttpRoute => ("gateway.networking.k8s.io", "HTTPRoute", "httproutes"),
            Self::GrpcRoute => ("gateway.networking.k8s.io", "GRPCRoute", "grpcroutes"),
        }
    }

    /// What the API server calls it.
    pub fn resource(self) -> ApiResource {
        let (group, kind, plural) = self.names();
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, "v1", kind), plural)
    }

    /// Its group and version, as in the path of the API.
    pub fn group_version(self) -> GroupVersion {
        GroupVersion::gv(self.names().0, "v1")
    }

    /// The kind, such as HTTPRoute.
    pub fn kind(self) -> &'static str {
        self.names().1
    }

    /// An object of this kind.
    ///
    /// # Errors
    /// When its metadata cannot be written as JSON.
    pub fn object(self, metadata: &ObjectMeta, spec: Value) -> serde_json::Result<Object> {
        let resource = self.resource();
        let mut value = json!({ "apiVersion": resource.api_version, "kind": resource.kind, "spec": spec });
        value["metadata"] = serde_json::to_value(metadata)?;
        Ok(Object { resource, name: metadata.name.clone().unwrap_or_default(), value })
    }
}
