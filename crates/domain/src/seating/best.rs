//! The best seats that are free: nearest to the middle of the hall, two thirds to the back.

use std::ops::Range;

use super::{MOST_PER_BUYER, SeatIndex, SeatSet, SeatingPlan};
use crate::layout::{Layout, Row, Seat};

/// What a buyer who does not name seats wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish<'a> {
    /// How many seats, 1 to [`MOST_PER_BUYER`].
    pub count: usize,
    /// Of this category alone; any when `None`.
    pub category: Option<&'a str>,
    /// All next to each other.
    pub together: bool,
}

impl SeatingPlan {
    /// The free ordinary seats that fulfil the wish, keep the orphan rule, and of which the sum of the squared distances
    /// to the best place is least; of equals always the same ones. `None` when there are none. Wheelchair
    /// spaces and companion seats are never chosen: who needs them names them.
    pub fn best_available(&self, wish: Wish<'_>, taken: &SeatSet) -> Option<Vec<SeatIndex>> {
        let category = match wish.category {
            None => None,
            Some(name) => Some(*self.categories.get(name)?),
        };
        if wish.count == 0 || wish.count > MOST_PER_BUYER {
            return None;
        }
        let search = Search { plan: self, category, count: wish.count };
        let best = if wish.together { search.together(taken) } else { search.anywhere(taken) };
        best.map(|pick| {
            let mut seats = pick.seats[..pick.count].to_vec();
            seats.sort_unstable();
            seats
        })
    }
}

/// Up to [`MOST_PER_BUYER`] seats and the sum of their squared distances.
#[derive(Clone, Copy)]
struct Pick {
    distance: u128,
    count: usize,
    seats: [SeatIndex; MOST_PER_BUYER],
}

impl Pick {
    const NONE: Self = Self { distance: 0, count: 0, seats: [0; MOST_PER_BUYER] };

    fn with(mut self, seat: SeatIndex, distance: u128) -> Self {
        self.seats[self.count] = seat;
        self.count += 1;
        self.distance += distance;
        self
    }

    fn and(self, other: &Self) -> Self {
        let mut all = self;
        for seat in &other.seats[..other.count] {
            all = all.with(*seat, 0);
        }
        Self { distance: self.distance + other.distance, ..all }
    }
}

/// The best picks by how many seats they have.
type ByCount = [Option<Pick>; MOST_PER_BUYER + 1];

fn keep_better(best: &mut Option<Pick>, pick: Pick) {
    if best.is_none_or(|best| pick.distance < best.distance) {
        *best = Some(pick);
    }
}

struct Search<'a> {
    plan: &'a SeatingPlan,
    category: Option<usize>,
    count: usize,
}

impl Search<'_> {
    fn wanted(&self, seat: SeatIndex) -> bool {
        self.category.is_none_or(|category| self.plan.seats[seat].category == category)
    }

    fn distance(&self, seat: SeatIndex) -> u128 {
        self.plan.seats[seat].distance
    }

    fn together(&self, taken: &SeatSet) -> Option<Pick> {
        let mut best = None;
        for gap in self.plan.gaps(taken) {
            for first in gap.start..=gap.end.saturating_sub(self.count) {
                let window = first..first + self.count;
                if self.leaves_no_orphan(&gap, &window) && window.clone().all(|seat| self.wanted(seat)) {
                    let pick = window.fold(Pick::NONE, |pick, seat| pick.with(seat, self.distance(seat)));
                    keep_better(&mut best, pick);
                }
            }
        }
        best
    }

    fn leaves_no_orphan(&self, gap: &Range<SeatIndex>, window: &Range<SeatIndex>) -> bool {
        if window.end > gap.end {
            return false;
        }
        let alone = window.start - gap.start == 1 || gap.end - window.end == 1;
        !alone || self.bound_to_leave_one(gap, self.count) || self.plan.allow_orphans
    }

    /// Whether any choice of `count` seats of the gap leaves exactly one, or none.
    fn bound_to_leave_one(&self, gap: &Range<SeatIndex>, count: usize) -> bool {
        gap.len() - count < 2
    }

    /// The best picks of each gap, put together gap by gap.
    fn anywhere(&self, taken: &SeatSet) -> Option<Pick> {
        let mut best: ByCount = [None; MOST_PER_BUYER + 1];
        best[0] = Some(Pick::NONE);
        for gap in self.plan.gaps(taken) {
            let here = self.within(&gap);
            for count in (1..=self.count).rev() {
                for more in 1..=count {
                    if let (Some(before), Some(pick)) = (best[count - more], here[more]) {
                        keep_better(&mut best[count], before.and(&pick));
                    }
                }
            }
        }
        best[self.count]
    }

    /// The best picks within one gap.
    fn within(&self, gap: &Range<SeatIndex>) -> ByCount {
        let lenient = |count| self.plan.allow_orphans || self.bound_to_leave_one(gap, count);
        let mut best = [None; MOST_PER_BUYER + 1];
        let most = self.count.min(gap.len());
        let strict = if lenient(1) { best } else { self.scan(gap, true) };
        let free = if lenient(most) { self.scan(gap, false) } else { best };
        for count in 1..=most {
            best[count] = if lenient(count) { free[count] } else { strict[count] };
        }
        best
    }

    /// Goes through the gap from left to right with the best picks so far by count and by how many seats were left free
    /// since the last chosen one: none, one, or more. When `strict`, exactly one is never left between chosen seats or
    /// at an end.
    fn scan(&self, gap: &Range<SeatIndex>, strict: bool) -> ByCount {
        let mut states: [ByCount; 3] = [[None; MOST_PER_BUYER + 1]; 3];
        states[0][0] = Some(Pick::NONE);
        for seat in gap.clone() {
            let mut next: [ByCount; 3] = [[None; MOST_PER_BUYER + 1]; 3];
            for (left, picks) in states.iter().enumerate() {
                for (count, pick) in picks.iter().enumerate().take(self.count + 1) {
                    let Some(pick) = pick else { continue };
                    keep_better(&mut next[(left + 1).min(2)][count], *pick);
                    if count < self.count && self.wanted(seat) && !(strict && left == 1) {
                        keep_better(&mut next[0][count + 1], pick.with(seat, self.distance(seat)));
                    }
                }
            }
            states = next;
        }
        let mut best = [None; MOST_PER_BUYER + 1];
        for (left, picks) in states.iter().enumerate() {
            if strict && left == 1 {
                continue;
            }
            for (best, pick) in best.iter_mut().zip(picks) {
                if let Some(pick) = pick {
                    keep_better(best, *pick);
                }
            }
        }
        best
    }
}

/// The best place of a hall, in sixths of the layout's unit so that halves and thirds are whole numbers.
pub(super) struct Centre {
    x: i128,
    y: i128,
}

impl Centre {
    /// Half way between the outermost seats, and two thirds of the way from the first row to the last.
    pub(super) fn of(layout: &Layout) -> Self {
        let all = || layout.rows.iter().flat_map(|row| &row.seats).map(|seat| i128::from(seat.x));
        let (left, right) = (all().min().unwrap_or(0), all().max().unwrap_or(0));
        let (front, back) = (layout.rows.first().map_or(0, depth), layout.rows.last().map_or(0, depth));
        Self { x: 3 * (left + right), y: 2 * front + 4 * back }
    }

    pub(super) fn distance(&self, seat: &Seat) -> u128 {
        let square = |from: i128, to: i32| (from - 6 * i128::from(to)).unsigned_abs().pow(2);
        square(self.x, seat.x) + square(self.y, seat.y)
    }
}

/// Where a row is between front and back: the mean of its seats, which may stand in a curve.
fn depth(row: &Row) -> i128 {
    let sum: i128 = row.seats.iter().map(|seat| i128::from(seat.y)).sum();
    i128::try_from(row.seats.len()).map_or(0, |count| sum.checked_div(count).unwrap_or(0))
}
