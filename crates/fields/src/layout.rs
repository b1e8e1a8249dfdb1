//! Seat layouts in requests and answers.

use moviebooking_domain::layout::{Category, Layout, Row, Seat, SeatKind};
use moviebooking_proto::{Problem, theaters::v1 as wire};

/// The layout of a message. `field` is the message's path in the request (`layout`; empty when it is the message
/// itself). What only the message has (`hall_id`, `version`, times) stays there, and the rules of layouts are not
/// checked: that is `Layout::validate`, which theaters asks before it publishes one.
///
/// # Errors
/// `INVALID_ARGUMENT` when a seat has no kind that is known.
pub fn from_wire(field: &str, layout: wire::Layout) -> Result<Layout, Problem> {
    let mut unknown_kinds = Vec::new();
    let categories = layout
        .categories
        .into_iter()
        .map(|category| Category { name: category.name, color: category.color })
        .collect();
    let mut rows = Vec::with_capacity(layout.rows.len());
    for (i, row) in layout.rows.into_iter().enumerate() {
        let mut seats = Vec::with_capacity(row.seats.len());
        for (j, seat) in row.seats.into_iter().enumerate() {
            let Some(kind) = kind(seat.kind) else {
                let path = join(field, &format!("rows[{i}].seats[{j}].kind"));
                unknown_kinds.push((path, "use STANDARD, PREMIUM, WHEELCHAIR or COMPANION".to_owned()));
                continue;
            };
            let wire::Seat { label, category, x, y, companion_of, .. } = seat;
            seats.push(Seat { label, category, kind, x, y, companion_of });
        }
        rows.push(Row { label: row.label, seats });
    }
    match Problem::invalid_fields(unknown_kinds) {
        Some(problem) => Err(problem),
        None => Ok(Layout { display_name: layout.display_name, categories, rows }),
    }
}

/// The message of a layout, without what only the message has: `hall_id`, `version`, `create_time` and
/// `allow_orphan_seats`.
pub fn to_wire(layout: &Layout) -> wire::Layout {
    let row = |row: &Row| wire::Row {
        label: row.label.clone(),
        seats: row.seats.iter().map(seat_to_wire).collect(),
    };
    wire::Layout {
        display_name: layout.display_name.clone(),
        categories: layout
            .categories
            .iter()
            .map(|category| wire::SeatCategory { name: category.name.clone(), color: category.color.clone() })
            .collect(),
        rows: layout.rows.iter().map(row).collect(),
        ..wire::Layout::default()
    }
}

fn seat_to_wire(seat: &Seat) -> wire::Seat {
    wire::Seat {
        label: seat.label.clone(),
        category: seat.category.clone(),
        kind: kind_to_wire(seat.kind).into(),
        x: seat.x,
        y: seat.y,
        companion_of: seat.companion_of.clone(),
    }
}

/// The kind of a seat in an answer.
pub const fn kind_to_wire(kind: SeatKind) -> wire::SeatKind {
    match kind {
        SeatKind::Standard => wire::SeatKind::Standard,
        SeatKind::Premium => wire::SeatKind::Premium,
        SeatKind::Wheelchair => wire::SeatKind::Wheelchair,
        SeatKind::Companion => wire::SeatKind::Companion,
    }
}

fn kind(number: i32) -> Option<SeatKind> {
    match wire::SeatKind::try_from(number).ok()? {
        wire::SeatKind::Unspecified => None,
        wire::SeatKind::Standard => Some(SeatKind::Standard),
        wire::SeatKind::Premium => Some(SeatKind::Premium),
        wire::SeatKind::Wheelchair => Some(SeatKind::Wheelchair),
        wire::SeatKind::Companion => Some(SeatKind::Companion),
    }
}

fn join(field: &str, path: &str) -> String {
    if field.is_empty() { path.to_owned() } else { format!("{field}.{path}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> Layout {
        let seat = |label: &str, kind, x, companion_of: &str| Seat {
            label: label.to_owned(),
            category: "standard".to_owned(),
            kind,
            x,
            y: -40,
            companion_of: companion_of.to_owned(),
        };
        Layout {
            display_name: "Opening".to_owned(),
            categories: vec![Category { name: "standard".to_owned(), color: "#102030".to_owned() }],
            rows: vec![Row {
                label: "A".to_owned(),
                seats: vec![
                    seat("A1", SeatKind::Standard, 0, ""),
                    seat("A2", SeatKind::Premium, 100, ""),
                    seat("A3", SeatKind::Wheelchair, 200, ""),
                    seat("A4", SeatKind::Companion, 300, "A3"),
                ],
            }],
        }
    }

    #[test]
    fn a_layout_comes_back_as_it_went() {
        assert_eq!(from_wire("", to_wire(&layout())).unwrap(), layout());
    }

    #[test]
    fn a_seat_without_a_known_kind_is_refused_by_its_path() {
        let mut message = to_wire(&layout());
        message.rows[0].seats[1].kind = 0;
        message.rows[0].seats[3].kind = 99;
        let problem = from_wire("layout", message).unwrap_err();
        assert!(problem.message().starts_with("layout.rows[0].seats[1].kind: "), "{problem}");
        assert!(problem.message().ends_with("(and 1 more)"), "{problem}");
    }
}
