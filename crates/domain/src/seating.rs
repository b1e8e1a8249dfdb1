//! Which seats may be taken together, and which are the best.
//!
//! Rules speak of *ordinary* seats, standard and premium ones, and of *accessible* ones: wheelchair spaces and their
//! companion seats. A *segment* is a longest row of ordinary seats that stand next to each other: aisles, walls and
//! accessible seats end it. A *gap* is a longest row of free seats in a segment.
//!
//! **The orphan rule.** Nobody wants the single free seat between two strangers, so it stays unsold. A choice is refused
//! when it takes seats of a gap, leaves at least two of its seats free, and one of these is alone: taken seats or ends of
//! the segment on both sides. So it is not refused
//! - for a seat that was alone before: it was a gap of one;
//! - when exactly one seat of the gap is left: however as many seats of this gap are chosen, one is left alone;
//! - where a hall allows it ([`SeatingPlan::new`]).
//!
//! While two or more seats are left there is always a choice that keeps the rule: the same number of seats from one end
//! of the gap.
//!
//! **The companion rule.** A companion seat is sold only with its wheelchair space: in the same choice, or to a buyer who
//! has the space already.

mod best;
mod set;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, ops::Range};

pub use best::Wish;
pub use set::SeatSet;

use crate::layout::{Layout, Row, SeatKind};

/// The most seats of one showtime that one buyer may have.
pub const MOST_PER_BUYER: usize = 10;

/// The number of a seat in its layout: front to back, left to right, from 0.
pub type SeatIndex = usize;

/// A layout, prepared to decide about its seats.
#[derive(Clone, Debug)]
pub struct SeatingPlan {
    seats: Vec<PlannedSeat>,
    by_label: HashMap<String, SeatIndex>,
    categories: HashMap<String, usize>,
    segments: Vec<Range<SeatIndex>>,
    allow_orphans: bool,
}

#[derive(Clone, Debug)]
struct PlannedSeat {
    category: usize,
    /// On a companion seat: its wheelchair space.
    wheelchair: Option<SeatIndex>,
    /// Square of the distance to the best place of the hall.
    distance: u128,
}

/// Why a choice of seats is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It would leave this seat alone.
    Orphan(SeatIndex),
    /// A companion seat without its wheelchair space.
    CompanionAlone {
        /// The companion seat.
        companion: SeatIndex,
        /// The space that it belongs to.
        wheelchair: SeatIndex,
    },
}

impl SeatingPlan {
    /// Prepares a valid layout. With `allow_orphans` the orphan rule is off.
    pub fn new(layout: &Layout, allow_orphans: bool) -> Self {
        let all = || layout.rows.iter().flat_map(|row| &row.seats);
        let by_label: HashMap<String, SeatIndex> =
            all().enumerate().map(|(index, seat)| (seat.label.clone(), index)).collect();
        let mut categories = HashMap::new();
        for category in &layout.categories {
            let next = categories.len();
            categories.entry(category.name.clone()).or_insert(next);
        }
        let centre = best::Centre::of(layout);
        let seats = all()
            .map(|seat| PlannedSeat {
                category: categories.get(&seat.category).copied().unwrap_or(usize::MAX),
                wheelchair: match seat.kind {
                    SeatKind::Companion => by_label.get(&seat.companion_of).copied(),
                    _ => None,
                },
                distance: centre.distance(seat),
            })
            .collect();
        Self { segments: segments(&layout.rows), seats, by_label, categories, allow_orphans }
    }

    /// How many seats there are.
    pub fn len(&self) -> usize {
        self.seats.len()
    }

    /// Whether there is no seat.
    pub fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    /// The seat with this label.
    pub fn seat(&self, label: &str) -> Option<SeatIndex> {
        self.by_label.get(label).copied()
    }

    /// Whether the layout has this category.
    pub fn has_category(&self, name: &str) -> bool {
        self.categories.contains_key(name)
    }

    /// Whether a buyer who has `own` may take `choice` besides what is `taken` (which holds `own` and nothing of
    /// `choice`).
    ///
    /// # Errors
    /// The first rule that refuses it.
    pub fn check(&self, choice: &SeatSet, taken: &SeatSet, own: &SeatSet) -> Result<(), Refusal> {
        for companion in choice.iter() {
            let wheelchair = self.seats.get(companion).and_then(|seat| seat.wheelchair);
            if let Some(wheelchair) = wheelchair
                && !choice.contains(wheelchair)
                && !own.contains(wheelchair)
            {
                return Err(Refusal::CompanionAlone { companion, wheelchair });
            }
        }
        if self.allow_orphans {
            return Ok(());
        }
        for gap in self.gaps(taken) {
            let chosen = gap.clone().filter(|seat| choice.contains(*seat)).count();
            if chosen == 0 || gap.len() - chosen < 2 {
                continue;
            }
            if let Some(alone) = free_runs(gap, |seat| choice.contains(seat)).find(|run| run.len() == 1) {
                return Err(Refusal::Orphan(alone.start));
            }
        }
        Ok(())
    }

    /// The longest rows of free ordinary seats.
    fn gaps<'a>(&'a self, taken: &'a SeatSet) -> impl Iterator<Item = Range<SeatIndex>> + 'a {
        self.segments.iter().flat_map(|segment| free_runs(segment.clone(), |seat| taken.contains(seat)))
    }
}

fn segments(rows: &[Row]) -> Vec<Range<SeatIndex>> {
    let mut segments = Vec::new();
    let mut first = 0;
    for row in rows {
        for block in row.blocks() {
            let accessible =
                |seat: usize| matches!(row.seats[seat].kind, SeatKind::Wheelchair | SeatKind::Companion);
            segments.extend(free_runs(block, accessible).map(|run| first + run.start..first + run.end));
        }
        first += row.seats.len();
    }
    segments
}

/// The longest ranges within `range` of which nothing is taken.
fn free_runs(
    range: Range<SeatIndex>,
    taken: impl Fn(SeatIndex) -> bool,
) -> impl Iterator<Item = Range<SeatIndex>> {
    let mut next = range.start;
    std::iter::from_fn(move || {
        let start = (next..range.end).find(|seat| !taken(*seat))?;
        let end = (start..range.end).find(|seat| taken(*seat)).unwrap_or(range.end);
        next = end;
        Some(start..end)
    })
}
