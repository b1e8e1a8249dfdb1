//! What the use cases give into messages.

use moviebooking_fields::{refund, time, to_etag};
use moviebooking_proto::theaters::v1 as wire;

use crate::{
    halls::Hall,
    theaters::{Address, Theater},
};

impl From<Theater> for wire::Theater {
    fn from(theater: Theater) -> Self {
        Self {
            id: theater.id.to_string(),
            display_name: theater.display_name,
            address: Some(theater.address.into()),
            time_zone: theater.time_zone,
            currency_code: theater.currency.to_string(),
            create_time: Some(time::to_wire(theater.created_at)),
            update_time: Some(time::to_wire(theater.updated_at)),
            etag: to_etag(theater.version),
            refund_policy: theater.refund_policy.map(refund::to_wire),
        }
    }
}

impl From<Address> for wire::Address {
    fn from(address: Address) -> Self {
        let Address { lines, postal_code, city, region, country_code } = address;
        Self { lines, postal_code, city, region, country_code }
    }
}

impl From<Hall> for wire::Hall {
    fn from(hall: Hall) -> Self {
        Self {
            id: hall.id.to_string(),
            theater_id: hall.theater.to_string(),
            display_name: hall.display_name,
            cleaning_minutes: hall.cleaning_minutes,
            layout_version: hall.layout_version,
            capacity: hall.capacity,
            categories: hall.categories,
            allow_orphan_seats: hall.allow_orphan_seats,
            create_time: Some(time::to_wire(hall.created_at)),
            update_time: Some(time::to_wire(hall.updated_at)),
            etag: to_etag(hall.version),
            closed: hall.closed,
        }
    }
}
