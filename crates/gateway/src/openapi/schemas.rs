//! Messages, fields and enums as JSON Schema.

use std::collections::BTreeMap;

use moviebooking_proto::comments::Comments;
use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::problems;
use crate::annotation::Annotations;

/// The schemas that are referred to, by name.
pub(super) struct Schemas<'a> {
    annotations: &'a Annotations,
    pub(super) comments: Comments,
    components: BTreeMap<String, Value>,
}

impl<'a> Schemas<'a> {
    pub(super) fn new(annotations: &'a Annotations, comments: Comments) -> Self {
        let components = BTreeMap::from([("Problem".to_owned(), problems::schema())]);
        Self { annotations, comments, components }
    }

    pub(super) fn into_components(self) -> BTreeMap<String, Value> {
        self.components
    }

    /// A message, by reference where it is one of ours.
    pub(super) fn message(&mut self, message: &MessageDescriptor) -> Value {
        if let Some(known) = well_known(message) {
            return known;
        }
        let name = message.name().to_owned();
        if !self.components.contains_key(&name) {
            // A message may contain itself, so its name stands before its schema does.
            self.components.insert(name.clone(), Value::Null);
            let schema = self.object(message, |_| true);
            self.components.insert(name.clone(), schema);
        }
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }

    /// The object of a message with the fields that are `wanted`.
    pub(super) fn object(
        &mut self,
        message: &MessageDescriptor,
        wanted: impl Fn(&FieldDescriptor) -> bool,
    ) -> Value {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for field in message.fields().filter(|field| wanted(field)) {
            if self.annotations.is_required(&field) {
                required.push(field.json_name().to_owned());
            }
            properties.insert(field.json_name().to_owned(), self.field(&field));
        }
        let mut schema = json!({ "type": "object", "properties": properties });
        describe(&mut schema, &self.comments.of_message(message));
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        schema
    }

    /// A field as JSON has it.
    pub(super) fn field(&mut self, field: &FieldDescriptor) -> Value {
        let mut schema = if let (true, Kind::Message(entry)) = (field.is_map(), field.kind()) {
            json!({ "type": "object", "additionalProperties": self.single(&entry.map_entry_value_field().kind()) })
        } else if field.is_list() {
            json!({ "type": "array", "items": self.single(&field.kind()) })
        } else {
            self.single(&field.kind())
        };
        describe(&mut schema, &self.comments.of_field(field));
        if self.annotations.is_output_only(field) {
            schema["readOnly"] = json!(true);
        }
        schema
    }

    fn single(&mut self, kind: &Kind) -> Value {
        match kind {
            Kind::Message(message) => self.message(message),
            Kind::Enum(names) => self.names(names),
            scalar => self::scalar(scalar),
        }
    }

    fn names(&mut self, names: &EnumDescriptor) -> Value {
        let name = names.name().to_owned();
        if !self.components.contains_key(&name) {
            let values: Vec<_> = names.values().map(|value| value.name().to_owned()).collect();
            let mut schema = json!({ "type": "string", "enum": values });
            describe(&mut schema, &self.comments.of_enum(names));
            self.components.insert(name.clone(), schema);
        }
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }
}

/// Adds a description, if there is one.
pub(super) fn describe(schema: &mut Value, text: &str) {
    if !text.is_empty() {
        schema["description"] = json!(text);
    }
}

/// A scalar as canonical proto3 JSON has it.
fn scalar(kind: &Kind) -> Value {
    match kind {
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => json!({ "type": "integer", "format": "int32" }),
        Kind::Uint32 | Kind::Fixed32 => {
            json!({ "type": "integer", "format": "int64", "minimum": 0, "maximum": u32::MAX })
        }
        // JSON's numbers hold 53 bits, so these are texts.
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            json!({ "type": "string", "format": "int64", "pattern": "^-?[0-9]{1,19}$" })
        }
        Kind::Uint64 | Kind::Fixed64 => {
            json!({ "type": "string", "format": "uint64", "pattern": "^[0-9]{1,20}$" })
        }
        Kind::Float | Kind::Double => json!({ "type": "number" }),
        Kind::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
        Kind::String | Kind::Message(_) | Kind::Enum(_) => json!({ "type": "string" }),
    }
}

/// The JSON of well-known types, which is not that of their fields.
fn well_known(message: &MessageDescriptor) -> Option<Value> {
    Some(match message.full_name() {
        "google.protobuf.Timestamp" => json!({ "type": "string", "format": "date-time" }),
        "google.protobuf.Duration" => json!({ "type": "string", "pattern": "^-?[0-9]+(\\.[0-9]+)?s$" }),
        "google.protobuf.FieldMask" => json!({ "type": "string" }),
        "google.protobuf.Struct" => json!({ "type": "object", "additionalProperties": true }),
        "google.protobuf.Empty" => json!({ "type": "object" }),
        name if name.starts_with("google.protobuf.") => json!({}),
        _ => return None,
    })
}
