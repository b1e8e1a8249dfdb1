//! Plans there and back.

mod foreign;
mod generated;
mod round_trip;
mod schema;

pub(crate) use generated::hall_of_500;

use std::collections::BTreeMap;

use moviebooking_domain::layout::Layout;
use moviebooking_proto::Problem;
use prost_types::{ListValue, Struct, value::Kind};
use serde_json::Value;

/// JSON as the API takes it: `google.protobuf.Struct`.
pub(crate) fn to_struct(json: &Value) -> Struct {
    let object = json.as_object().expect("a JSON object");
    Struct {
        fields: object
            .iter()
            .map(|(name, value)| (name.clone(), to_value(value)))
            .collect::<BTreeMap<_, _>>(),
    }
}

fn to_value(json: &Value) -> prost_types::Value {
    let kind = match json {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(*value),
        Value::Number(value) => Kind::NumberValue(value.as_f64().expect("a double")),
        Value::String(value) => Kind::StringValue(value.clone()),
        Value::Array(values) => Kind::ListValue(ListValue { values: values.iter().map(to_value).collect() }),
        Value::Object(_) => Kind::StructValue(to_struct(json)),
    };
    prost_types::Value { kind: Some(kind) }
}

/// Imports a plan after it was text, as it is when somebody downloads it and sends it back.
fn import(plan: &Value) -> Result<Layout, Problem> {
    let text = serde_json::from_str(&plan.to_string()).expect("JSON");
    super::import(&to_struct(&text))
}
