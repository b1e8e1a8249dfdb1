//! A hall as a showtime has it: an immutable layout, ready to be decided about.

use moviebooking_domain::{
    id::HallId,
    layout::{Layout, Row, Seat},
    seating::{SeatIndex, SeatingPlan},
};

/// One version of a hall's layout.
#[derive(Debug)]
pub(crate) struct Hall {
    pub(crate) id: HallId,
    pub(crate) version: i32,
    pub(crate) layout: Layout,
    pub(crate) plan: SeatingPlan,
    /// Where each seat stands: its row and its place in it.
    places: Vec<(usize, usize)>,
}

impl Hall {
    pub(crate) fn new(id: HallId, version: i32, layout: Layout, allow_orphans: bool) -> Self {
        let places = layout
            .rows
            .iter()
            .enumerate()
            .flat_map(|(row, seats)| (0..seats.seats.len()).map(move |place| (row, place)))
            .collect();
        let plan = SeatingPlan::new(&layout, allow_orphans);
        Self { id, version, layout, plan, places }
    }

    /// A seat and its row; `None` for a number that is of no seat.
    pub(crate) fn seat(&self, index: SeatIndex) -> Option<(&Row, &Seat)> {
        let (row, place) = *self.places.get(index)?;
        let row = self.layout.rows.get(row)?;
        Some((row, row.seats.get(place)?))
    }

    /// The label of a seat.
    pub(crate) fn label(&self, index: SeatIndex) -> &str {
        self.seat(index).map_or("", |(_, seat)| &seat.label)
    }
}
