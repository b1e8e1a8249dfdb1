//! Who sits next to whom.

use std::ops::Range;

use super::{Row, Seat};

impl Row {
    /// The runs of seats that stand next to each other, as ranges of indices into `seats`, left to right: together they
    /// are the whole row. Between two runs there is an aisle: a distance to the next seat that is more than one and a
    /// half times the smallest in the row.
    pub fn blocks(&self) -> Vec<Range<usize>> {
        let distances: Vec<u128> =
            self.seats.windows(2).map(|pair| squared_distance(&pair[0], &pair[1])).collect();
        let smallest = distances.iter().copied().min().unwrap_or(0);
        let mut blocks = Vec::new();
        let mut start = 0;
        for (i, distance) in distances.into_iter().enumerate() {
            // distance > 3/2 smallest, squared and without fractions
            if distance * 4 > smallest * 9 {
                blocks.push(start..i + 1);
                start = i + 1;
            }
        }
        if start < self.seats.len() {
            blocks.push(start..self.seats.len());
        }
        blocks
    }
}

/// At most 2^65, so that small multiples of it fit as well.
fn squared_distance(a: &Seat, b: &Seat) -> u128 {
    let square = |a: i32, b: i32| u128::from(a.abs_diff(b)).pow(2);
    square(a.x, b.x) + square(a.y, b.y)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::layout::SeatKind;

    fn row(positions: &[(i32, i32)]) -> Row {
        let seat = |&(x, y): &(i32, i32)| Seat {
            label: String::new(),
            category: String::new(),
            kind: SeatKind::Standard,
            x,
            y,
            companion_of: String::new(),
        };
        Row { label: "A".to_owned(), seats: positions.iter().map(seat).collect() }
    }

    #[test]
    fn an_aisle_is_more_than_one_and_a_half_of_the_smallest_distance() {
        assert_eq!(row(&[(0, 0), (100, 0), (250, 0), (401, 0), (501, 0)]).blocks(), [0..3, 3..5]);
        assert_eq!(row(&[(0, 0), (150, 0), (300, 0)]).blocks(), std::slice::from_ref(&(0..3)));
        assert_eq!(row(&[(0, 0), (10_000, 0)]).blocks(), std::slice::from_ref(&(0..2)));
    }

    #[test]
    fn a_row_of_one_is_one_block_and_an_empty_one_has_none() {
        assert_eq!(row(&[(7, 7)]).blocks(), std::slice::from_ref(&(0..1)));
        assert!(row(&[]).blocks().is_empty());
    }

    #[test]
    fn distances_along_a_curve_count_in_both_directions() {
        assert_eq!(row(&[(0, 0), (30, 40), (60, 80), (60, 160)]).blocks(), [0..3, 3..4]);
    }

    #[test]
    fn the_widest_hall_does_not_overflow() {
        let ends = [(i32::MIN, i32::MIN), (i32::MAX, i32::MAX), (i32::MAX, i32::MAX - 50)];
        assert_eq!(row(&ends).blocks(), [0..1, 1..3]);
    }

    proptest! {
        #[test]
        fn blocks_cover_the_row_once_and_split_exactly_at_aisles(
            gaps in proptest::collection::vec(50..400_i32, 0..60),
            rise in -300..300_i32,
        ) {
            let mut positions = vec![(-5_000, 0)];
            for (i, gap) in gaps.iter().enumerate() {
                let (x, _) = positions[i];
                positions.push((x + gap, if i % 7 == 3 { rise } else { 0 }));
            }
            let row = row(&positions);
            let blocks = row.blocks();
            let covered: Vec<usize> = blocks.iter().cloned().flatten().collect();
            prop_assert_eq!(covered, (0..positions.len()).collect::<Vec<_>>());

            let length = |i: usize| {
                let ((ax, ay), (bx, by)) = (positions[i], positions[i + 1]);
                f64::from(bx - ax).hypot(f64::from(by - ay))
            };
            let smallest = (0..gaps.len()).map(length).fold(f64::INFINITY, f64::min);
            for i in 0..gaps.len() {
                let aisle = blocks.iter().any(|block| block.end == i + 1);
                let ratio = length(i) / smallest;
                // Too close to call in floating point.
                if (ratio - 1.5).abs() > 1e-9 {
                    prop_assert_eq!(aisle, ratio > 1.5, "gap {} of {}", i, ratio);
                }
            }
        }

        #[test]
        fn moving_a_row_changes_nothing(
            xs in proptest::collection::btree_set(0..20_000_i32, 1..40),
            by in (-100_000..100_000_i32, -100_000..100_000_i32),
        ) {
            let still: Vec<_> = xs.iter().map(|x| (*x, 0)).collect();
            let moved: Vec<_> = xs.iter().map(|x| (*x + by.0, by.1)).collect();
            prop_assert_eq!(row(&still).blocks(), row(&moved).blocks());
        }
    }
}
