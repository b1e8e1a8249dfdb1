//! The schema of the chart of a platform, whose values are the platform's specification.

use kube::CustomResourceExt as _;
use serde_json::{Map, Value, json};

use super::MovieBookingPlatform;

/// The schema of a platform's specification as JSON Schema, for Helm: it refuses what the cluster's own schema refuses, and
/// fields that there are not. What rules and policies refuse is left to the API server.
///
/// # Errors
/// When the definition of the resource has no schema.
pub fn values_schema() -> serde_json::Result<Value> {
    let definition = serde_json::to_value(MovieBookingPlatform::crd())?;
    let mut schema =
        definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"].clone();
    make_plain(&mut schema);
    schema["$schema"] = "http://json-schema.org/draft-07/schema#".into();
    schema["title"] = "Values of the chart moviebooking-platform".into();
    // The chart has one of its own by default, and Helm knows values of all charts.
    schema["required"] = json!([]);
    schema["properties"]["version"]["minLength"] = 0.into();
    schema["properties"]["global"] = json!({ "type": "object" });
    Ok(schema)
}

/// Takes out what Kubernetes has added to JSON Schema, and refuses fields that are not named.
fn make_plain(schema: &mut Value) {
    match schema {
        Value::Array(all) => all.iter_mut().for_each(make_plain),
        Value::Object(fields) => {
            let is_nullable = fields.remove("nullable") == Some(true.into());
            fields.retain(|name, _| !name.starts_with("x-kubernetes-"));
            if is_nullable && let Some(type_) = fields.get("type").cloned() {
                fields.insert("type".to_owned(), json!([type_, "null"]));
            }
            if fields.contains_key("properties") && !fields.contains_key("additionalProperties") {
                fields.insert("additionalProperties".to_owned(), false.into());
            }
            for (name, value) in fields.iter_mut() {
                match (name.as_str(), value) {
                    // Their names are fields, not words of the schema.
                    ("properties", Value::Object(properties)) => each(properties),
                    ("default" | "enum", _) => {}
                    (_, value) => make_plain(value),
                }
            }
        }
        _ => {}
    }
}

fn each(properties: &mut Map<String, Value>) {
    properties.values_mut().for_each(make_plain);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chart_s_schema_knows_the_fields_and_nothing_of_kubernetes() {
        let schema = values_schema().unwrap();
        assert_eq!(schema["properties"]["replicas"]["minimum"], 1.0);
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["properties"]["gateway"]["additionalProperties"], false);
        let services = &schema["properties"]["services"]["additionalProperties"];
        assert_eq!(services["properties"]["env"]["items"]["additionalProperties"], false);
        assert!(!schema.to_string().contains("x-kubernetes"));
    }
}
