//! The demo's theaters and the layouts of their halls.

use moviebooking_proto::theaters::v1::{
    Address, Hall, Layout, RefundPolicy, Row, Seat, SeatCategory, SeatKind, Theater,
};

/// Hundredths of a drawing unit from one seat to the next, and from one row to the next.
const PITCH: i32 = 100;
const ROW_DISTANCE: i32 = 120;

/// A theater with its halls.
pub(super) struct TheaterPlan {
    pub(super) theater: Theater,
    pub(super) halls: Vec<HallPlan>,
    /// Prices in minor units of the theater's currency, by category.
    pub(super) prices: &'static [(&'static str, i64)],
}

/// A hall with its seats.
pub(super) struct HallPlan {
    pub(super) hall: Hall,
    pub(super) layout: Layout,
}

/// What a hall looks like.
struct Shape {
    rows: usize,
    /// Seats in each block of a row; there is an aisle between blocks.
    blocks: &'static [usize],
    /// How many rows, at the back, are premium.
    premium_rows: usize,
    /// Pairs of wheelchair space and companion seat at the left end of the first row.
    wheelchair_pairs: usize,
    /// How many seats each row has more than the one before it, spread over the blocks' ends.
    widening: usize,
}

/// The two theaters of the demo.
pub(super) fn plan() -> Vec<TheaterPlan> {
    vec![
        TheaterPlan {
            theater: theater(
                "Lichtspielhaus am Kanal",
                "Europe/Berlin",
                "EUR",
                ["Uferstraße 12", "10999", "Berlin", "DE"],
            ),
            prices: &[("standard", 1_150), ("premium", 1_490), ("accessible", 950)],
            halls: vec![
                hall(
                    "Saal 1",
                    15,
                    &Shape {
                        rows: 12,
                        blocks: &[5, 10, 5],
                        premium_rows: 3,
                        wheelchair_pairs: 2,
                        widening: 0,
                    },
                ),
                hall(
                    "Saal 2",
                    10,
                    &Shape { rows: 7, blocks: &[6, 6], premium_rows: 1, wheelchair_pairs: 1, widening: 0 },
                ),
            ],
        },
        TheaterPlan {
            theater: theater(
                "Harbor Street Cinema",
                "America/New_York",
                "USD",
                ["48 Harbor Street", "10013", "New York", "US"],
            ),
            prices: &[("standard", 1_650), ("premium", 2_100), ("accessible", 1_300)],
            halls: vec![
                hall(
                    "Auditorium A",
                    20,
                    &Shape { rows: 10, blocks: &[8, 8], premium_rows: 2, wheelchair_pairs: 2, widening: 2 },
                ),
                hall(
                    "Studio",
                    10,
                    &Shape { rows: 5, blocks: &[9], premium_rows: 0, wheelchair_pairs: 1, widening: 0 },
                ),
            ],
        },
    ]
}

fn theater(
    name: &str,
    time_zone: &str,
    currency: &str,
    [street, postal_code, city, country]: [&str; 4],
) -> Theater {
    Theater {
        display_name: name.to_owned(),
        address: Some(Address {
            lines: vec![street.to_owned()],
            postal_code: postal_code.to_owned(),
            city: city.to_owned(),
            country_code: country.to_owned(),
            ..Address::default()
        }),
        time_zone: time_zone.to_owned(),
        currency_code: currency.to_owned(),
        // Until two hours before the start, for a tenth of the price.
        refund_policy: Some(RefundPolicy {
            until_minutes_before_start: 120,
            fee_basis_points: 1_000,
            fee_minor: 0,
        }),
        ..Theater::default()
    }
}

fn hall(name: &str, cleaning_minutes: i32, shape: &Shape) -> HallPlan {
    HallPlan {
        hall: Hall { display_name: name.to_owned(), cleaning_minutes, ..Hall::default() },
        layout: layout(name, shape),
    }
}

fn layout(name: &str, shape: &Shape) -> Layout {
    let mut categories = vec![category("standard", "#3b82f6"), category("accessible", "#10b981")];
    if shape.premium_rows > 0 {
        categories.push(category("premium", "#f59e0b"));
    }
    let rows = (0..shape.rows).map(|index| row(shape, index)).collect();
    Layout { display_name: format!("{name}, opening layout"), categories, rows, ..Layout::default() }
}

fn category(name: &str, color: &str) -> SeatCategory {
    SeatCategory { name: name.to_owned(), color: color.to_owned() }
}

fn row(shape: &Shape, index: usize) -> Row {
    let letter = char::from(b'A' + u8::try_from(index).unwrap_or(25).min(25));
    let premium = index + shape.premium_rows >= shape.rows;
    let extra = shape.widening * index / 2;
    let last = shape.blocks.len() - 1;
    let mut seats = Vec::new();
    let mut x = -(i32::try_from(extra).unwrap_or(0) * PITCH);
    for (number, block) in shape.blocks.iter().enumerate() {
        // Each side of a widening hall grows outwards.
        let count = block + if number == 0 || number == last { extra } else { 0 };
        for _ in 0..count {
            seats.push(Seat {
                label: format!("{letter}{}", seats.len() + 1),
                category: if premium { "premium" } else { "standard" }.to_owned(),
                kind: if premium { SeatKind::Premium } else { SeatKind::Standard }.into(),
                x,
                y: i32::try_from(index).unwrap_or(0) * ROW_DISTANCE,
                companion_of: String::new(),
            });
            x += PITCH;
        }
        x += PITCH; // the aisle
    }
    if index == 0 {
        for pair in seats.chunks_exact_mut(2).take(shape.wheelchair_pairs) {
            let [space, companion] = pair else { continue };
            space.kind = SeatKind::Wheelchair.into();
            companion.kind = SeatKind::Companion.into();
            companion.companion_of.clone_from(&space.label);
            for seat in [space, companion] {
                "accessible".clone_into(&mut seat.category);
            }
        }
    }
    Row { label: letter.to_string(), seats }
}
