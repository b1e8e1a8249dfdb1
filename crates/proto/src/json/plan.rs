//! What the JSON of a message looks like, worked out once per type.

use std::collections::HashMap;

use prost_reflect::{Kind, MessageDescriptor};

/// The plans of some message types and of all that they contain.
#[derive(Debug, Default)]
pub(super) struct Plans {
    numbers: HashMap<String, usize>,
    plans: Vec<Plan>,
}

/// How one type is written.
#[derive(Debug)]
pub(super) enum Plan {
    /// Field by field, in the order of their numbers.
    Fields(Vec<Field>),
    /// As a text in RFC 3339.
    Timestamp,
    /// By decoding it: well-known types that are rare.
    Reflect(MessageDescriptor),
}

/// One field.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) number: u32,
    /// `"name":`
    pub(super) name: String,
    pub(super) value: Value,
    pub(super) list: bool,
    /// What is written when the message does not have the field; `None` if nothing is.
    pub(super) default: Option<String>,
    /// The oneof it belongs to: two of its members in one message are not written from the wire.
    pub(super) oneof: Option<usize>,
}

/// How a value is written.
#[derive(Debug)]
pub(super) enum Value {
    Bool,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Float,
    Double,
    String,
    Bytes,
    /// By name, as JSON, of each number.
    Enum(HashMap<i32, String>),
    /// By the plan of this number.
    Message(usize),
}

impl Plans {
    pub(super) fn new(messages: impl IntoIterator<Item = MessageDescriptor>) -> Self {
        let mut plans = Self::default();
        for message in messages {
            plans.add(&message);
        }
        plans
    }

    pub(super) fn get(&self, number: usize) -> Option<&Plan> {
        self.plans.get(number)
    }

    pub(super) fn number(&self, message: &MessageDescriptor) -> Option<usize> {
        self.numbers.get(message.full_name()).copied()
    }

    fn add(&mut self, message: &MessageDescriptor) -> usize {
        if let Some(number) = self.number(message) {
            return number;
        }
        let number = self.plans.len();
        self.numbers.insert(message.full_name().to_owned(), number);
        // A message may contain itself, so its number stands before its plan does.
        self.plans.push(Plan::Reflect(message.clone()));
        let plan = match message.full_name() {
            "google.protobuf.Timestamp" => Plan::Timestamp,
            _ if message.package_name() == "google.protobuf" => return number,
            // Maps have no order of their own on the wire.
            _ if message.fields().any(|field| field.is_map() || field.is_group()) => return number,
            _ => Plan::Fields(message.fields().map(|field| self.field(&field)).collect()),
        };
        self.plans[number] = plan;
        number
    }

    fn field(&mut self, field: &prost_reflect::FieldDescriptor) -> Field {
        let value = match field.kind() {
            Kind::Bool => Value::Bool,
            Kind::Int32 => Value::Int32,
            Kind::Int64 => Value::Int64,
            Kind::Uint32 => Value::Uint32,
            Kind::Uint64 => Value::Uint64,
            Kind::Sint32 => Value::Sint32,
            Kind::Sint64 => Value::Sint64,
            Kind::Fixed32 => Value::Fixed32,
            Kind::Fixed64 => Value::Fixed64,
            Kind::Sfixed32 => Value::Sfixed32,
            Kind::Sfixed64 => Value::Sfixed64,
            Kind::Float => Value::Float,
            Kind::Double => Value::Double,
            Kind::String => Value::String,
            Kind::Bytes => Value::Bytes,
            Kind::Enum(names) => {
                let null = names.full_name() == "google.protobuf.NullValue";
                let name = |name: &str| if null { "null".to_owned() } else { format!("\"{name}\"") };
                // Of two names for one number the first is the one that is written.
                let mut values = HashMap::new();
                for value in names.values() {
                    values.entry(value.number()).or_insert_with(|| name(value.name()));
                }
                Value::Enum(values)
            }
            Kind::Message(message) => Value::Message(self.add(&message)),
        };
        Field {
            number: field.number(),
            name: format!("\"{}\":", field.json_name()),
            default: default(field, &value),
            list: field.is_list(),
            oneof: field
                .containing_oneof()
                .map(|oneof| usize::try_from(oneof.path().last().copied().unwrap_or(0)).unwrap_or(0)),
            value,
        }
    }
}

fn default(field: &prost_reflect::FieldDescriptor, value: &Value) -> Option<String> {
    if field.is_list() {
        return Some("[]".to_owned());
    }
    if field.supports_presence() {
        return None;
    }
    Some(match value {
        Value::Bool => "false".to_owned(),
        Value::String | Value::Bytes => "\"\"".to_owned(),
        Value::Int64 | Value::Uint64 | Value::Sint64 | Value::Fixed64 | Value::Sfixed64 => "\"0\"".to_owned(),
        Value::Float | Value::Double => "0.0".to_owned(),
        Value::Enum(names) => names.get(&0).cloned().unwrap_or_else(|| "0".to_owned()),
        _ => "0".to_owned(),
    })
}
