//! What is done with seat layouts.

use std::sync::Arc;

use moviebooking_auth::Caller;
use moviebooking_domain::{id::HallId, layout::Layout};
use moviebooking_events::outbox;
use moviebooking_fields::{self as fields, layout::to_wire};
use moviebooking_proto::theaters::v1 as wire;
use moviebooking_store::idempotency::Request;

use crate::{Service, error::Error, halls::open_hall_locked, store};

impl Service {
    /// Publishes a layout that was validated as the hall's next version.
    pub(crate) async fn publish(
        &self,
        caller: &Caller,
        request: &Request,
        hall: HallId,
        layout: &Layout,
    ) -> Result<wire::Layout, Error> {
        self.once(request, |mut tx, now| async move {
            let open = open_hall_locked(&mut tx, hall, caller).await?;
            let message = wire::Layout {
                hall_id: hall.to_string(),
                version: open.layout_version.checked_add(1).ok_or(Error::VersionsExhausted)?,
                create_time: Some(fields::time::to_wire(now)),
                allow_orphan_seats: open.allow_orphan_seats,
                ..to_wire(layout)
            };
            store::publish_layout(&mut tx, hall, &message, now).await?;
            let told = wire::HallLayoutPublished {
                hall_id: hall.to_string(),
                theater_id: open.theater.to_string(),
                layout_version: message.version,
            };
            outbox::append(&mut tx, now, hall, &told).await?;
            Ok((tx, message))
        })
        .await
    }

    /// A version of a hall's layout; the hall may be closed.
    pub(crate) async fn layout(&self, hall: HallId, version: i32) -> Result<Arc<wire::Layout>, Error> {
        if let Some(layout) = self.layouts.get(&(hall, version)) {
            return Ok(layout);
        }
        let Some(layout) = store::find_layout(&self.db, hall, version).await? else {
            self.hall(hall).await?;
            return Err(Error::LayoutNotFound);
        };
        let layout = Arc::new(layout);
        self.layouts.insert((hall, version), Arc::clone(&layout));
        Ok(layout)
    }
}
