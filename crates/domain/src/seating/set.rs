//! A set of seats of one layout.

use super::SeatIndex;

/// A set of seats of one layout, one bit each.
#[derive(Clone, Debug, Default)]
pub struct SeatSet(Vec<u64>);

const BITS: usize = u64::BITS as usize;

impl SeatSet {
    /// Adds a seat; `false` when it was in it.
    pub fn insert(&mut self, seat: SeatIndex) -> bool {
        let (word, bit) = (seat / BITS, 1 << (seat % BITS));
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        let new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        new
    }

    /// Whether the seat is in it.
    pub fn contains(&self, seat: SeatIndex) -> bool {
        self.0.get(seat / BITS).is_some_and(|word| word & (1 << (seat % BITS)) != 0)
    }

    /// How many seats are in it.
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether no seat is in it.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// The seats, in order.
    pub fn iter(&self) -> impl Iterator<Item = SeatIndex> + '_ {
        (0..self.0.len() * BITS).filter(|seat| self.contains(*seat))
    }
}

impl FromIterator<SeatIndex> for SeatSet {
    fn from_iter<T: IntoIterator<Item = SeatIndex>>(seats: T) -> Self {
        let mut set = Self::default();
        for seat in seats {
            set.insert(seat);
        }
        set
    }
}
