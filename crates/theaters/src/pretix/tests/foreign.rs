//! Plans from elsewhere, and broken ones.

use moviebooking_domain::layout::SeatKind;
use moviebooking_proto::Problem;
use proptest::prelude::*;
use prost_types::{Struct, Value as Wire, value::Kind};
use serde_json::{Value, json};

use super::{super::export, hall_of_500, import};

/// Two rows of three, as pretix writes them.
fn plan() -> Value {
    let row = |number: &str, y: i32| {
        let seat = |n: i32| {
            json!({
                "seat_guid": format!("{number}/{n}"),
                "seat_number": n.to_string(),
                "category": "Stalls",
                "position": { "x": n * 30, "y": 0 },
            })
        };
        json!({ "row_number": number, "position": { "x": 40, "y": y }, "seats": [seat(1), seat(2), seat(3)] })
    };
    json!({
        "name": "Sample",
        "categories": [{ "name": "Stalls", "color": "#33ffff" }],
        "zones": [{ "name": "Main", "position": { "x": 0.5, "y": 0 }, "rows": [row("A", 0), row("12", 30)] }],
        "size": { "width": 600, "height": 500 },
    })
}

/// The first field that is refused after a change at a pointer into the plan (RFC 6901).
fn wrong(pointer: &str, value: Value) -> String {
    let mut plan = plan();
    *plan.pointer_mut(pointer).unwrap() = value;
    field(&import(&plan).unwrap_err())
}

/// The first field that a problem names.
fn field(problem: &Problem) -> String {
    problem.message().split(": ").next().unwrap_or_default().to_owned()
}

#[test]
fn seats_are_labelled_by_row_and_number() {
    let layout = import(&plan()).unwrap();
    let labels: Vec<&str> =
        layout.rows.iter().flat_map(|row| &row.seats).map(|seat| seat.label.as_str()).collect();
    assert_eq!(labels, ["A1", "A2", "A3", "12-1", "12-2", "12-3"]);
    assert!(layout.rows.iter().flat_map(|row| &row.seats).all(|seat| seat.kind == SeatKind::Standard));
    let last = &layout.rows[1].seats[2];
    assert_eq!((last.x, last.y), (13_050, 3_000));
}

#[test]
fn what_is_only_drawn_and_what_is_missing_does_no_harm() {
    let mut plan = plan();
    let zone = &mut plan["zones"][0];
    zone["rows"][0]["row_number"] = json!("");
    zone["rows"][0]["row_label"] = json!("Front");
    zone["rows"].as_array_mut().unwrap().insert(0, json!({ "row_number": "empty", "seats": [] }));
    zone["areas"] = json!([{ "shape": "circle", "anything": [1, [2]] }]);
    zone.as_object_mut().unwrap().remove("position");
    plan["categories"][0].as_object_mut().unwrap().remove("color");
    plan.as_object_mut().unwrap().remove("size");
    let layout = import(&plan).unwrap();
    assert_eq!((layout.rows.len(), layout.rows[0].label.as_str()), (2, "Front"));
    assert_eq!(layout.rows[0].seats[0].x, 7_000);
    assert_eq!(layout.categories[0].color, "#808080");
    // The empty row counts in the paths of errors.
    plan["zones"][0]["rows"][2]["seats"][0]["category"] = json!("Circle");
    assert_eq!(field(&import(&plan).unwrap_err()), "seating_plan.zones[0].rows[2].seats[0].category");
}

#[test]
fn colours_are_known_by_name_and_by_three_digits() {
    let color = |text: &str| {
        let mut plan = plan();
        plan["categories"][0]["color"] = json!(text);
        import(&plan).map(|layout| layout.categories[0].color.clone()).map_err(|problem| field(&problem))
    };
    assert_eq!(color("Red"), Ok("#ff0000".to_owned()));
    assert_eq!(color("#0Af"), Ok("#00AAff".to_owned()));
    for unknown in ["mauve", "#äöü", "rgb(1,2,3)", "#12345"] {
        assert_eq!(color(unknown), Err("seating_plan.categories[0].color".to_owned()));
    }
}

#[test]
fn refusals_name_the_place_in_the_plan() {
    let seat = |field: &str| format!("seating_plan.zones[0].rows[1].seats[2].{field}");
    let at = |field: &str| format!("/zones/0/rows/1/seats/2/{field}");
    for (field, value, refused) in [
        ("category", json!("Circle"), "category"),
        ("category", Value::Null, "category"),
        ("seat_number", json!("1"), "seat_number"),
        ("seat_number", json!("9".repeat(20)), "seat_number"),
        ("seat_number", json!(7), "seat_number"),
        ("seat_guid", json!(["x"]), "seat_guid"),
        ("position", json!([1, 2]), "position"),
        ("position/x", json!(60), "position"),
        ("position/y", json!(9e8), "position"),
        ("position/x", json!(1e12), "position.x"),
        ("position/x", json!("60"), "position.x"),
    ] {
        assert_eq!(wrong(&at(field), value), seat(refused));
    }
    for (pointer, value, refused) in [
        ("/zones/0/rows/1/seats/2", json!("C7"), "zones[0].rows[1].seats[2]"),
        ("/zones/0/rows/1/seats", json!(7), "zones[0].rows[1].seats"),
        ("/zones/0/rows/1/row_number", json!("A"), "zones[0].rows[1].row_number"),
        ("/zones/0/rows/1/row_number", json!(12), "zones[0].rows[1].row_number"),
        ("/zones/0/rows", json!({}), "zones[0].rows"),
        ("/zones", json!([]), "zones"),
        ("/zones", Value::Null, "zones"),
        ("/name", json!("x".repeat(101)), "name"),
        ("/name", json!("a\u{0}b"), "name"),
        ("/categories", json!([]), "categories"),
        ("/categories/0/name", json!(true), "categories[0].name"),
    ] {
        assert_eq!(wrong(pointer, value), format!("seating_plan.{refused}"));
    }
}

#[test]
fn a_plan_that_is_too_large_is_refused() {
    let mut plan = plan();
    let seat = plan["zones"][0]["rows"][0]["seats"][0].clone();
    plan["zones"][0]["rows"][0]["seats"] = Value::Array(vec![seat; 201]);
    assert_eq!(field(&import(&plan).unwrap_err()), "seating_plan.zones[0].rows[0].seats");
    let row = plan["zones"][0]["rows"][1].clone();
    plan["zones"][0]["rows"] = Value::Array(vec![row; 101]);
    assert_eq!(field(&import(&plan).unwrap_err()), "seating_plan.zones");
}

#[test]
fn a_seat_that_was_listed_elsewhere_is_named_where_the_plan_has_it() {
    let mut plan = plan();
    let seats = &mut plan["zones"][0]["rows"][0]["seats"];
    seats.as_array_mut().unwrap().reverse();
    seats[0]["category"] = json!("Circle");
    assert_eq!(field(&import(&plan).unwrap_err()), "seating_plan.zones[0].rows[0].seats[0].category");
}

#[test]
fn rows_of_the_same_name_in_two_zones_are_refused() {
    let mut plan = plan();
    let mut balcony = plan["zones"][0].clone();
    balcony["position"]["y"] = json!(300);
    plan["zones"].as_array_mut().unwrap().push(balcony);
    let problem = import(&plan).unwrap_err();
    assert_eq!(field(&problem), "seating_plan.zones[1].rows[0].row_number");
    assert!(problem.message().contains("see seating_plan.zones[0].rows[0].row_number"), "{problem}");
}

#[test]
fn broken_marks_are_refused() {
    for guid in ["moviebooking:1:", "moviebooking:1:SOFA:A1", "moviebooking:1:COMPANION:A1:A2:A3"] {
        let refused = wrong("/zones/0/rows/0/seats/0/seat_guid", json!(guid));
        assert_eq!(refused, "seating_plan.zones[0].rows[0].seats[0].seat_guid");
    }
    for zone in [
        "moviebooking:1:0:0:0",
        "moviebooking:1:51:0:0",
        "moviebooking:1:1:99999999999:0",
        "moviebooking:1:1:1",
    ] {
        let mut plan = plan();
        plan["zones"][0]["zone_id"] = json!(zone);
        assert_eq!(field(&import(&plan).unwrap_err()), "seating_plan.zones[0].zone_id");
    }
}

#[test]
fn a_companion_whose_space_was_deleted_is_refused() {
    let mut plan = export(&hall_of_500());
    plan["zones"][0]["rows"][0]["seats"].as_array_mut().unwrap().remove(0);
    assert_eq!(field(&import(&plan).unwrap_err()), "seating_plan.zones[0].rows[0].seats[0].seat_guid");
}

#[test]
fn numbers_that_are_none_are_refused() {
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX] {
        let mut plan = super::to_struct(&plan());
        let y = Wire { kind: Some(Kind::NumberValue(number)) };
        object(first(&mut plan, "zones"), "position").fields.insert("y".to_owned(), y);
        let problem = super::super::import(&plan).unwrap_err();
        assert_eq!(field(&problem), "seating_plan.zones[0].position.y", "{number}");
    }
}

fn object<'a>(parent: &'a mut Struct, name: &str) -> &'a mut Struct {
    match parent.fields.get_mut(name).unwrap().kind.as_mut() {
        Some(Kind::StructValue(object)) => object,
        _ => panic!("{name} is no object"),
    }
}

/// The first object of a list.
fn first<'a>(parent: &'a mut Struct, name: &str) -> &'a mut Struct {
    match parent.fields.get_mut(name).unwrap().kind.as_mut() {
        Some(Kind::ListValue(list)) => match list.values[0].kind.as_mut() {
            Some(Kind::StructValue(object)) => object,
            _ => panic!("{name} holds no object"),
        },
        _ => panic!("{name} is no list"),
    }
}

/// Any JSON, with the names of the format where it has names.
fn junk() -> impl Strategy<Value = Value> {
    const NAMES: [&str; 15] = [
        "name",
        "categories",
        "zones",
        "rows",
        "seats",
        "position",
        "x",
        "y",
        "row_number",
        "row_label",
        "seat_number",
        "seat_guid",
        "category",
        "zone_id",
        "color",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "moviebooking:1:[A-Z0-9:%]{0,12}".prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 6, |inner| {
        let name = proptest::sample::select(&NAMES[..]).prop_map(str::to_owned);
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map(name, inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn junk_is_refused_by_its_path_or_is_a_layout(
        junk in junk(),
        pointer in proptest::sample::select(&[
            "/zones", "/zones/0", "/zones/0/rows/0", "/zones/0/rows/0/seats/1", "/zones/0/rows/0/seats/1/position",
            "/zones/0/rows/0/seats/1/seat_guid", "/categories",
        ][..]),
    ) {
        let mut plan = plan();
        *plan.pointer_mut(pointer).unwrap() = junk;
        match import(&plan) {
            Ok(layout) => prop_assert_eq!(layout.validate(), Ok(())),
            Err(problem) => prop_assert!(problem.message().starts_with("seating_plan."), "{}", problem),
        }
    }
}
