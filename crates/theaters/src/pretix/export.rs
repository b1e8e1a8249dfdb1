//! From a layout to a seating plan.

use moviebooking_domain::layout::{Layout, Row, Seat};
use serde_json::{Number, Value, json};

use super::{
    MARGIN,
    mark::{SeatMark, ZoneMark},
};

/// Hundredths of a pixel from a seat to the next at least: pretix draws a seat with a radius of 10 pixels.
const SPACING: u128 = 2_500;

/// The plan of a layout that was published. All of the layout is one zone.
pub(crate) fn export(layout: &Layout) -> Value {
    let seats = || layout.rows.iter().flat_map(|row| &row.seats);
    let range = |at: fn(&Seat) -> i32| {
        let (least, most) = (seats().map(at).min().unwrap_or(0), seats().map(at).max().unwrap_or(0));
        (least, i64::from(most) - i64::from(least))
    };
    let ((left, width), (top, height)) = (range(|seat| seat.x), range(|seat| seat.y));
    let mark = ZoneMark { scale: scale(layout), left, top };
    let size = |extent: i64| extent * i64::from(mark.scale) / 100 + 1 + 2 * i64::from(MARGIN);
    json!({
        "name": layout.display_name,
        "categories": layout
            .categories
            .iter()
            .map(|category| json!({ "name": category.name, "color": category.color }))
            .collect::<Vec<_>>(),
        "zones": [{
            "name": layout.display_name,
            "zone_id": mark.to_string(),
            "position": { "x": MARGIN, "y": MARGIN },
            "rows": layout.rows.iter().map(|row| row_plan(row, mark)).collect::<Vec<_>>(),
            "areas": [],
        }],
        "size": { "width": size(width), "height": size(height) },
    })
}

/// A row stands where its first seat does.
fn row_plan(row: &Row, mark: ZoneMark) -> Value {
    let (x, y) = row.seats.first().map_or((mark.left, mark.top), |seat| (seat.x, seat.y));
    let seat_plan = |seat: &Seat| {
        json!({
            "seat_guid": SeatMark::of(seat).to_string(),
            "seat_number": number(&row.label, &seat.label),
            "category": seat.category,
            "position": position((seat.x, seat.y), (x, y), mark.scale),
        })
    };
    json!({
        "row_number": row.label,
        "row_number_position": "both",
        "position": position((x, y), (mark.left, mark.top), mark.scale),
        "seats": row.seats.iter().map(seat_plan).collect::<Vec<_>>(),
    })
}

/// What is left of a seat's label without the label of its row: `7` of C7 in row C.
fn number<'a>(row: &str, label: &'a str) -> &'a str {
    match label.strip_prefix(row) {
        None | Some("") => label,
        Some(number) => number,
    }
}

/// How much larger to draw: until neighbours in the tightest row are far enough apart.
fn scale(layout: &Layout) -> i32 {
    let square = |a: i32, b: i32| u128::from(a.abs_diff(b)).pow(2);
    let neighbours = layout.rows.iter().flat_map(|row| row.seats.windows(2));
    let nearest = neighbours.map(|pair| square(pair[0].x, pair[1].x) + square(pair[0].y, pair[1].y)).min();
    let distance = nearest.map_or(SPACING, u128::isqrt).max(1);
    i32::try_from(SPACING.div_ceil(distance).min(50)).unwrap_or(1)
}

/// Where a point is in pixels, seen from another one.
fn position(point: (i32, i32), from: (i32, i32), scale: i32) -> Value {
    let pixels = |at: i32, from: i32| pixels((i64::from(at) - i64::from(from)) * i64::from(scale));
    json!({ "x": pixels(point.0, from.0), "y": pixels(point.1, from.1) })
}

/// A number of hundredths of a pixel, as pixels; whole ones are written without a fraction.
fn pixels(hundredths: i64) -> Value {
    if hundredths % 100 == 0 {
        return Value::from(hundredths / 100);
    }
    // Far below 2^53, so exact; the division is off by less than import's rounding mends.
    let pixels = hundredths as f64 / 100.0;
    Number::from_f64(pixels).map_or(Value::from(0), Value::Number)
}
