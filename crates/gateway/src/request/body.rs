//! The body of a request: canonical proto3 JSON.

use bytes::Bytes;
use http::{HeaderMap, header::CONTENT_TYPE};
use moviebooking_proto::{Problem, Reason};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::Value;

use super::{scalar, shape, shown, strict_json};
use crate::table::{Body, Route};

/// Checks that a body is said to be JSON in UTF-8.
pub(crate) fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (kind, parameters) = given.split_once(';').unwrap_or((given, ""));
    let json = kind.trim().eq_ignore_ascii_case("application/json");
    let utf8 =
        parameters.split(';').map(str::trim).filter(|parameter| !parameter.is_empty()).all(|parameter| {
            parameter.split_once('=').is_none_or(|(name, value)| {
                !name.eq_ignore_ascii_case("charset") || value.trim_matches('"').eq_ignore_ascii_case("utf-8")
            })
        });
    if json && utf8 {
        return Ok(());
    }
    let fix = "send JSON in UTF-8 and say so: application/json";
    Err(Problem::new(Reason::UnsupportedMediaType, format!("Content-Type: {fix}")).field("Content-Type", fix))
}

/// Reads the body into `message`; the names of the fields it has are returned.
pub(super) fn read(
    route: &Route,
    bytes: &[u8],
    headers: &HeaderMap,
    message: &mut DynamicMessage,
) -> Result<Vec<String>, Problem> {
    if let Body::Raw(field) = &route.body {
        message.set_field(field, raw(field, bytes, headers));
        return Ok(Vec::new());
    }
    let target = match &route.body {
        Body::Nothing if bytes.is_empty() => return Ok(Vec::new()),
        Body::Nothing => return Err(malformed("This route takes no body: leave it out.")),
        _ if bytes.is_empty() => return Ok(Vec::new()),
        Body::Whole => route.rpc.input(),
        Body::Field(field) | Body::Raw(field) => match field.kind() {
            Kind::Message(target) => target,
            _ => return Ok(Vec::new()),
        },
    };
    let document = strict_json::parse(bytes).map_err(|refusal| match refusal.place.as_str() {
        "" => malformed(format!("The body is not JSON as it should be: {}.", refusal.why)),
        place => {
            let place = shown(place);
            malformed(format!("{place}: {}", refusal.why)).field(place, refusal.why)
        }
    })?;
    let Value::Object(object) = &document else {
        return Err(malformed("The body must be a JSON object, in braces."));
    };
    let well_known = target.package_name() == "google.protobuf";
    if !well_known && let Some((place, fix)) = shape::refuse(&target, object, "") {
        return Err(Problem::invalid(shown(&place), fix));
    }
    let mut track = serde_path_to_error::Track::new();
    let parsed = DynamicMessage::deserialize(
        target.clone(),
        serde_path_to_error::Deserializer::new(&document, &mut track),
    );
    let parsed = parsed.map_err(|error| {
        let path = track.path();
        let place = strict_json::place(&path);
        let fix = fix(&target, &path).unwrap_or_else(|| error.to_string());
        if place.is_empty() {
            malformed(format!("The body: {fix}."))
        } else {
            Problem::invalid(shown(&place), fix)
        }
    })?;
    match &route.body {
        Body::Field(field) => message.set_field(field, prost_reflect::Value::Message(parsed)),
        _ => *message = parsed,
    }
    Ok(object.keys().cloned().collect())
}

/// The bytes as a `google.api.HttpBody`.
fn raw(field: &FieldDescriptor, bytes: &[u8], headers: &HeaderMap) -> prost_reflect::Value {
    let Kind::Message(message) = field.kind() else { return field.default_value() };
    let mut body = DynamicMessage::new(message);
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let fields = [
        ("content_type", prost_reflect::Value::String(content_type.to_owned())),
        ("data", prost_reflect::Value::Bytes(Bytes::copy_from_slice(bytes))),
    ];
    for (name, value) in fields {
        body.set_field_by_name(name, value);
    }
    prost_reflect::Value::Message(body)
}

/// What to write at the place of an error.
fn fix(message: &MessageDescriptor, path: &serde_path_to_error::Path) -> Option<String> {
    let mut current = Some(message.clone());
    let mut found = None;
    let mut in_list = false;
    for segment in path.iter() {
        match segment {
            serde_path_to_error::Segment::Map { key } => {
                let field = shape::field(current.as_ref()?, key)?;
                current = match field.kind() {
                    Kind::Message(inner) => Some(inner),
                    _ => None,
                };
                in_list = false;
                found = Some(field);
            }
            serde_path_to_error::Segment::Seq { .. } => in_list = true,
            _ => return None,
        }
    }
    let field = found?;
    // Two members of a oneof are refused at the message around them.
    if field.is_map() {
        return None;
    }
    Some(if field.is_list() && !in_list {
        "use a list in brackets".to_owned()
    } else {
        scalar::fix(&field.kind())
    })
}

fn malformed(message: impl Into<String>) -> Problem {
    Problem::new(Reason::MalformedBody, message)
}
