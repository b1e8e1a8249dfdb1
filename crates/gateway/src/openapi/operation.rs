//! One route as an OpenAPI operation.

use http::Method;
use moviebooking_proto::access::Level;
use prost_reflect::Kind;
use serde_json::{Map, Value, json};

use super::{
    problems,
    schemas::{Schemas, describe},
};
use crate::{
    annotation::Annotations,
    builtin::Builtin,
    names::IDEMPOTENCY_KEY,
    request,
    table::{Answer, Body, Route},
};

/// The operation of a route, which is the `binding`th of its RPC.
pub(super) fn of(
    route: &Route,
    binding: usize,
    annotations: &Annotations,
    schemas: &mut Schemas<'_>,
) -> Value {
    let comment = schemas.comments.of_rpc(&route.rpc);
    let mut id = lower_first(route.rpc.name());
    if binding > 1 {
        id = format!("{id}{binding}");
    }
    let mut operation = json!({
        "operationId": id,
        "summary": summary(route.rpc.name()),
        "tags": [route.service],
        "security": security(route),
        "parameters": parameters(route, annotations, schemas),
        "responses": responses(route, &comment, schemas),
    });
    let who = match route.level {
        Level::Staff => "For staff and admins.",
        Level::Admin => "For admins.",
        _ => "",
    };
    describe(&mut operation, format!("{comment}\n\n{who}").trim());
    if let Some(body) = body(route, schemas) {
        operation["requestBody"] = body;
    }
    operation
}

/// The operation of something that the gateway answers by itself.
pub(super) fn builtin(builtin: Builtin) -> Value {
    let (id, summary, media) = match builtin {
        Builtin::Index => ("index", "Where to look", "application/json"),
        Builtin::OpenApi => ("openApi", "This document", "application/json"),
        Builtin::Health => ("health", "Whether the gateway is alive", "text/plain"),
        Builtin::Ready => ("ready", "Whether the gateway is ready to be sent requests", "text/plain"),
    };
    let schema =
        if media == "text/plain" { json!({ "type": "string" }) } else { json!({ "type": "object" }) };
    let mut responses = json!({
        "200": { "description": "As asked.", "content": { media: { "schema": schema } } },
        "default": problems::reference(),
    });
    if builtin == Builtin::OpenApi {
        responses["304"] = json!({ "description": "The document has the etag of `If-None-Match`." });
    }
    json!({ "operationId": id, "summary": summary, "tags": ["gateway"], "security": [], "responses": responses })
}

fn security(route: &Route) -> Value {
    match route.level {
        // Who is signed in may see more, such as which seats they hold.
        Level::Public if route.method == Method::GET => json!([{}, { "bearer": [] }]),
        Level::Public => json!([]),
        _ => json!([{ "bearer": [] }]),
    }
}

fn parameters(route: &Route, annotations: &Annotations, schemas: &mut Schemas<'_>) -> Vec<Value> {
    let mut parameters = Vec::new();
    for path in &route.variables {
        let name = Route::variable_name(&path.name());
        parameters.push(parameter("path", &name, true, schemas.field(path.last())));
    }
    for path in request::parameters(route) {
        let required = annotations.is_required(path.last()) && !path.name().contains('.');
        let name = request::parameter_name(&path);
        parameters.push(parameter("query", &name, required, schemas.field(path.last())));
    }
    if let Some(key) = &route.key {
        let mut schema = json!({ "type": "string", "minLength": 1 });
        describe(&mut schema, "Repeat a request with the same key and it is done once.");
        parameters.push(parameter("header", IDEMPOTENCY_KEY, key.required, schema));
    }
    if route.resume.is_some() {
        let mut schema = json!({ "type": "string", "pattern": "^[0-9]{1,18}$" });
        describe(&mut schema, "The id of the last event that was seen: the stream goes on behind it.");
        parameters.push(parameter("header", "Last-Event-ID", false, schema));
    }
    parameters
}

/// A parameter; its description stands with it, not in its schema.
fn parameter(place: &str, name: &str, required: bool, mut schema: Value) -> Value {
    let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
    let mut parameter = json!({ "in": place, "name": name, "required": required, "schema": schema });
    if let Some(description) = description {
        parameter["description"] = description;
    }
    parameter
}

fn body(route: &Route, schemas: &mut Schemas<'_>) -> Option<Value> {
    let input = route.rpc.input();
    let schema = match &route.body {
        Body::Nothing => return None,
        Body::Raw(_) => return Some(json!({ "required": true, "content": { "application/json": {} } })),
        Body::Field(field) => match field.kind() {
            Kind::Message(message) => schemas.message(&message),
            _ => return None,
        },
        Body::Whole => schemas.object(&input, |field| {
            let is_key = route.key.as_ref().is_some_and(|key| key.field == *field);
            !is_key && !route.variables.iter().any(|path| path.starts_with(field))
        }),
    };
    // What an empty object says an empty body says as well.
    let required = schema.get("required").is_some() || matches!(route.body, Body::Field(_));
    Some(json!({ "required": required, "content": { "application/json": { "schema": schema } } }))
}

fn responses(route: &Route, comment: &str, schemas: &mut Schemas<'_>) -> Value {
    let mut responses = Map::new();
    let (status, response) = match route.answer {
        Answer::Empty => ("204", json!({ "description": "Done." })),
        Answer::Json { created } => {
            let content = json!({ "application/json": { "schema": schemas.message(&route.rpc.output()) } });
            let (status, description) = if created { ("201", "Made.") } else { ("200", "As asked.") };
            (status, json!({ "description": description, "content": content }))
        }
        Answer::Raw => {
            let media = media_type(comment).unwrap_or("*/*");
            ("200", json!({ "description": "As asked.", "content": { media: {} } }))
        }
        Answer::Events => {
            let message = schemas.message(&route.rpc.output());
            let description = "Server-sent events. The `data` of each is the JSON below; its `id` goes into \
                `Last-Event-ID` to go on from there. An event `error` with a problem ends the stream.";
            let content =
                json!({ "text/event-stream": { "schema": { "type": "string" }, "x-event-data": message } });
            ("200", json!({ "description": description, "content": content }))
        }
    };
    responses.insert(status.to_owned(), response);
    let changes = !matches!(route.method, Method::GET);
    let named: [(&str, bool); 10] = [
        ("400", true),
        ("401", route.level != Level::Public || changes),
        ("403", route.level != Level::Public),
        ("404", true),
        ("409", changes),
        ("413", route.body != Body::Nothing),
        ("415", !matches!(route.body, Body::Nothing | Body::Raw(_))),
        ("422", route.key.is_some()),
        ("429", changes),
        ("503", true),
    ];
    for (status, _) in named.into_iter().filter(|(_, answered)| *answered) {
        responses.insert(status.to_owned(), problems::reference());
    }
    responses.insert("default".to_owned(), problems::reference());
    Value::Object(responses)
}

/// The media type that the comment of an RPC names in brackets: `(application/pdf)`.
fn media_type(comment: &str) -> Option<&str> {
    let names = comment.split('(').skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
    names.into_iter().find(|name| {
        ["application/", "image/", "text/"].iter().any(|kind| name.starts_with(kind))
            && !name.contains(char::is_whitespace)
    })
}

/// `GetSeatMap` as `getSeatMap`.
fn lower_first(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(characters).collect()
}

/// `GetSeatMap` as `Get seat map`.
fn summary(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() && !text.is_empty() {
            text.push(' ');
            text.push(c.to_ascii_lowercase());
        } else {
            text.push(c);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_for_people() {
        assert_eq!(summary("GetSeatMap"), "Get seat map");
        assert_eq!(lower_first("GetSeatMap"), "getSeatMap");
    }

    #[test]
    fn a_media_type_is_found_in_a_comment() {
        assert_eq!(media_type("The ticket (to print) as a picture (image/svg+xml)."), Some("image/svg+xml"));
        assert_eq!(media_type("The ticket (in text or print)."), None);
    }
}
