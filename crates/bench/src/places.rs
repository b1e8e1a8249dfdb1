//! Three adjacent seats each, in a scattered order that never repeats one: every request asks for free seats, of one
//! showtime after the other.

use std::cell::Cell;

use anyhow::bail;

/// Rows of a hall, and triples of seats in a row.
pub(crate) const ROWS: usize = 10;
pub(crate) const TRIPLES: usize = 10;
/// Triples of a showtime.
const PER_SHOWTIME: usize = ROWS * TRIPLES;
/// Steps of this size visit every place once: it has no divisor in common with their number.
const STRIDE: usize = 77_777;

/// Showtimes with all of their seats free, at first.
pub(crate) struct Places {
    /// Their ids.
    pub(crate) showtimes: Vec<String>,
    turn: Cell<usize>,
}

/// Three seats of a showtime.
pub(crate) struct Place<'a> {
    pub(crate) showtime: &'a str,
    pub(crate) seats: [String; 3],
    /// Which of `buyers` buyers takes them: none takes more than two triples of a showtime.
    pub(crate) buyer: usize,
}

impl Places {
    /// Places in these showtimes.
    pub(crate) fn new(showtimes: Vec<String>) -> Self {
        Self { showtimes, turn: Cell::new(0) }
    }

    /// The next one.
    pub(crate) fn next(&self, buyers: usize) -> anyhow::Result<Place<'_>> {
        let turn = self.turn.replace(self.turn.get() + 1);
        let places = self.showtimes.len() * PER_SHOWTIME;
        if turn >= places {
            bail!("all seats are sold: the run needs more showtimes");
        }
        let place = turn * STRIDE % places;
        let (showtime, triple) = (place % self.showtimes.len(), place / self.showtimes.len());
        Ok(Place {
            showtime: &self.showtimes[showtime],
            seats: seats(triple),
            buyer: (showtime + triple) % buyers,
        })
    }
}

/// The labels of a triple.
pub(crate) fn seats(triple: usize) -> [String; 3] {
    let (row, first) = (triple / TRIPLES, triple % TRIPLES * 3 + 1);
    [0, 1, 2].map(|seat| label(row, first + seat))
}

/// The label of a seat: `C7`.
pub(crate) fn label(row: usize, number: usize) -> String {
    let letter = char::from(b'A' + u8::try_from(row).unwrap_or_default());
    format!("{letter}{number}")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_seat_is_asked_for_twice_and_no_buyer_is_over_the_limit() {
        for count in [20, 2_000] {
            let places = Places::new((0..count).map(|id| id.to_string()).collect());
            let mut seen = HashSet::new();
            let mut buyers = std::collections::HashMap::<_, usize>::new();
            for _ in 0..count * PER_SHOWTIME {
                let place = places.next(64).unwrap();
                assert!(seen.insert((place.showtime.to_owned(), place.seats.clone())));
                *buyers.entry((place.showtime.to_owned(), place.buyer)).or_default() += 3;
            }
            assert!(buyers.values().all(|seats| *seats <= 10));
            assert!(places.next(64).is_err());
        }
    }
}
