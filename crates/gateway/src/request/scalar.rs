//! Values from the text of a path or a query, and what to write instead of a wrong one.

use prost_reflect::{DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, Value};
use serde::de::{
    IntoDeserializer as _,
    value::{Error, StrDeserializer},
};

/// The value that a text means for a field, or for an element of it if it is a list. The error is the fix.
pub(super) fn parse(field: &FieldDescriptor, text: &str) -> Result<Value, String> {
    let value = match field.kind() {
        Kind::String => Some(Value::String(text.to_owned())),
        Kind::Bool => text.parse().ok().map(Value::Bool),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => text.parse().ok().map(Value::I32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => text.parse().ok().map(Value::I64),
        Kind::Uint32 | Kind::Fixed32 => text.parse().ok().map(Value::U32),
        Kind::Uint64 | Kind::Fixed64 => text.parse().ok().map(Value::U64),
        Kind::Float => text.parse().ok().map(Value::F32),
        Kind::Double => text.parse().ok().map(Value::F64),
        Kind::Bytes => None,
        Kind::Enum(names) => enum_number(&names, text).map(Value::EnumNumber),
        Kind::Message(message) if message.full_name() == "google.protobuf.FieldMask" => {
            field_mask(&message, text)
        }
        Kind::Message(message) if is_text(&message) => {
            let text: StrDeserializer<'_, Error> = text.into_deserializer();
            DynamicMessage::deserialize(message, text).ok().map(Value::Message)
        }
        Kind::Message(_) => None,
    };
    value.ok_or_else(|| fix(&field.kind()))
}

/// Whether a query can hold the field: messages only where JSON has them as a text.
pub(super) fn fits_in_text(field: &FieldDescriptor) -> bool {
    match field.kind() {
        Kind::Bytes => false,
        Kind::Message(message) => !field.is_list() && !field.is_map() && is_text(&message),
        _ => true,
    }
}

/// What to write for a field of this kind.
pub(super) fn fix(kind: &Kind) -> String {
    match kind {
        Kind::String => "use a text in double quotes".to_owned(),
        Kind::Bool => "use true or false".to_owned(),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => whole(i32::MIN, i32::MAX),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => whole(i64::MIN, i64::MAX),
        Kind::Uint32 | Kind::Fixed32 => whole(u32::MIN, u32::MAX),
        Kind::Uint64 | Kind::Fixed64 => whole(u64::MIN, u64::MAX),
        Kind::Float | Kind::Double => "use a number".to_owned(),
        Kind::Bytes => "use base64 in double quotes".to_owned(),
        Kind::Enum(names) => {
            let names: Vec<_> = names.values().map(|value| value.name().to_owned()).collect();
            format!("use one of {}", names.join(", "))
        }
        Kind::Message(message) => match message.full_name() {
            "google.protobuf.Timestamp" => {
                "use a time that exists with its offset from UTC, such as 2027-01-31T20:15:00Z".to_owned()
            }
            "google.protobuf.Duration" => "use seconds, such as 1.5s".to_owned(),
            "google.protobuf.FieldMask" => "use names of fields with commas between them".to_owned(),
            _ => "use an object in braces".to_owned(),
        },
    }
}

fn whole<T: std::fmt::Display>(least: T, most: T) -> String {
    format!("use a whole number from {least} to {most}")
}

fn is_text(message: &MessageDescriptor) -> bool {
    let names = ["google.protobuf.Timestamp", "google.protobuf.Duration", "google.protobuf.FieldMask"];
    names.contains(&message.full_name())
}

fn enum_number(names: &EnumDescriptor, text: &str) -> Option<i32> {
    if let Some(value) = names.get_value_by_name(text) {
        return Some(value.number());
    }
    text.parse().ok().filter(|number| names.get_value(*number).is_some())
}

/// A mask with names as the proto or JSON has them; the message has the proto's.
fn field_mask(message: &MessageDescriptor, text: &str) -> Option<Value> {
    let mut paths = Vec::new();
    for path in text.split(',').map(str::trim).filter(|path| !path.is_empty()) {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '*');
        if !path.chars().all(plain) {
            return None;
        }
        let mut name = String::with_capacity(path.len());
        for c in path.chars() {
            if c.is_ascii_uppercase() {
                name.push('_');
            }
            name.push(c.to_ascii_lowercase());
        }
        paths.push(Value::String(name));
    }
    let mut mask = DynamicMessage::new(message.clone());
    mask.try_set_field_by_name("paths", Value::List(paths)).ok()?;
    Some(Value::Message(mask))
}

#[cfg(test)]
mod tests {
    use super::*;
    use moviebooking_proto::access;

    fn read(message: &str, field: &str, text: &str) -> Result<Value, String> {
        let message = access::pool().get_message_by_name(&format!("moviebooking.{message}")).unwrap();
        parse(&message.get_field_by_name(field).unwrap(), text)
    }

    #[test]
    fn whole_numbers_are_bounded_by_their_type() {
        assert_eq!(read("movies.v1.ListMoviesRequest", "page_size", "-1"), Ok(Value::I32(-1)));
        for bad in ["2147483648", "1e3", "1.0", "", " 1", "one"] {
            let fix = read("movies.v1.ListMoviesRequest", "page_size", bad).unwrap_err();
            assert_eq!(fix, "use a whole number from -2147483648 to 2147483647", "{bad}");
        }
    }

    #[test]
    fn times_must_exist() {
        let time = |text| read("movies.v1.ListShowtimesRequest", "start_time_from", text);
        assert!(time("2028-02-29T12:00:00.5+01:00").is_ok());
        for bad in ["2027-02-29T12:00:00Z", "2027-02-28", "2027-02-28T12:00:00", "12345-01-01T00:00:00Z", ""]
        {
            assert!(time(bad).unwrap_err().starts_with("use a time that exists"), "{bad}");
        }
    }

    #[test]
    fn masks_take_both_ways_to_write_a_name() {
        let mask = |text| {
            let value = read("users.v1.UpdateUserRequest", "update_mask", text)?;
            let paths = value.as_message().unwrap().get_field_by_name("paths").unwrap().into_owned();
            Ok::<_, String>(
                paths.as_list().unwrap().iter().map(|path| path.as_str().unwrap().to_owned()).collect(),
            )
        };
        assert_eq!(mask("displayName,email"), Ok(vec!["display_name".to_owned(), "email".to_owned()]));
        assert_eq!(mask("display_name"), Ok(vec!["display_name".to_owned()]));
        assert_eq!(mask("*"), Ok(vec!["*".to_owned()]));
        assert!(mask("display name").is_err());
    }
}
