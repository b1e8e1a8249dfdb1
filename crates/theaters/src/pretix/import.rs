//! From a seating plan to a layout.

use moviebooking_domain::layout::{Category, Layout, Place, Row, Seat, SeatKind, Violation};
use moviebooking_proto::Problem;
use prost_types::Struct;

use super::{
    MARGIN,
    json::Object,
    mark::{SeatMark, ZoneMark},
};

/// Where the request has the plan.
const FIELD: &str = "seating_plan";
/// Of a category without one.
const DEFAULT_COLOR: &str = "#808080";
/// The basic colours of CSS by name (CSS Color Module Level 4, section 6.1, those of HTML 4).
const COLORS: [(&str, &str); 16] = [
    ("aqua", "#00ffff"),
    ("black", "#000000"),
    ("blue", "#0000ff"),
    ("fuchsia", "#ff00ff"),
    ("gray", "#808080"),
    ("green", "#008000"),
    ("lime", "#00ff00"),
    ("maroon", "#800000"),
    ("navy", "#000080"),
    ("olive", "#808000"),
    ("purple", "#800080"),
    ("red", "#ff0000"),
    ("silver", "#c0c0c0"),
    ("teal", "#008080"),
    ("white", "#ffffff"),
    ("yellow", "#ffff00"),
];

/// The layout that a plan describes; it may be published. Rows without seats, areas, and everything about the drawing
/// that a layout does not have are left out.
///
/// # Errors
/// `INVALID_ARGUMENT` with the paths of what is wrong in the plan.
pub(crate) fn import(plan: &Struct) -> Result<Layout, Problem> {
    let plan = Object::new(FIELD, plan);
    let mut rows = Vec::new();
    let mut sources = Vec::new();
    for zone in plan.objects("zones")? {
        let frame = Frame::of(&zone)?;
        for row in zone.objects("rows")? {
            let (read, source) = read_row(&row, frame)?;
            if !read.seats.is_empty() {
                rows.push(read);
                sources.push(source);
            }
        }
    }
    let categories = plan.objects("categories")?.iter().map(read_category).collect::<Result<_, _>>()?;
    let layout = Layout { display_name: plan.required_text("name")?.to_owned(), categories, rows };
    let told = |violation: Violation| violation.told(|place| in_the_plan(place, &sources));
    let violations = layout.validate().err().unwrap_or_default().into_iter().map(told).collect();
    match Problem::invalid_fields(violations) {
        Some(problem) => Err(problem),
        None => Ok(layout),
    }
}

fn read_category(category: &Object<'_>) -> Result<Category, Problem> {
    let color = match category.text("color")? {
        None | Some("") => DEFAULT_COLOR.to_owned(),
        Some(color) => hexadecimal(color),
    };
    Ok(Category { name: category.required_text("name")?.to_owned(), color })
}

/// A colour as `#rrggbb`; one that is not known stays, for the layout's rules to refuse it.
fn hexadecimal(color: &str) -> String {
    if let Some((_, known)) = COLORS.iter().find(|(name, _)| name.eq_ignore_ascii_case(color)) {
        return (*known).to_owned();
    }
    match color.strip_prefix('#') {
        Some(digits) if digits.chars().count() == 3 => {
            std::iter::once('#').chain(digits.chars().flat_map(|digit| [digit, digit])).collect()
        }
        _ => color.to_owned(),
    }
}

/// Where a row's numbers come from: for the paths of errors.
struct RowSource {
    path: String,
    /// In the layout's order: the seat's index in the plan, and whether it has a mark of ours.
    seats: Vec<(usize, bool)>,
}

fn read_row(row: &Object<'_>, frame: Frame) -> Result<(Row, RowSource), Problem> {
    let label = match row.required_text("row_number")? {
        "" => row.text("row_label")?.unwrap_or_default(),
        number => number,
    };
    let frame = frame.moved(row.position()?);
    let mut seats = Vec::new();
    for (i, object) in row.objects("seats")?.iter().enumerate() {
        let (seat, marked) = read_seat(object, label, frame)?;
        seats.push((seat, (i, marked)));
    }
    seats.sort_by_key(|(seat, _)| seat.x);
    let (seats, sources) = seats.into_iter().unzip();
    Ok((Row { label: label.to_owned(), seats }, RowSource { path: row.path.clone(), seats: sources }))
}

/// A seat, and whether it has a mark of ours.
fn read_seat(object: &Object<'_>, row: &str, frame: Frame) -> Result<(Seat, bool), Problem> {
    let number = object.required_text("seat_number")?;
    let mark = SeatMark::parse(object.required_text("seat_guid")?).map_err(|_| {
        object.wrong(
            "seat_guid",
            "leave what begins with moviebooking: as it was exported, or use another text",
        )
    })?;
    let category = object.required_text("category")?.to_owned();
    let (x, y) = frame.moved(object.position()?).place().ok_or_else(|| {
        object.wrong("position", "move it: it is farther from the origin than a layout reaches")
    })?;
    let marked = mark.is_some();
    let SeatMark { kind, label, companion_of } = mark.unwrap_or_else(|| SeatMark {
        kind: SeatKind::Standard,
        label: seat_label(row, number),
        companion_of: String::new(),
    });
    Ok((Seat { label, category, kind, x, y, companion_of }, marked))
}

/// `C7` of seat 7 in row C, `12-3` of seat 3 in row 12, so that it is not the same as seat 23 in row 1.
fn seat_label(row: &str, number: &str) -> String {
    let digits = row.ends_with(|c: char| c.is_numeric()) && number.starts_with(|c: char| c.is_numeric());
    format!("{row}{}{number}", if digits { "-" } else { "" })
}

/// Where something stands in the plan, in pixels, and how that becomes a place in the layout.
#[derive(Clone, Copy)]
struct Frame {
    x: f64,
    y: f64,
    /// What the zone of an exported plan says; one from elsewhere has a drawing unit per pixel.
    mark: Option<ZoneMark>,
}

impl Frame {
    fn of(zone: &Object<'_>) -> Result<Self, Problem> {
        let mark = ZoneMark::parse(zone.text("zone_id")?.unwrap_or_default()).map_err(|_| {
            zone.wrong(
                "zone_id",
                "leave what begins with moviebooking: as it was exported, or use another text",
            )
        })?;
        let (x, y) = zone.position()?;
        Ok(Self { x, y, mark })
    }

    fn moved(self, (x, y): (f64, f64)) -> Self {
        Self { x: self.x + x, y: self.y + y, ..self }
    }

    /// The place in hundredths of a drawing unit, if a layout reaches there.
    fn place(self) -> Option<(i32, i32)> {
        let place = |at: f64, margin: i32, scale: i32, origin: i32| {
            let hundredths = (at - f64::from(margin)) * 100.0 / f64::from(scale) + f64::from(origin);
            let whole = hundredths.round();
            (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&whole).then_some(whole as i32)
        };
        match self.mark {
            Some(ZoneMark { scale, left, top }) => {
                Some((place(self.x, MARGIN, scale, left)?, place(self.y, MARGIN, scale, top)?))
            }
            None => Some((place(self.x, 0, 1, 0)?, place(self.y, 0, 1, 0)?)),
        }
    }
}

/// The path in the plan of what the layout's rules name.
fn in_the_plan(place: Place, sources: &[RowSource]) -> String {
    let of_row = |i: usize| sources.get(i).map_or("", |source| source.path.as_str());
    match place {
        Place::DisplayName => format!("{FIELD}.name"),
        Place::Categories => format!("{FIELD}.categories"),
        Place::Category(i, field) => format!("{FIELD}.categories[{i}].{field}"),
        Place::Rows => format!("{FIELD}.zones"),
        Place::Row(i, "label") => format!("{}.row_number", of_row(i)),
        Place::Row(i, field) => format!("{}.{field}", of_row(i)),
        Place::Seat(i, j, field) => {
            let (index, marked) =
                sources.get(i).and_then(|source| source.seats.get(j)).copied().unwrap_or((j, false));
            let field = match field {
                "x" => "position",
                "label" if !marked => "seat_number",
                "label" | "companion_of" => "seat_guid",
                other => other,
            };
            format!("{}.seats[{index}].{field}", of_row(i))
        }
    }
}
