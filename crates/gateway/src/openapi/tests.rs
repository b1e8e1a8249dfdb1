//! The document holds together.

use std::collections::HashSet;

use serde_json::Value;

use super::*;

fn parsed() -> Value {
    serde_json::from_str(&document().unwrap()).unwrap()
}

fn walk<'v>(value: &'v Value, visit: &mut impl FnMut(&'v Value)) {
    visit(value);
    match value {
        Value::Object(object) => object.values().for_each(|inner| walk(inner, visit)),
        Value::Array(list) => list.iter().for_each(|inner| walk(inner, visit)),
        _ => {}
    }
}

#[test]
fn every_route_is_in_it_once() {
    let document = parsed();
    let (table, _) = gateway::platform().unwrap();
    let mut ids = HashSet::new();
    let mut count = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            count += 1;
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{path} {method}");
            let variables: HashSet<_> = path.split(['{', '}']).skip(1).step_by(2).collect();
            let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
            let named = parameters.iter().filter(|parameter| parameter["in"] == "path");
            let named: HashSet<_> = named.map(|parameter| parameter["name"].as_str().unwrap()).collect();
            assert_eq!(variables, named, "{path} {method}");
            let unique: HashSet<_> =
                parameters.iter().map(|p| (p["in"].as_str(), p["name"].as_str())).collect();
            assert_eq!(unique.len(), parameters.len(), "{path} {method}");
            assert!(operation["responses"]["default"].is_object(), "{path} {method}");
        }
    }
    assert_eq!(count, table.routes.len() + Builtin::ALL.len());
}

#[test]
fn every_reference_leads_somewhere() {
    let document = parsed();
    let mut references = 0;
    walk(&document, &mut |value| {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            references += 1;
            let target = document.pointer(reference.strip_prefix('#').unwrap());
            assert!(target.is_some_and(Value::is_object), "{reference}");
        }
    });
    assert!(references > 100, "{references}");
}

#[test]
fn operations_say_what_they_take_and_answer() {
    let document = parsed();
    let paths = &document["paths"];
    let create = &paths["/movies"]["post"];
    assert_eq!(
        create["requestBody"]["content"]["application/json"]["schema"]["$ref"],
        "#/components/schemas/Movie"
    );
    assert!(create["responses"]["201"].is_object());
    assert_eq!(create["security"], serde_json::json!([{ "bearer": [] }]));
    let key =
        create["parameters"].as_array().unwrap().iter().find(|p| p["name"] == "Idempotency-Key").unwrap();
    assert_eq!((&key["in"], &key["required"]), (&"header".into(), &true.into()));
    let refund = &paths["/payments/{paymentId}/refund"]["post"]["requestBody"]["content"]["application/json"]
        ["schema"];
    let properties = refund["properties"].as_object().unwrap();
    assert!(properties.contains_key("ticketIds") && !properties.contains_key("paymentId"), "{properties:?}");
    assert!(!properties.contains_key("requestId"), "{properties:?}");
    assert!(paths["/showtimes/{showtimeId}/seats/watch"]["get"]["responses"]["200"]["content"]["text/event-stream"].is_object());
    assert!(paths["/tickets/{id}/pdf"]["get"]["responses"]["200"]["content"]["application/pdf"].is_object());
    assert!(paths["/movies/{id}"]["delete"]["responses"]["204"].is_object());
    let movie = &document["components"]["schemas"]["Movie"]["properties"];
    assert_eq!(movie["createTime"]["readOnly"], true);
    assert_eq!(movie["createTime"]["format"], "date-time");
    assert_eq!(movie["title"]["description"], "1 to 300 characters.");
    let money = &document["components"]["schemas"]["Money"]["properties"]["amountMinor"];
    assert_eq!((&money["type"], &money["format"]), (&"string".into(), &"int64".into()));
    let description = document["info"]["description"].as_str().unwrap();
    assert!(description.contains("| `SEAT_UNAVAILABLE` | 409 |"), "{description}");
}
