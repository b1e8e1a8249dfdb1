//! An object of any kind, as it is sent to the cluster.

use std::collections::BTreeSet;

use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    autoscaling::v2::HorizontalPodAutoscaler,
    batch::v1::{CronJob, Job},
    core::v1::{Secret, Service, ServiceAccount},
    networking::v1::{Ingress, NetworkPolicy},
    policy::v1::PodDisruptionBudget,
};
use kube::{Resource, ResourceExt as _, api::ApiResource};
use serde::Serialize;
use serde_json::Value;

use crate::{api::DatabaseClaim, foreign::Foreign};

/// The foreign kinds that a platform may consist of.
pub const PLATFORMS: [Foreign; 3] = [Foreign::Cluster, Foreign::HttpRoute, Foreign::GrpcRoute];
/// The foreign kinds that a claim may consist of.
pub const CLAIMS: [Foreign; 2] = [Foreign::DatabaseRole, Foreign::Database];

/// An object of any kind: what of it is to be as written here.
#[derive(Clone, Debug)]
pub struct Object {
    /// Its kind.
    pub resource: ApiResource,
    /// Its name.
    pub name: String,
    /// Its fields.
    pub value: Value,
}

/// What an object is found by in a namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Its kind, such as Deployment.
    pub kind: String,
    /// Its name.
    pub name: String,
}

impl Object {
    /// A typed object.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn of<T: Resource<DynamicType = ()> + Serialize>(object: &T) -> serde_json::Result<Self> {
        let resource = ApiResource::erase::<T>(&());
        Ok(Self { resource, name: object.name_any(), value: serde_json::to_value(object)? })
    }

    /// What it is found by.
    pub fn key(&self) -> Key {
        Key { kind: self.resource.kind.clone(), name: self.name.clone() }
    }
}

impl Key {
    /// The key of an object of type `T`.
    pub fn of<T: Resource<DynamicType = ()>>(name: &str) -> Self {
        Self { kind: T::kind(&()).into_owned(), name: name.to_owned() }
    }
}

/// All kinds of objects that a platform consists of, in a cluster that serves these `foreign` ones.
pub fn platform_kinds(foreign: &BTreeSet<Foreign>) -> Vec<ApiResource> {
    let mut kinds = vec![
        ApiResource::erase::<ServiceAccount>(&()),
        ApiResource::erase::<Secret>(&()),
        ApiResource::erase::<Service>(&()),
        ApiResource::erase::<NetworkPolicy>(&()),
        ApiResource::erase::<StatefulSet>(&()),
        ApiResource::erase::<DatabaseClaim>(&()),
        ApiResource::erase::<Job>(&()),
        ApiResource::erase::<CronJob>(&()),
        ApiResource::erase::<PodDisruptionBudget>(&()),
        ApiResource::erase::<HorizontalPodAutoscaler>(&()),
        ApiResource::erase::<Deployment>(&()),
        ApiResource::erase::<Ingress>(&()),
    ];
    let ours = PLATFORMS.iter().filter(|kind| foreign.contains(kind));
    kinds.extend(ours.map(|kind| kind.resource()));
    kinds
}

/// All kinds of objects that a database claim consists of, in a cluster that serves these `foreign` ones.
pub fn claim_kinds(foreign: &BTreeSet<Foreign>) -> Vec<ApiResource> {
    let mut kinds = vec![ApiResource::erase::<Secret>(&()), ApiResource::erase::<Job>(&())];
    let ours = CLAIMS.iter().filter(|kind| foreign.contains(kind));
    kinds.extend(ours.map(|kind| kind.resource()));
    kinds
}
