//! What nobody may write: each field has a wrong value that is refused with a message that names the field and the fix.
//!
//! The cases are held against the fields of the definitions: a field without one fails.

mod claim;
mod platform;

use std::collections::BTreeSet;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api,
    api::{ApiResource, DynamicObject, PostParams},
};
use moviebooking_operator::api::definitions;
use serde_json::{Value, json};

use crate::world::{World, until};

/// A wrong value.
struct Case {
    /// The field, from the specification on; `*` is any name of a map and any item of a list.
    field: String,
    /// What the specification is given.
    spec: Value,
    /// What the refusal says.
    says: &'static str,
}

/// A case of `field`, in which its parents are objects, and each `*` the name `users` or the only item of a list.
fn case(field: &str, value: Value, says: &'static str) -> Case {
    let parts = field.rsplit('.').filter(|part| !part.is_empty());
    let spec = parts.fold(value, |value, part| match part {
        "*" => json!({ "users": value }),
        "[]" => json!([value]),
        part => json!({ part: value }),
    });
    Case { field: field.replace("[]", "*"), spec, says }
}

/// The same of another field than the whole value's.
fn about(field: &str, case: Case) -> Case {
    Case { field: field.replace("[]", "*"), ..case }
}

/// `base` with what `over` has, at every depth.
fn merged(base: &Value, over: &Value) -> Value {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            let mut all = base.clone();
            for (key, value) in over {
                let below = all.get(key).map_or_else(|| value.clone(), |base| merged(base, value));
                all.insert(key.clone(), below);
            }
            Value::Object(all)
        }
        _ => over.clone(),
    }
}

/// The fields of a specification that have no fields themselves.
fn fields(definition: &CustomResourceDefinition) -> BTreeSet<String> {
    fn walk(path: &str, schema: &Value, found: &mut BTreeSet<String>) {
        let properties = schema["properties"].as_object().filter(|properties| !properties.is_empty());
        let inner = ["items", "additionalProperties"].into_iter().find(|inner| schema[*inner].is_object());
        match (properties, inner) {
            (Some(properties), _) => properties.iter().for_each(|(name, schema)| {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                walk(&path, schema, found);
            }),
            (None, Some(inner)) => walk(&format!("{path}.*"), &schema[inner], found),
            (None, None) => drop(found.insert(path.to_owned())),
        }
    }
    let schema = definition.spec.versions[0].schema.as_ref().unwrap();
    let schema = serde_json::to_value(schema.open_api_v3_schema.as_ref().unwrap()).unwrap();
    let mut found = BTreeSet::new();
    walk("", &schema["properties"]["spec"], &mut found);
    found
}

/// What the API server says of an object; nothing when it takes it.
async fn refusal(world: &World, kind: &ApiResource, name: &str, spec: &Value) -> Option<String> {
    let api = Api::<DynamicObject>::namespaced_with(world.client.clone(), &world.namespace, kind);
    let object = DynamicObject::new(name, kind).data(json!({ "spec": spec }));
    let params = PostParams { dry_run: true, ..PostParams::default() };
    match api.create(&params, &object).await {
        Ok(_) => None,
        Err(kube::Error::Api(status)) => Some(status.message.clone()),
        Err(error) => panic!("{error}"),
    }
}

/// Sends each case beside what `base` has, and compares their fields with those of the definition.
async fn all_are_refused(kind: &ApiResource, base: impl Fn(&str) -> Value, cases: Vec<Case>) {
    let world = World::shared().await;
    let definition = definitions().into_iter().find(|it| it.spec.names.kind == kind.kind).unwrap();
    let fields = fields(&definition);
    let mut seen = BTreeSet::new();
    for Case { field, spec, says } in cases {
        let spec = merged(&base(&field), &spec);
        let mut said = refusal(&world, kind, "cinema", &spec).await;
        if said.is_none() {
            // An admission policy counts a moment after it was made.
            until(&format!("{field} is refused: {spec}"), async || {
                said = refusal(&world, kind, "cinema", &spec).await;
                said.is_some()
            })
            .await;
        }
        let said = said.unwrap();
        assert!(said.contains(says), "{field}: {said}, not {says}");
        seen.insert(field);
    }
    let without: Vec<_> = fields.difference(&seen).collect();
    assert!(without.is_empty(), "no wrong value is tried of: {without:#?}");
}
