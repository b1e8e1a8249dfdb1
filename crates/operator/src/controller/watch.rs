//! What the controllers watch, and how little of it they keep.

use std::{fmt::Debug, time::Duration};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Api, Client, Resource,
    core::{DeserializeGuard, DynamicObject, PartialObjectMeta},
    runtime::{
        Controller, WatchStreamExt as _,
        reflector::{self, ObjectRef, Store},
        utils::Backoff,
        watcher,
    },
};
use serde::de::DeserializeOwned;

use crate::{
    build::{MANAGED_BY, MANAGER},
    foreign::Foreign,
};

/// How many objects are read at once when a watch begins.
const PAGE: u32 = 100;

/// A controller of all resources of a kind. It keeps them in memory, but for what nobody looks at and what is longer than
/// the rest: the record of who wrote which field, labels, and annotations, in which kubectl repeats the whole resource.
pub(super) fn controller_of<K>(client: &Client) -> Controller<DeserializeGuard<K>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let (known, writer) = reflector::store();
    let changes = watcher(Api::all(client.clone()), all())
        .modify(|resource: &mut DeserializeGuard<K>| {
            let metadata = resource.meta_mut();
            (metadata.managed_fields, metadata.labels, metadata.annotations) = (None, None, None);
        })
        .reflect(writer)
        .applied_objects();
    Controller::for_stream(changes, known)
}

/// All objects, in pages that take little memory while they are read.
pub(super) fn all() -> watcher::Config {
    watcher::Config::default().page_size(PAGE)
}

/// The pause after a watch that was broken off. All watches of a controller share it, one pause after another, and an API
/// server that is restarted breaks off all of them: pauses that doubled would add up to minutes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rest;

impl Iterator for Rest {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(Duration::from_millis(rand::random_range(200..=600)))
    }
}

impl Backoff for Rest {
    fn reset(&mut self) {}
}

/// The resources that name an object of their namespace, as `names` says.
pub(super) fn naming<K>(
    resources: &Store<DeserializeGuard<K>>,
    named: &ObjectMeta,
    names: impl Fn(&K, &str) -> bool,
) -> Vec<ObjectRef<DeserializeGuard<K>>>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let Some(name) = named.name.as_deref() else { return Vec::new() };
    let names_it = |resource: &K| resource.meta().namespace == named.namespace && names(resource, name);
    resources
        .state()
        .into_iter()
        .filter(|resource| resource.0.as_ref().is_ok_and(names_it))
        .map(|resource| ObjectRef::from_obj(&*resource))
        .collect()
}

/// Objects of a kind of others, of which only the metadata is looked at.
pub(super) fn all_of(client: &Client, kind: Foreign) -> Api<PartialObjectMeta<DynamicObject>> {
    Api::all_with(client.clone(), &kind.resource())
}

/// Objects of a kind, of which only the metadata is looked at: it tells whose they are and that they have changed.
pub(super) fn ours<K>(client: &Client) -> Api<PartialObjectMeta<K>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned,
{
    Api::all(client.clone())
}

/// The Secrets that it has not made, but for those that Helm keeps its releases in, which are many.
pub(super) fn others() -> watcher::Config {
    all().labels(&format!("{MANAGED_BY}!={MANAGER}")).fields("type!=helm.sh/release.v1")
}

/// Only what the operator has made.
pub(super) fn owned() -> watcher::Config {
    all().labels(&format!("{MANAGED_BY}={MANAGER}"))
}
