//! The rules of pretix's schema, as far as exported plans touch them.

use serde_json::{Map, Value};

/// What a field must be.
enum Rule {
    Text,
    Number,
    Integer,
    OneOf(&'static [&'static str]),
    Object(&'static Shape),
    List(&'static Shape),
}

/// The fields of an object: no others are allowed.
struct Shape {
    required: &'static [(&'static str, Rule)],
    optional: &'static [(&'static str, Rule)],
}

const POSITION: Shape = Shape { required: &[("x", Rule::Number), ("y", Rule::Number)], optional: &[] };
const SIZE: Shape = Shape { required: &[("width", Rule::Integer), ("height", Rule::Integer)], optional: &[] };
const CATEGORY: Shape = Shape { required: &[("name", Rule::Text)], optional: &[("color", Rule::Text)] };
/// Exported plans have no areas: one with any content is refused here.
const AREA: Shape = Shape { required: &[], optional: &[] };
const SEAT: Shape = Shape {
    required: &[
        ("seat_guid", Rule::Text),
        ("seat_number", Rule::Text),
        ("position", Rule::Object(&POSITION)),
        ("category", Rule::Text),
    ],
    optional: &[("uuid", Rule::Text), ("start_direction", Rule::Text), ("radius", Rule::Integer)],
};
const ROW: Shape = Shape {
    required: &[("row_number", Rule::Text), ("seats", Rule::List(&SEAT))],
    optional: &[
        ("row_label", Rule::Text),
        ("seat_label", Rule::Text),
        ("uuid", Rule::Text),
        ("row_number_position", Rule::OneOf(&["start", "end", "both"])),
        ("position", Rule::Object(&POSITION)),
    ],
};
const ZONE: Shape = Shape {
    required: &[("position", Rule::Object(&POSITION)), ("rows", Rule::List(&ROW))],
    optional: &[
        ("name", Rule::Text),
        ("zone_id", Rule::Text),
        ("uuid", Rule::Text),
        ("areas", Rule::List(&AREA)),
    ],
};
const PLAN: Shape = Shape {
    required: &[
        ("name", Rule::Text),
        ("categories", Rule::List(&CATEGORY)),
        ("zones", Rule::List(&ZONE)),
        ("size", Rule::Object(&SIZE)),
    ],
    optional: &[],
};

/// What in a plan breaks the rules.
pub(super) fn violations(plan: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check_object("plan", plan, &PLAN, &mut found);
    found
}

fn check_object(path: &str, value: &Value, shape: &Shape, found: &mut Vec<String>) {
    let Some(object) = value.as_object() else {
        found.push(format!("{path} is no object"));
        return;
    };
    for (name, _) in shape.required {
        if !object.contains_key(*name) {
            found.push(format!("{path} lacks {name}"));
        }
    }
    check_fields(path, object, shape, found);
}

fn check_fields(path: &str, object: &Map<String, Value>, shape: &Shape, found: &mut Vec<String>) {
    for (name, value) in object {
        let mut rules = shape.required.iter().chain(shape.optional);
        let path = format!("{path}.{name}");
        match rules.find(|(known, _)| known == name) {
            None => found.push(format!("{path} is not known")),
            Some((_, rule)) => check(&path, value, rule, found),
        }
    }
}

fn check(path: &str, value: &Value, rule: &Rule, found: &mut Vec<String>) {
    let fits = match rule {
        Rule::Text => value.is_string(),
        Rule::Number => value.is_number(),
        Rule::Integer => value.is_i64() || value.is_u64(),
        Rule::OneOf(names) => value.as_str().is_some_and(|text| names.contains(&text)),
        Rule::Object(shape) => {
            check_object(path, value, shape, found);
            true
        }
        Rule::List(shape) => {
            let list = value.as_array();
            for (i, element) in list.into_iter().flatten().enumerate() {
                check_object(&format!("{path}[{i}]"), element, shape, found);
            }
            list.is_some()
        }
    };
    if !fits {
        found.push(format!("{path} is of the wrong type"));
    }
}

#[test]
fn it_finds_what_the_schema_forbids() {
    let mut plan = super::super::export(&super::hall_of_500());
    assert_eq!(violations(&plan), [""; 0]);
    plan["zones"][0]["rows"][2]["seats"][1]["kind"] = Value::from("PREMIUM");
    plan["size"]["width"] = Value::from(1.5);
    plan.as_object_mut().unwrap().remove("name");
    let expected = [
        "plan lacks name",
        "plan.size.width is of the wrong type",
        "plan.zones[0].rows[2].seats[1].kind is not known",
    ];
    assert_eq!(violations(&plan), expected);
}
