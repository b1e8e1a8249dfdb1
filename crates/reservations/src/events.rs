//! The history of seats as events.

use jiff::Timestamp;
use moviebooking_domain::id::ShowtimeId;
use moviebooking_events::{Batch, Event, Source};
use moviebooking_fields::time;
use moviebooking_proto::{event::Event as Data, reservations::v1 as wire};
use moviebooking_store::{Db, StoreError};

use crate::{
    board::{Change, ChangeKind},
    store,
};

/// The history as what a relay publishes.
#[derive(Clone, Copy, Debug)]
pub struct History;

impl Source for History {
    /// The changes that were read, by showtime and number.
    type Receipt = Vec<(ShowtimeId, i64)>;

    async fn unpublished(&self, db: &Db, limit: i64) -> Result<Batch<Self::Receipt>, StoreError> {
        let changes = store::unpublished(db, limit).await?;
        let receipt = changes.iter().map(|(showtime, change)| (*showtime, change.sequence)).collect();
        let events = changes.iter().map(|(showtime, change)| event(*showtime, change));
        Ok(Batch { events: events.collect::<Result<_, _>>()?, receipt, rows: changes.len() })
    }

    async fn published(&self, db: &Db, receipt: Self::Receipt) -> Result<(), StoreError> {
        store::published(db, &receipt).await
    }
}

fn event(showtime: ShowtimeId, change: &Change) -> Result<Event, StoreError> {
    let told = Some(wire::SeatsChanged {
        reservation_id: text(change.reservation),
        showtime_id: showtime.to_string(),
        user_id: text(change.user),
        seats: change.seats.clone(),
        sequence: change.sequence,
    });
    let expire_time = change.expires_at.map(|time: Timestamp| time::to_wire(time));
    match change.kind {
        ChangeKind::Held => of(showtime, change, &wire::ReservationHeld { change: told, expire_time }),
        ChangeKind::Extended => {
            of(showtime, change, &wire::ReservationExtended { change: told, expire_time })
        }
        ChangeKind::Sold => of(showtime, change, &wire::ReservationConfirmed { change: told }),
        ChangeKind::Released => of(showtime, change, &wire::ReservationReleased { change: told }),
        ChangeKind::Freed => of(showtime, change, &wire::ReservationSeatsFreed { change: told }),
        ChangeKind::Closed => {
            let (showtime_id, sequence) = (showtime.to_string(), change.sequence);
            of(showtime, change, &wire::ShowtimeClosed { showtime_id, sequence })
        }
    }
}

fn of(showtime: ShowtimeId, change: &Change, data: &impl Data) -> Result<Event, StoreError> {
    let id = format!("{showtime}-{}", change.sequence);
    let subject = change.reservation.map_or_else(|| showtime.to_string(), |id| id.to_string());
    Ok(Event::new(id, subject, change.at, data)?.in_order_of(showtime))
}

fn text(id: Option<impl ToString>) -> String {
    id.map(|id| id.to_string()).unwrap_or_default()
}
