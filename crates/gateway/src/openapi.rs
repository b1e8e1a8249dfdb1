//! The OpenAPI 3.1 document, written from the routes and from the comments in the protos.

mod operation;
mod problems;
mod schemas;

use std::collections::BTreeMap;

use moviebooking_proto::comments::Comments;
use serde_json::{Map, Value, json};

use crate::{GatewayError, annotation::Annotations, builtin::Builtin, gateway, table::Table};

use schemas::Schemas;

/// The document of the platform's REST API, as JSON with line breaks; always the same for the same protos.
///
/// # Errors
/// When an annotation in the protos is wrong.
pub fn document() -> Result<String, GatewayError> {
    let (table, annotations) = gateway::platform()?;
    of(&table, &annotations)
}

/// The document of these routes.
pub(crate) fn of(table: &Table, annotations: &Annotations) -> Result<String, GatewayError> {
    let mut schemas = Schemas::new(annotations, Comments::default());
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    let mut tags: BTreeMap<&str, String> = BTreeMap::new();
    // The parameters of paths of one shape must have the same names, whichever fields they fill.
    let mut shapes: BTreeMap<String, String> = BTreeMap::new();
    let mut bindings: BTreeMap<String, usize> = BTreeMap::new();
    for route in &table.routes {
        let path = route.pattern.to_string();
        let first = shapes.entry(route.template.shape()).or_insert_with(|| path.clone());
        if *first != path {
            return Err(GatewayError::OpenApi(format!(
                "{first} and {path} are one path: name their variables alike"
            )));
        }
        let binding = bindings.entry(route.rpc.full_name().to_owned()).and_modify(|n| *n += 1).or_insert(1);
        let operation = operation::of(route, *binding, annotations, &mut schemas);
        paths.entry(path).or_default().insert(route.method.as_str().to_ascii_lowercase(), operation);
        tags.entry(&route.service).or_insert_with(|| schemas.comments.of_service(route.rpc.parent_service()));
    }
    for builtin in Builtin::ALL {
        let operation = operation::builtin(*builtin);
        paths.entry(builtin.path().to_owned()).or_default().insert("get".to_owned(), operation);
    }
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Movie Booking Platform",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            "description": problems::description(),
        },
        "servers": [{ "url": "/" }],
        "tags": tags.iter().map(|(name, description)| json!({ "name": name, "description": description })).chain([
            json!({ "name": "gateway", "description": "The gateway itself." }),
        ]).collect::<Vec<_>>(),
        "paths": paths,
        "components": {
            "schemas": schemas.into_components(),
            "responses": { "Problem": problems::response() },
            "securitySchemes": { "bearer": {
                "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                "description": "The access token of `POST /users/login`.",
            } },
        },
    });
    // The order of names must not depend on which features of serde_json another crate of the build asks for.
    document.sort_all_objects();
    let text =
        serde_json::to_string_pretty(&document).map_err(|error| GatewayError::OpenApi(error.to_string()))?;
    Ok(text + "\n")
}

#[cfg(test)]
mod tests;
