//! What is done with halls.

use jiff::Timestamp;
use moviebooking_auth::Caller;
use moviebooking_domain::id::{HallId, TheaterId};
use moviebooking_events::outbox;
use moviebooking_fields::{self as fields, Page};
use moviebooking_proto::theaters::v1 as wire;
use moviebooking_store::{Tx, idempotency::Request};

use crate::{Service, error::Error, store, theaters::open_theater_locked};

/// A hall of a theater.
#[derive(Clone, Debug)]
pub(crate) struct Hall {
    pub(crate) id: HallId,
    pub(crate) theater: TheaterId,
    pub(crate) display_name: String,
    /// Between the end of a show and the start of the next.
    pub(crate) cleaning_minutes: i32,
    pub(crate) allow_orphan_seats: bool,
    /// The newest layout; 0 before there is one.
    pub(crate) layout_version: i32,
    /// Seats of the newest layout.
    pub(crate) capacity: i32,
    /// Names of the newest layout's categories.
    pub(crate) categories: Vec<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) closed: bool,
    /// Counts its changes: the etag.
    pub(crate) version: i64,
}

/// What is known of a hall that does not exist yet.
#[derive(Clone, Debug)]
pub(crate) struct NewHall {
    pub(crate) display_name: String,
    pub(crate) cleaning_minutes: i32,
    pub(crate) allow_orphan_seats: bool,
}

/// A change of a hall: what is `None` stays.
#[derive(Clone, Debug)]
pub(crate) struct HallChange {
    pub(crate) display_name: Option<String>,
    pub(crate) cleaning_minutes: Option<i32>,
    pub(crate) allow_orphan_seats: Option<bool>,
    /// The version that the caller has seen; empty when they do not care.
    pub(crate) etag: String,
}

impl Service {
    pub(crate) async fn open_hall(
        &self,
        caller: &Caller,
        request: &Request,
        theater: TheaterId,
        new: &NewHall,
    ) -> Result<wire::Hall, Error> {
        self.once(request, |mut tx, now| async move {
            open_theater_locked(&mut tx, theater, Some(caller)).await?;
            let NewHall { display_name, cleaning_minutes, allow_orphan_seats } = new.clone();
            let hall = Hall {
                id: HallId::new(now),
                theater,
                display_name,
                cleaning_minutes,
                allow_orphan_seats,
                layout_version: 0,
                capacity: 0,
                categories: Vec::new(),
                created_at: now,
                updated_at: now,
                closed: false,
                version: 1,
            };
            store::open_hall(&mut tx, &hall).await?;
            let (hall_id, theater_id) = (hall.id.to_string(), theater.to_string());
            outbox::append(&mut tx, now, hall.id, &wire::HallCreated { hall_id, theater_id }).await?;
            Ok((tx, hall))
        })
        .await
    }

    /// A hall, open or closed.
    pub(crate) async fn hall(&self, id: HallId) -> Result<Hall, Error> {
        store::find_hall((&self.db).into(), id).await?.ok_or(Error::HallNotFound)
    }

    /// A page of the open halls of a theater by id, and the token of the next one.
    pub(crate) async fn halls(&self, theater: TheaterId, page: &Page) -> Result<(Vec<Hall>, String), Error> {
        let after = match page.after.as_deref() {
            Some([last]) => Some(fields::id("page_token", last)?),
            _ => None,
        };
        let mut halls = store::list_halls(&self.db, theater, after, page.limit()).await?;
        if halls.is_empty() {
            self.theater(theater).await?;
        }
        let next = page.cut(&mut halls, |hall| vec![hall.id.to_string()]);
        Ok((halls, next))
    }

    pub(crate) async fn change_hall(
        &self,
        caller: &Caller,
        request: &Request,
        id: HallId,
        change: &HallChange,
    ) -> Result<wire::Hall, Error> {
        self.once(request, |mut tx, now| async move {
            let mut hall = open_hall_locked(&mut tx, id, caller).await?;
            fields::etag(&change.etag, hall.version)?;
            hall.display_name = change.display_name.clone().unwrap_or(hall.display_name);
            hall.cleaning_minutes = change.cleaning_minutes.unwrap_or(hall.cleaning_minutes);
            hall.allow_orphan_seats = change.allow_orphan_seats.unwrap_or(hall.allow_orphan_seats);
            hall.updated_at = now;
            hall.version += 1;
            store::change_hall(&mut tx, &hall).await?;
            let (hall_id, theater_id) = (id.to_string(), hall.theater.to_string());
            outbox::append(&mut tx, now, id, &wire::HallUpdated { hall_id, theater_id }).await?;
            Ok((tx, hall))
        })
        .await
    }

    pub(crate) async fn close_hall(
        &self,
        caller: &Caller,
        request: &Request,
        id: HallId,
    ) -> Result<(), Error> {
        self.once(request, |mut tx, now| async move {
            let hall = open_hall_locked(&mut tx, id, caller).await?;
            store::close_hall(&mut tx, id, now).await?;
            let (hall_id, theater_id) = (id.to_string(), hall.theater.to_string());
            outbox::append(&mut tx, now, id, &wire::HallClosed { hall_id, theater_id }).await?;
            Ok((tx, ()))
        })
        .await
    }
}

/// Takes the lock of the hall's theater and reads the hall, if it is open and the caller runs it.
pub(crate) async fn open_hall_locked(tx: &mut Tx, id: HallId, caller: &Caller) -> Result<Hall, Error> {
    // Twice: first for the theater, which a hall never changes, then for what the lock protects.
    let theater = store::find_hall((&mut *tx).into(), id).await?.ok_or(Error::HallNotFound)?.theater;
    caller.must_run(theater)?;
    tx.lock("theater", theater.uuid()).await?;
    let hall = store::find_hall(tx.into(), id).await?.ok_or(Error::HallNotFound)?;
    if hall.closed { Err(Error::HallClosed) } else { Ok(hall) }
}
