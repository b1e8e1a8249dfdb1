use serde_json::{Value, json};

use super::*;

/// The schema of a definition's only version.
fn schema(definition: &CustomResourceDefinition) -> Value {
    let [version] = &definition.spec.versions[..] else { panic!("one version") };
    let schema = version.schema.as_ref().and_then(|schema| schema.open_api_v3_schema.as_ref());
    serde_json::to_value(schema.expect("a schema")).unwrap()
}

/// Calls `look` with each schema of a property, and where it is.
fn visit(path: &str, schema: &Value, look: &mut impl FnMut(&str, &Value)) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        look(&path, property);
        visit(&path, property, look);
    }
    for inner in ["items", "additionalProperties"] {
        if schema[inner].is_object() {
            visit(&format!("{path}[]"), &schema[inner], look);
        }
    }
}

#[test]
fn every_field_is_described() {
    for definition in definitions() {
        let mut bare = Vec::new();
        visit(&definition.spec.names.kind, &schema(&definition), &mut |path, property| {
            let described = property["description"]
                .as_str()
                .is_some_and(|text| text.ends_with(['.', '`', ')']) || text.len() > 40);
            if !described && !path.ends_with(".metadata") {
                bare.push(path.to_owned());
            }
        });
        assert!(bare.is_empty(), "without a description: {bare:?}");
    }
}

#[test]
fn every_text_and_list_of_ours_is_limited() {
    for definition in definitions() {
        let schema = schema(&definition)["properties"]["spec"].clone();
        visit("spec", &schema, &mut |path, property| {
            // Kubernetes' own types are as they are.
            if ["resources", "tolerations"].iter().any(|theirs| path.contains(theirs)) {
                return;
            }
            let limited = match property["type"].as_str() {
                Some("string") => property["maxLength"].is_u64() || property["enum"].is_array(),
                Some("array") => property["maxItems"].is_u64(),
                Some("integer") => property["maximum"].is_number(),
                Some("object") => {
                    property["additionalProperties"].is_null()
                        || property["maxProperties"].is_u64()
                        || path.ends_with("secrets")
                }
                _ => true,
            };
            assert!(limited, "{path}: {property}");
        });
    }
}

#[test]
fn a_version_alone_is_a_platform() {
    let spec: MovieBookingPlatformSpec = serde_json::from_value(json!({ "version": "0.1.0" })).unwrap();
    assert_eq!((spec.replicas, spec.network_policies, spec.suspend), (2, true, false));
    assert_eq!(spec.images.repository, "moviebooking");
    assert_eq!(spec.databases.builtin, None);
    assert_eq!(spec.payments.stripe, None);
}

#[test]
fn resources_are_found_by_short_names_and_category() {
    for (definition, short) in definitions().iter().zip(["mbp", "dbclaim"]) {
        let names = &definition.spec.names;
        assert_eq!(names.short_names, Some(vec![short.to_owned()]));
        assert_eq!(names.categories, Some(vec!["moviebooking".to_owned()]));
        assert!(definition.spec.versions[0].subresources.as_ref().unwrap().status.is_some());
    }
}
