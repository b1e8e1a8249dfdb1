//! The way in through a Gateway.

use serde_json::{Value, json};

use super::{
    gateway::{GRPC_PORT, HTTP_PORT},
    scope::Scope,
};
use crate::{
    api::{ParentRef, Routes},
    foreign::Foreign,
    graph::GATEWAY,
    object::Object,
};

/// The kinds of routes that are asked for.
pub fn routes_asked_for(scope: &Scope<'_>) -> Vec<Foreign> {
    let Some(routes) = &scope.spec.gateway.routes else { return Vec::new() };
    let grpc = routes.grpc_host.as_ref().map(|_| Foreign::GrpcRoute);
    [Foreign::HttpRoute].into_iter().chain(grpc).collect()
}

/// The route of this kind.
pub(super) fn route(scope: &Scope<'_>, routes: &Routes, kind: Foreign) -> serde_json::Result<Object> {
    let (host, port) = match kind {
        Foreign::GrpcRoute => (routes.grpc_host.as_ref(), GRPC_PORT),
        _ => (Some(&routes.host), HTTP_PORT),
    };
    let backend = json!({ "name": scope.object_name(GATEWAY), "port": port });
    let spec = json!({
        "parentRefs": [parent(&routes.parent_ref)],
        "hostnames": [host],
        "rules": [{ "backendRefs": [backend] }],
    });
    kind.object(&scope.metadata(GATEWAY), spec)
}

fn parent(asked: &ParentRef) -> Value {
    let mut parent = json!({ "name": asked.name });
    if let Some(namespace) = &asked.namespace {
        parent["namespace"] = namespace.clone().into();
    }
    if let Some(section) = &asked.section_name {
        parent["sectionName"] = section.clone().into();
    }
    parent
}
