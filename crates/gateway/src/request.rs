//! A REST request as the RPC's message.
//!
//! The body comes first, then the query, then the path and the headers, which win: a body that says something else is
//! refused rather than overruled.

mod body;
mod query;
mod scalar;
mod shape;
mod strict_json;

use http::HeaderMap;
use moviebooking_proto::{Problem, Reason};
use prost::Message as _;
use prost_reflect::{DynamicMessage, Kind, Value};

use crate::{
    annotation::Annotations,
    names::IDEMPOTENCY_KEY,
    table::{Body, FieldPath, Key, Route},
};

pub(crate) use body::check_content_type;
pub(crate) use query::{parameter_name, parameters};

/// The header with which a client of server-sent events says what it saw last (HTML, section 9.2).
pub(crate) const LAST_EVENT_ID: &str = "last-event-id";
/// Names in errors are cut here: at a depth of thousands a path is as long as the body.
const LONGEST_NAME: usize = 200;
/// A longer query is not read.
const LONGEST_QUERY: usize = 8 * 1024;

/// What a request brings, apart from its method.
pub(crate) struct Parts<'a> {
    /// The decoded texts of the path's variables, in order.
    pub(crate) variables: &'a [&'a str],
    pub(crate) query: Option<&'a str>,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

/// The encoded message of a request to `route`.
///
/// # Errors
/// With the first thing that is wrong, under the name that the client gave it.
pub(crate) fn encode(
    route: &Route,
    annotations: &Annotations,
    parts: &Parts<'_>,
) -> Result<Vec<u8>, Problem> {
    let mut message = DynamicMessage::new(route.rpc.input());
    let given = body::read(route, parts.body, parts.headers, &mut message)?;
    if let Some(query) = parts.query {
        if query.len() > LONGEST_QUERY {
            return Err(Problem::invalid("query", format!("use at most {LONGEST_QUERY} bytes of query")));
        }
        query::read(route, query, &mut message)?;
    }
    for (path, text) in route.variables.iter().zip(parts.variables) {
        fill_from_path(path, text, &mut message)?;
    }
    if let Some(key) = &route.key {
        fill_key(key, parts.headers, &mut message)?;
    }
    if let Some(field) = &route.resume
        && let Some(last) = parts.headers.get(LAST_EVENT_ID)
    {
        let last = last.to_str().ok().and_then(|text| text.trim().parse().ok());
        let last: i64 =
            last.ok_or_else(|| Problem::invalid("Last-Event-ID", "send the id of the last event"))?;
        message.set_field(field, Value::I64(last));
    }
    if let (Some(mask), Body::Field(field)) = (&route.mask, &route.body)
        && !message.has_field(mask)
    {
        let paths = changed(route, annotations, field, &given);
        if paths.is_empty() {
            return Err(Problem::invalid("body", "give at least one field to change"));
        }
        if let Some(value) = field_mask(mask, paths) {
            message.set_field(mask, value);
        }
    }
    Ok(message.encode_to_vec())
}

fn fill_from_path(path: &FieldPath, text: &str, message: &mut DynamicMessage) -> Result<(), Problem> {
    let name = Route::variable_name(&path.name());
    let value = scalar::parse(path.last(), text).map_err(|fix| Problem::invalid(&name, fix))?;
    if path.get(message).is_some_and(|given| given != value) {
        return Err(Problem::invalid(name, "the path says something else: leave it out of the body"));
    }
    path.put(message, value);
    Ok(())
}

/// Puts the idempotency key in its field. The header may be bare or quoted, as the IETF draft "The Idempotency-Key HTTP
/// Header Field" has it.
fn fill_key(key: &Key, headers: &HeaderMap, message: &mut DynamicMessage) -> Result<(), Problem> {
    let mut sent = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(header) = sent.next() else {
        return if key.required && !message.has_field(&key.field) {
            let fix = "send a key of your choice, such as a random UUID, and the same one when you repeat the request";
            let message = format!("{IDEMPOTENCY_KEY}: {fix}");
            Err(Problem::new(Reason::IdempotencyKeyMissing, message).field(IDEMPOTENCY_KEY, fix))
        } else {
            Ok(())
        };
    };
    if sent.next().is_some() {
        return Err(Problem::invalid(IDEMPOTENCY_KEY, "send it once"));
    }
    let text = header
        .to_str()
        .map_err(|_| Problem::invalid(IDEMPOTENCY_KEY, "use visible ASCII characters"))?
        .trim();
    let text = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    if text.is_empty() {
        return Err(Problem::invalid(IDEMPOTENCY_KEY, "it is empty: send a key of your choice"));
    }
    let value = Value::String(text.to_owned());
    if message.has_field(&key.field) && *message.get_field(&key.field) != value {
        return Err(Problem::invalid(IDEMPOTENCY_KEY, "the request has another key too: send one of them"));
    }
    message.set_field(&key.field, value);
    Ok(())
}

/// The fields that the body of an update changes: all that it has (a null clears one), but for the ones that name the
/// resource, its version, and those that only the platform fills in (AIP-134, AIP-203).
fn changed(
    route: &Route,
    annotations: &Annotations,
    body: &prost_reflect::FieldDescriptor,
    given: &[String],
) -> Vec<Value> {
    let Kind::Message(resource) = body.kind() else { return Vec::new() };
    let fields = given.iter().filter_map(|name| {
        let field = resource.get_field_by_json_name(name).or_else(|| resource.get_field_by_name(name))?;
        let in_path = route.variables.iter().any(|path| path.starts_with(body) && *path.last() == field);
        let kept = in_path || field.name() == "etag" || annotations.is_output_only(&field);
        (!kept).then(|| Value::String(field.name().to_owned()))
    });
    fields.collect()
}

/// A `google.protobuf.FieldMask` of these paths.
fn field_mask(mask: &prost_reflect::FieldDescriptor, paths: Vec<Value>) -> Option<Value> {
    let Kind::Message(message) = mask.kind() else { return None };
    let mut value = DynamicMessage::new(message);
    value.try_set_field_by_name("paths", Value::List(paths)).ok()?;
    Some(Value::Message(value))
}

/// A name from a request, short enough for an error.
fn shown(name: &str) -> String {
    match name.char_indices().nth(LONGEST_NAME) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}
