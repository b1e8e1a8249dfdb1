//! Messages into what the use cases take.

use moviebooking_domain::{
    layout::{Layout, Violation},
    money::{Currency, InvalidCurrency},
    refund::RefundPolicy,
};
use moviebooking_fields::{self as fields, Mask, layout::from_wire};
use moviebooking_proto::{Problem, theaters::v1 as wire};

use crate::{
    halls::{HallChange, NewHall},
    theaters::{Address, NewTheater, TheaterChange},
    zone,
};

pub(super) fn new_theater(message: wire::Theater) -> Result<NewTheater, Problem> {
    Ok(NewTheater {
        display_name: theater_name(&message.display_name)?,
        address: address(message.address)?,
        time_zone: zone::name("theater.time_zone", &message.time_zone)?,
        currency: currency(&message.currency_code)?,
        refund_policy: refund_policy(message.refund_policy)?,
    })
}

pub(super) fn theater_change(message: wire::Theater, mask: &Mask) -> Result<TheaterChange, Problem> {
    let wanted = |field| mask.has(field).then_some(());
    Ok(TheaterChange {
        display_name: wanted("display_name").map(|()| theater_name(&message.display_name)).transpose()?,
        address: wanted("address").map(|()| address(message.address)).transpose()?,
        time_zone: wanted("time_zone")
            .map(|()| zone::name("theater.time_zone", &message.time_zone))
            .transpose()?,
        currency: wanted("currency_code").map(|()| currency(&message.currency_code)).transpose()?,
        refund_policy: wanted("refund_policy").map(|()| refund_policy(message.refund_policy)).transpose()?,
        etag: message.etag,
    })
}

fn theater_name(value: &str) -> Result<String, Problem> {
    fields::text("theater.display_name", value, 1, 200)
}

fn currency(value: &str) -> Result<Currency, Problem> {
    value
        .parse()
        .map_err(|error: InvalidCurrency| Problem::invalid("theater.currency_code", error.to_string()))
}

fn refund_policy(message: Option<wire::RefundPolicy>) -> Result<Option<RefundPolicy>, Problem> {
    message.map(|policy| fields::refund::from_wire("theater.refund_policy", policy)).transpose()
}

/// An address; every part of it may be missing.
fn address(message: Option<wire::Address>) -> Result<Address, Problem> {
    let Some(message) = message else { return Ok(Address::default()) };
    fields::at_most("theater.address.lines", &message.lines, 3)?;
    let lines = message.lines.iter().enumerate();
    let part = |name: &str, value: &str| fields::text(&format!("theater.address.{name}"), value, 0, 200);
    let country_code = message.country_code;
    let letters = country_code.bytes().all(|letter| letter.is_ascii_uppercase());
    if !(letters && matches!(country_code.len(), 0 | 2)) {
        let fix = "use an ISO 3166-1 code of two capital letters, such as DE";
        return Err(Problem::invalid("theater.address.country_code", fix));
    }
    Ok(Address {
        lines: lines
            .map(|(i, line)| fields::text(&format!("theater.address.lines[{i}]"), line, 1, 200))
            .collect::<Result<_, _>>()?,
        postal_code: part("postal_code", &message.postal_code)?,
        city: part("city", &message.city)?,
        region: part("region", &message.region)?,
        country_code,
    })
}

pub(super) fn new_hall(message: &wire::Hall) -> Result<NewHall, Problem> {
    Ok(NewHall {
        display_name: hall_name(&message.display_name)?,
        cleaning_minutes: cleaning_minutes(message.cleaning_minutes)?,
        allow_orphan_seats: message.allow_orphan_seats,
    })
}

pub(super) fn hall_change(message: wire::Hall, mask: &Mask) -> Result<HallChange, Problem> {
    let wanted = |field| mask.has(field).then_some(());
    Ok(HallChange {
        display_name: wanted("display_name").map(|()| hall_name(&message.display_name)).transpose()?,
        cleaning_minutes: wanted("cleaning_minutes")
            .map(|()| cleaning_minutes(message.cleaning_minutes))
            .transpose()?,
        allow_orphan_seats: wanted("allow_orphan_seats").map(|()| message.allow_orphan_seats),
        etag: message.etag,
    })
}

fn hall_name(value: &str) -> Result<String, Problem> {
    fields::text("hall.display_name", value, 1, 100)
}

fn cleaning_minutes(value: i32) -> Result<i32, Problem> {
    fields::number("hall.cleaning_minutes", value, 0, 240)
}

/// A layout that may be published.
pub(super) fn layout(message: wire::Layout) -> Result<Layout, Problem> {
    let layout = from_wire("layout", message)?;
    let told = |violation: Violation| violation.told(|place| format!("layout.{place}"));
    let violations = layout.validate().err().unwrap_or_default().into_iter().map(told).collect();
    match Problem::invalid_fields(violations) {
        Some(problem) => Err(problem),
        None => Ok(layout),
    }
}
