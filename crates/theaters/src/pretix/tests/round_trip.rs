//! Out and in again, and the other way round.

use std::collections::BTreeSet;

use moviebooking_domain::layout::{Category, Layout, Row, Seat, SeatKind};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{super::export, generated::plan_of_500, hall_of_500, import, schema};

#[test]
fn a_hall_of_500_seats_comes_back_as_it_went() {
    let layout = hall_of_500();
    assert_eq!((layout.capacity(), layout.validate()), (500, Ok(())));
    let plan = export(&layout);
    assert_eq!(schema::violations(&plan), [""; 0]);
    assert_eq!(import(&plan).unwrap(), layout);
}

#[test]
fn a_foreign_plan_of_500_seats_stays_as_it_is_read() {
    let layout = import(&plan_of_500()).unwrap();
    assert_eq!((layout.capacity(), layout.rows.len(), layout.validate()), (500, 20, Ok(())));
    let exported = export(&layout);
    assert_eq!(schema::violations(&exported), [""; 0]);
    assert_eq!(import(&exported).unwrap(), layout);
    assert_eq!(seats(&exported), seats(&plan_of_500()), "rows, numbers, categories and distances");
}

/// Every seat of a plan by row and number, with its category and its distance in hundredths of a pixel from the leftmost
/// and uppermost.
fn seats(plan: &Value) -> BTreeSet<(String, String, String, i64, i64)> {
    let mut found = Vec::new();
    for (zone, row, seat) in placed(plan) {
        let place = |axis| (at([zone, row, seat], axis) * 100.0).round() as i64;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let number = text(&seat["seat_number"]);
        found.push((text(&row["row_number"]), number, text(&seat["category"]), place("x"), place("y")));
    }
    let left = found.iter().map(|seat| seat.3).min().unwrap();
    let top = found.iter().map(|seat| seat.4).min().unwrap();
    found
        .into_iter()
        .map(|(row, number, category, x, y)| (row, number, category, x - left, y - top))
        .collect()
}

/// The seats of a plan with what they are in.
fn placed(plan: &Value) -> Vec<(&Value, &Value, &Value)> {
    let mut found = Vec::new();
    for zone in plan["zones"].as_array().unwrap() {
        for row in zone["rows"].as_array().unwrap() {
            found.extend(row["seats"].as_array().unwrap().iter().map(|seat| (zone, row, seat)));
        }
    }
    found
}

/// Where the last of the nested things is, in pixels.
fn at(nested: [&Value; 3], axis: &str) -> f64 {
    nested.iter().map(|part| part["position"][axis].as_f64().unwrap()).sum()
}

#[test]
fn an_exported_plan_can_be_drawn() {
    let plan = export(&hall_of_500());
    let extent = |name: &str| plan["size"][name].as_f64().unwrap();
    let radius = 10.0;
    let inside = |at: f64, extent: f64| (radius..=extent - radius).contains(&at);
    let seats = placed(&plan);
    let places: Vec<_> = seats
        .iter()
        .map(|&(zone, row, seat)| (at([zone, row, seat], "x"), at([zone, row, seat], "y")))
        .collect();
    for (i, (x, y)) in places.iter().enumerate() {
        assert!(inside(*x, extent("width")) && inside(*y, extent("height")), "{x}, {y} is outside");
        for (other_x, other_y) in &places[..i] {
            assert!((x - other_x).hypot(y - other_y) >= 2.0 * radius, "seats cover each other");
        }
    }
}

#[test]
fn a_plan_that_was_moved_and_renamed_keeps_kinds_and_companions() {
    let mut plan = export(&hall_of_500());
    // The hall's seats are 61 hundredths apart, which are 25 pixels at 41 times the size.
    let unit = 41;
    plan["zones"][0]["position"] = json!({ "x": 40 + unit, "y": 40 - 2 * unit });
    plan["zones"][0]["name"] = json!("Parkett");
    plan["name"] = json!("Umbau");
    let mut expected = hall_of_500();
    expected.display_name = "Umbau".to_owned();
    for seat in expected.rows.iter_mut().flat_map(|row| &mut row.seats) {
        (seat.x, seat.y) = (seat.x + 100, seat.y - 200);
    }
    assert_eq!(import(&plan).unwrap(), expected);
}

fn layouts() -> impl Strategy<Value = Layout> {
    let label = "[^\\pC\\s]([^\\pC]{0,5}[^\\pC\\s])?";
    let coordinate = || prop_oneof![-2_000..2_000_i32, any::<i32>()];
    let kind = prop_oneof![Just(SeatKind::Standard), Just(SeatKind::Premium), Just(SeatKind::Wheelchair)];
    let seat = (label, coordinate(), coordinate(), kind);
    let rows = proptest::collection::vec((label, proptest::collection::vec(seat, 1..8)), 1..6);
    (rows, label).prop_map(|(rows, name)| {
        let rows = rows.into_iter().enumerate().map(|(i, (label, seats))| {
            let seats = seats.into_iter().enumerate().map(|(j, (label, x, y, kind))| {
                let label = format!("{label}.{i}.{j}");
                Seat { label, category: name.clone(), kind, x, y, companion_of: String::new() }
            });
            Row { label: format!("{label}{i}"), seats: companions(seats.collect()) }
        });
        let rows = rows.collect();
        let category = Category { name: name.clone(), color: "#00aaFF".to_owned() };
        Layout { display_name: name, categories: vec![category], rows }
    })
}

/// Orders a row and makes companions of the seats that stand after a wheelchair space.
fn companions(mut seats: Vec<Seat>) -> Vec<Seat> {
    seats.sort_by_key(|seat| seat.x);
    let mut space = None;
    for seat in &mut seats {
        match (seat.kind, space.take()) {
            (SeatKind::Wheelchair, _) => space = Some(seat.label.clone()),
            (_, Some(label)) => (seat.kind, seat.companion_of) = (SeatKind::Companion, label),
            (_, None) => {}
        }
    }
    seats
}

proptest! {
    #[test]
    fn any_layout_comes_back_as_it_went(layout in layouts()) {
        prop_assume!(layout.validate().is_ok());
        let plan = export(&layout);
        prop_assert_eq!(schema::violations(&plan), Vec::<String>::new());
        prop_assert_eq!(import(&plan).unwrap(), layout);
    }
}
