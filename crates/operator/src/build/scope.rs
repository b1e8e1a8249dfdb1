//! What the objects of one platform have in common: names, labels, owner.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use kube::Resource;

use crate::api::{DatabaseClaim, MovieBookingPlatform, MovieBookingPlatformSpec, Workload};

/// What is written into objects as the program that manages them, and the field manager of server-side apply.
pub const MANAGER: &str = "moviebooking-operator";
/// The label with the name of the platform or claim that an object belongs to.
pub const INSTANCE: &str = "app.kubernetes.io/instance";
/// The label with the name of the component.
pub const NAME: &str = "app.kubernetes.io/name";
/// The label of everything that the operator makes.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// A platform that objects are built for.
#[derive(Clone, Debug)]
pub struct Scope<'a> {
    /// Its name, which the names of all objects begin with.
    pub name: &'a str,
    /// Its namespace, which is that of all objects.
    pub namespace: &'a str,
    /// What it is to be.
    pub spec: &'a MovieBookingPlatformSpec,
    owner: OwnerReference,
}

/// A resource that did not come from a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the resource has no name, namespace or uid: it was never stored in a cluster")]
pub struct NotStored;

impl<'a> Scope<'a> {
    /// The scope of `platform`.
    ///
    /// # Errors
    /// When it was never stored.
    pub fn new(platform: &'a MovieBookingPlatform) -> Result<Self, NotStored> {
        Ok(Self {
            name: platform.metadata.name.as_deref().ok_or(NotStored)?,
            namespace: platform.metadata.namespace.as_deref().ok_or(NotStored)?,
            spec: &platform.spec,
            owner: owner(platform).ok_or(NotStored)?,
        })
    }

    /// The name of an object that is about `part`: a component, a server.
    pub fn object_name(&self, part: &str) -> String {
        format!("{}-{part}", self.name)
    }

    /// The metadata of an object that is about `part` and goes when the platform does.
    pub fn metadata(&self, part: &str) -> ObjectMeta {
        ObjectMeta { owner_references: Some(vec![self.owner.clone()]), ..self.kept_metadata(part) }
    }

    /// The metadata of an object that stays when the platform goes.
    pub fn kept_metadata(&self, part: &str) -> ObjectMeta {
        ObjectMeta {
            name: Some(self.object_name(part)),
            namespace: Some(self.namespace.to_owned()),
            labels: Some(labels(self.name, part)),
            ..ObjectMeta::default()
        }
    }

    /// Selects the pods of `part`.
    pub fn selector(&self, part: &str) -> LabelSelector {
        LabelSelector { match_labels: Some(self.selecting_labels(part)), ..LabelSelector::default() }
    }

    /// The labels by which the pods of `part` are selected.
    pub fn selecting_labels(&self, part: &str) -> BTreeMap<String, String> {
        [(NAME, part), (INSTANCE, self.name)].map(|(key, value)| (key.to_owned(), value.to_owned())).into()
    }

    /// The settings of a component.
    pub fn workload(&self, component: &str) -> Workload {
        self.spec.services.get(component).cloned().unwrap_or_default()
    }

    /// The image of a component.
    pub fn image(&self, component: &str) -> String {
        match self.workload(component).development {
            Some(development) => development.image,
            None => format!("{}/{component}:{}", self.spec.images.repository, self.spec.version),
        }
    }
}

/// The labels of an object that is about `part` of the platform or claim `instance`.
pub(super) fn labels(instance: &str, part: &str) -> BTreeMap<String, String> {
    let labels = [
        (NAME, part),
        (INSTANCE, instance),
        ("app.kubernetes.io/part-of", "moviebooking"),
        (MANAGED_BY, MANAGER),
    ];
    labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

/// A reference to `resource` as the owner that deletes its objects; nothing if it was never stored. It does not hold up
/// the owner's own deletion, which would take a right of its own.
pub fn owner<T: Resource<DynamicType = ()>>(resource: &T) -> Option<OwnerReference> {
    let mut owner = resource.controller_owner_ref(&())?;
    owner.block_owner_deletion = None;
    Some(owner)
}

/// The claim that a claim's objects belong to; nothing if it was never stored.
pub(super) fn claim_metadata(claim: &DatabaseClaim, part: &str) -> Option<ObjectMeta> {
    let name = claim.metadata.name.as_deref()?;
    Some(ObjectMeta {
        name: Some(format!("{name}-{part}")),
        namespace: claim.metadata.namespace.clone(),
        labels: Some(labels(name, part)),
        owner_references: Some(vec![owner(claim)?]),
        ..ObjectMeta::default()
    })
}
