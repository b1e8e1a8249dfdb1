//! Halls and plans made by code.

use moviebooking_domain::layout::{Category, Layout, Row, Seat, SeatKind};
use serde_json::{Value, json};

/// 20 curved rows of 25 seats around x 0: two aisles, premium rows at the back, wheelchair spaces with companions in
/// front, and labels that need care.
pub(crate) fn hall_of_500() -> Layout {
    let rows = (0..20).map(|r| {
        let label = match r {
            3 => "Row:4%3A".to_owned(),
            4 => "5".to_owned(),
            _ => char::from(b'A' + r).to_string(),
        };
        let seats = (0..25).map(|s| seat(r, s, &label)).collect();
        Row { label, seats }
    });
    let category = |name: &str, color: &str| Category { name: name.to_owned(), color: color.to_owned() };
    Layout {
        display_name: "Großer Saal".to_owned(),
        categories: vec![category("standard", "#1A2b3c"), category("Loge: 1. Rang", "#ffffff")],
        rows: rows.collect(),
    }
}

fn seat(row: u8, number: u8, row_label: &str) -> Seat {
    let kind = match (row, number) {
        (0, 0 | 24) => SeatKind::Wheelchair,
        (0, 1 | 23) => SeatKind::Companion,
        (15.., _) => SeatKind::Premium,
        _ => SeatKind::Standard,
    };
    let space = if number == 1 { "A1" } else { "A25" };
    let aisles = i32::from(number >= 6) + i32::from(number >= 19);
    let from_middle = i32::from(number) - 12;
    Seat {
        label: if row == 7 { format!("{}", number + 1) } else { format!("{row_label}{}", number + 1) },
        category: if row >= 15 { "Loge: 1. Rang" } else { "standard" }.to_owned(),
        kind,
        x: from_middle * 61 + aisles * 97,
        y: i32::from(row) * 83 - from_middle * from_middle / 3 - 1_000,
        companion_of: if kind == SeatKind::Companion { space.to_owned() } else { String::new() },
    }
}

/// A plan as pretix's editor writes it, of 500 seats: two zones, rows from right to left in one of them, fractions of
/// pixels, drawing around it.
pub(super) fn plan_of_500() -> Value {
    json!({
        "name": "Lichtburg",
        "categories": [{ "name": "Parkett", "color": "red" }, { "name": "Sperrsitz", "color": "#0Af" }],
        "zones": [zone_plan("P", 100, false), zone_plan("B", 600, true)],
        "size": { "width": 900, "height": 1_000 },
    })
}

fn zone_plan(name: &str, y: i32, reversed: bool) -> Value {
    let text = json!({ "text": "Leinwand", "position": { "x": 1, "y": 1 } });
    json!({
        "name": name,
        "zone_id": name,
        "uuid": "00000000-0000-4000-a000-000000000000",
        "position": { "x": 10.5, "y": y },
        "rows": (0..10).map(|r| row_plan(name, r, reversed)).collect::<Vec<_>>(),
        "areas": [{ "shape": "text", "position": { "x": 0, "y": 0 }, "text": text }],
    })
}

fn row_plan(zone: &str, r: i32, reversed: bool) -> Value {
    let seat = |s: i32| {
        let offset = f64::from(s) * 25.5;
        json!({
            "seat_guid": format!("{zone}-{r}-{s}"),
            "seat_number": (s + 1).to_string(),
            "uuid": format!("00000000-0000-4000-8000-{r:06}{s:06}"),
            "category": if r < 3 { "Parkett" } else { "Sperrsitz" },
            "position": { "x": if reversed { -offset } else { offset }, "y": 0 },
            "radius": 10,
            "start_direction": if s == 0 { json!(">") } else { Value::Null },
        })
    };
    json!({
        "row_number": format!("{zone}{}", char::from(b'a' + u8::try_from(r).unwrap())),
        "row_label": "Reihe %s",
        "seat_label": null,
        "row_number_position": "both",
        "uuid": format!("00000000-0000-4000-9000-{r:012}"),
        "position": { "x": if reversed { 700.25 } else { 50.25 }, "y": f64::from(r) * 30.1 },
        "seats": (0..25).map(seat).collect::<Vec<_>>(),
    })
}
