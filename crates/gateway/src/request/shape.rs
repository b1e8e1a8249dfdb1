//! Which names a JSON document may have: those of the message, each once, however it is written.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value};

/// The first name in `object` that is not a field of `message` or a field that was given before, as its path and the
/// fix. `place` is the path of the object itself.
pub(super) fn refuse(
    message: &MessageDescriptor,
    object: &Map<String, Value>,
    place: &str,
) -> Option<(String, String)> {
    let mut seen: Vec<FieldDescriptor> = Vec::with_capacity(object.len());
    for (name, value) in object {
        let place = join(place, name);
        let Some(field) = field(message, name) else {
            return Some((place, unknown(message, name)));
        };
        if seen.contains(&field) {
            return Some((place, format!("it is the same field as {}: give it once", field.json_name())));
        }
        if let Some(refusal) = within(&field, value, &place) {
            return Some(refusal);
        }
        seen.push(field);
    }
    None
}

fn within(field: &FieldDescriptor, value: &Value, place: &str) -> Option<(String, String)> {
    let Kind::Message(message) = field.kind() else { return None };
    // Well-known types have a JSON of their own, and the keys of maps are the client's.
    if message.package_name() == "google.protobuf" || field.is_map() {
        return None;
    }
    match value {
        Value::Object(object) => refuse(&message, object, place),
        Value::Array(list) if field.is_list() => list.iter().enumerate().find_map(|(index, element)| {
            element.as_object().and_then(|object| refuse(&message, object, &format!("{place}[{index}]")))
        }),
        _ => None,
    }
}

/// The field of a message with this name, as JSON or as the proto has it.
pub(super) fn field(message: &MessageDescriptor, name: &str) -> Option<FieldDescriptor> {
    message.get_field_by_json_name(name).or_else(|| message.get_field_by_name(name))
}

/// What to do about a name that is no field.
pub(super) fn unknown(message: &MessageDescriptor, name: &str) -> String {
    let plain = |name: &str| name.replace('_', "").to_ascii_lowercase();
    match message.fields().find(|field| plain(field.name()) == plain(name)) {
        Some(field) => format!("there is no such field: did you mean {}?", field.json_name()),
        None => "there is no such field: leave it out".to_owned(),
    }
}

fn join(place: &str, name: &str) -> String {
    if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") }
}
