//! What a layout has more than a seating plan, as text for the plan's identifiers: of a seat in its `seat_guid`, of the
//! drawing in the `zone_id` of the plan's one zone.
//!
//! `moviebooking:1:COMPANION:C8:C7` is the companion seat C8 of the wheelchair space C7; `moviebooking:1:25:-300:0` is
//! a drawing at 25 times its size whose left and upper edges are at x -300 and y 0.

use std::fmt;

use moviebooking_domain::layout::{Seat, SeatKind};
use moviebooking_fields::layout::kind_to_wire;

/// What all marks begin with: whose they are, and the version of their form.
const PREFIX: &str = "moviebooking:1:";

/// A mark of ours that nobody of us wrote.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// What a `seat_guid` says of a seat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SeatMark {
    pub(super) kind: SeatKind,
    pub(super) label: String,
    pub(super) companion_of: String,
}

impl SeatMark {
    pub(super) fn of(seat: &Seat) -> Self {
        Self { kind: seat.kind, label: seat.label.clone(), companion_of: seat.companion_of.clone() }
    }

    /// The mark in a `seat_guid`; `None` in one from elsewhere.
    pub(super) fn parse(guid: &str) -> Result<Option<Self>, Broken> {
        let Some(fields) = fields(guid) else { return Ok(None) };
        let (kind, label, companion_of) = match fields.as_slice() {
            [kind, label] => (*kind, *label, ""),
            [kind, label, companion_of] => (*kind, *label, *companion_of),
            _ => return Err(Broken),
        };
        Ok(Some(Self {
            kind: KINDS.into_iter().find(|known| name(*known) == kind).ok_or(Broken)?,
            label: unescape(label),
            companion_of: unescape(companion_of),
        }))
    }
}

impl fmt::Display for SeatMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}:{}", name(self.kind), escape(&self.label))?;
        if self.companion_of.is_empty() { Ok(()) } else { write!(f, ":{}", escape(&self.companion_of)) }
    }
}

const KINDS: [SeatKind; 4] =
    [SeatKind::Standard, SeatKind::Premium, SeatKind::Wheelchair, SeatKind::Companion];

/// The kind as the API names it.
fn name(kind: SeatKind) -> &'static str {
    kind_to_wire(kind).as_str_name()
}

/// What a `zone_id` says of the drawing: x in the layout is `left` plus a hundred times the pixels from the left margin
/// divided by `scale`, and y likewise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ZoneMark {
    /// Pixels per drawing unit: 1 to 50.
    pub(super) scale: i32,
    /// The smallest x, in hundredths of a drawing unit.
    pub(super) left: i32,
    /// The smallest y, in hundredths of a drawing unit.
    pub(super) top: i32,
}

impl ZoneMark {
    /// The mark in a `zone_id`; `None` in one from elsewhere.
    pub(super) fn parse(zone_id: &str) -> Result<Option<Self>, Broken> {
        let Some(fields) = fields(zone_id) else { return Ok(None) };
        let [scale, left, top] = fields.as_slice() else { return Err(Broken) };
        let number = |text: &str| text.parse::<i32>().map_err(|_| Broken);
        let mark = Self { scale: number(scale)?, left: number(left)?, top: number(top)? };
        if (1..=50).contains(&mark.scale) { Ok(Some(mark)) } else { Err(Broken) }
    }
}

impl fmt::Display for ZoneMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}:{}:{}", self.scale, self.left, self.top)
    }
}

fn fields(text: &str) -> Option<Vec<&str>> {
    Some(text.strip_prefix(PREFIX)?.split(':').collect())
}

fn escape(text: &str) -> String {
    text.replace('%', "%25").replace(':', "%3A")
}

fn unescape(text: &str) -> String {
    text.replace("%3A", ":").replace("%25", "%")
}
