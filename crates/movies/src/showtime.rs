//! A showtime: its parts, what they may be, and how they look in requests and answers.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use moviebooking_domain::{
    id::{HallId, MovieId, ShowtimeId, TheaterId},
    money::{Currency, Money},
};
use moviebooking_fields::{self as fields, Mask, time};
use moviebooking_proto::{Problem, movies::v1 as wire};

/// Advertisements and trailers before the movie: a showtime lasts as long as they and the movie together.
pub(crate) const ADVERTISEMENTS: SignedDuration = SignedDuration::from_mins(15);

/// As many as a layout has categories.
const MOST_PRICES: usize = 20;
const LONGEST_CATEGORY: usize = 50;
const LONGEST_FORMAT: usize = 20;

/// What an update can change.
pub(crate) const CHANGEABLE: &[&str] = &["prices", "sales_start_time", "sales_end_time", "format"];

/// A movie in a hall at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Showtime {
    pub(crate) id: ShowtimeId,
    pub(crate) movie_id: MovieId,
    pub(crate) movie_title: String,
    pub(crate) place: Place,
    pub(crate) slot: Slot,
    pub(crate) local_start: LocalStart,
    pub(crate) offer: Offer,
    pub(crate) cancelled_at: Option<Timestamp>,
    /// Whether reservations know of the cancellation.
    pub(crate) close_acknowledged: bool,
    pub(crate) create_time: Timestamp,
    pub(crate) update_time: Timestamp,
    pub(crate) version: i64,
}

/// Where it is shown, as it was at scheduling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) hall_id: HallId,
    pub(crate) hall_name: String,
    pub(crate) theater_id: TheaterId,
    pub(crate) theater_name: String,
    pub(crate) layout_version: i32,
    pub(crate) currency: Currency,
    /// IANA name.
    pub(crate) time_zone: String,
}

/// When a hall is in use for a showtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    /// The end and the cleaning after it: the next may start at this very moment.
    pub(crate) hall_free: Timestamp,
}

impl Slot {
    /// The slot of a movie; `None` when no calendar has its end. Both durations are in minutes.
    pub(crate) fn new(start: Timestamp, running_time: i32, cleaning: i32) -> Option<Self> {
        let end = start.checked_add(ADVERTISEMENTS).ok()?.checked_add(minutes(running_time)).ok()?;
        Some(Self { start, end, hall_free: end.checked_add(minutes(cleaning)).ok()? })
    }
}

fn minutes(minutes: i32) -> SignedDuration {
    SignedDuration::from_mins(i64::from(minutes))
}

/// The start where the theater is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LocalStart {
    /// `YYYY-MM-DDTHH:MM:SS+hh:mm`
    pub(crate) time: String,
    /// `YYYY-MM-DD`
    pub(crate) date: String,
}

impl LocalStart {
    /// # Errors
    /// When the time zone is not known.
    pub(crate) fn new(start: Timestamp, time_zone: &str) -> Result<Self, jiff::Error> {
        let local = start.to_zoned(TimeZone::get(time_zone)?);
        Ok(Self { time: local.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(), date: local.date().to_string() })
    }
}

/// What can be bought and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) prices: Vec<Price>,
    pub(crate) sales_start: Option<Timestamp>,
    pub(crate) sales_end: Option<Timestamp>,
    pub(crate) format: String,
}

/// The price of the seats of one category, in the theater's currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Price {
    pub(crate) category: String,
    /// In minor units.
    pub(crate) minor: i64,
}

impl Offer {
    /// The offer of a new showtime in a hall with these categories.
    pub(crate) fn read(
        showtime: &wire::Showtime,
        categories: &[String],
        currency: Currency,
    ) -> Result<Self, Problem> {
        let mut offer = Self::default();
        offer.change(showtime, &Mask::parse(None, CHANGEABLE)?, categories, currency)?;
        Ok(offer)
    }

    /// Takes the fields that the mask names from a request.
    pub(crate) fn change(
        &mut self,
        showtime: &wire::Showtime,
        mask: &Mask,
        categories: &[String],
        currency: Currency,
    ) -> Result<(), Problem> {
        if mask.has("prices") {
            self.prices = price_list(&showtime.prices, categories, currency)?;
        }
        if mask.has("sales_start_time") {
            self.sales_start =
                time::optional("showtime.sales_start_time", showtime.sales_start_time.as_ref())?;
        }
        if mask.has("sales_end_time") {
            self.sales_end = time::optional("showtime.sales_end_time", showtime.sales_end_time.as_ref())?;
        }
        if mask.has("format") {
            self.format = fields::text("showtime.format", &showtime.format, 0, LONGEST_FORMAT)?;
        }
        Ok(())
    }

    /// Whether seats can be sold at some time: latecomers until the show ends, but nobody after it.
    pub(crate) fn check_sales(&self, slot: &Slot) -> Result<(), Problem> {
        if self.sales_end.is_some_and(|end| end > slot.end) {
            let fix = format!("must not lie after the end of the show, {}", slot.end);
            return Err(Problem::invalid("showtime.sales_end_time", fix));
        }
        let end = self.sales_end.unwrap_or(slot.start);
        if self.sales_start.is_some_and(|start| start >= end) {
            let fix = format!("must lie before the sales end, {end}");
            return Err(Problem::invalid("showtime.sales_start_time", fix));
        }
        Ok(())
    }
}

/// One price for each category, in the order of the categories.
fn price_list(
    given: &[wire::CategoryPrice],
    categories: &[String],
    currency: Currency,
) -> Result<Vec<Price>, Problem> {
    fields::at_most("showtime.prices", given, MOST_PRICES)?;
    let mut priced: Vec<(usize, Price)> = Vec::with_capacity(given.len());
    for (index, entry) in given.iter().enumerate() {
        let field = format!("showtime.prices[{index}].category");
        let category = fields::text(&field, &entry.category, 1, LONGEST_CATEGORY)?;
        let Some(position) = categories.iter().position(|known| *known == category) else {
            return Err(Problem::invalid(
                field,
                format!("use a category of the hall: {}", categories.join(", ")),
            ));
        };
        if priced.iter().any(|(taken, _)| *taken == position) {
            return Err(Problem::invalid(field, "give one price for each category"));
        }
        let field = format!("showtime.prices[{index}].price");
        let price = fields::money(&field, entry.price.as_ref())?;
        if price.currency != currency {
            let fix = format!("use {currency}, the theater's currency");
            return Err(Problem::invalid(format!("{field}.currency_code"), fix));
        }
        priced.push((position, Price { category, minor: price.minor }));
    }
    let unpriced: Vec<&str> = categories
        .iter()
        .enumerate()
        .filter(|(position, _)| !priced.iter().any(|(taken, _)| taken == position))
        .map(|(_, category)| category.as_str())
        .collect();
    if !unpriced.is_empty() {
        return Err(Problem::invalid("showtime.prices", format!("give a price for {}", unpriced.join(", "))));
    }
    priced.sort_by_key(|(position, _)| *position);
    Ok(priced.into_iter().map(|(_, price)| price).collect())
}

impl From<Showtime> for wire::Showtime {
    fn from(showtime: Showtime) -> Self {
        let Showtime { place, slot, offer, .. } = showtime;
        let state = match showtime.cancelled_at {
            None => wire::ShowtimeState::Scheduled,
            Some(_) => wire::ShowtimeState::Cancelled,
        };
        let price = |price: Price| wire::CategoryPrice {
            category: price.category,
            price: Some(fields::to_money(Money::new(price.minor, place.currency))),
        };
        Self {
            id: showtime.id.to_string(),
            movie_id: showtime.movie_id.to_string(),
            hall_id: place.hall_id.to_string(),
            theater_id: place.theater_id.to_string(),
            layout_version: place.layout_version,
            start_time: Some(time::to_wire(slot.start)),
            end_time: Some(time::to_wire(slot.end)),
            local_start_time: showtime.local_start.time,
            time_zone: place.time_zone,
            prices: offer.prices.into_iter().map(price).collect(),
            sales_start_time: offer.sales_start.map(time::to_wire),
            sales_end_time: offer.sales_end.map(time::to_wire),
            state: state.into(),
            format: offer.format,
            movie_title: showtime.movie_title,
            theater_name: place.theater_name,
            hall_name: place.hall_name,
            create_time: Some(time::to_wire(showtime.create_time)),
            update_time: Some(time::to_wire(showtime.update_time)),
            etag: fields::to_etag(showtime.version),
        }
    }
}

#[cfg(test)]
mod tests {
    use moviebooking_proto::money::v1::Money as WireMoney;

    use super::*;

    fn price(category: &str, amount_minor: i64, currency: &str) -> wire::CategoryPrice {
        let price = WireMoney { amount_minor, currency_code: currency.to_owned() };
        wire::CategoryPrice { category: category.to_owned(), price: Some(price) }
    }

    fn read(given: &[wire::CategoryPrice]) -> Result<Vec<Price>, Problem> {
        price_list(given, &["standard".to_owned(), "premium".to_owned()], "EUR".parse().unwrap())
    }

    fn refused(given: &[wire::CategoryPrice]) -> String {
        read(given).unwrap_err().message().to_owned()
    }

    #[test]
    fn prices_stand_in_the_order_of_the_layout() {
        let prices = read(&[price("premium", 1_500, "EUR"), price("standard", 0, "EUR")]).unwrap();
        assert_eq!(
            prices.iter().map(|p| (p.category.as_str(), p.minor)).collect::<Vec<_>>(),
            [("standard", 0), ("premium", 1_500)]
        );
    }

    #[test]
    fn each_category_has_one_price_in_the_theaters_currency() {
        let standard = || price("standard", 900, "EUR");
        assert!(refused(&[]).contains("standard, premium"));
        assert!(refused(&[standard()]).ends_with("give a price for premium"));
        assert!(refused(&[standard(), standard()]).starts_with("showtime.prices[1].category: "));
        assert!(refused(&[price("balcony", 900, "EUR")]).starts_with("showtime.prices[0].category: "));
        assert!(
            refused(&[price("standard", -1, "EUR")]).starts_with("showtime.prices[0].price.amount_minor: ")
        );
        assert!(
            refused(&[price("standard", 9, "USD")])
                .starts_with("showtime.prices[0].price.currency_code: use EUR")
        );
        let free = wire::CategoryPrice { category: "standard".to_owned(), price: None };
        assert!(refused(&[free]).starts_with("showtime.prices[0].price: "));
    }

    #[test]
    fn a_sales_window_is_never_empty_nor_after_the_show() {
        let slot = Slot::new("2026-12-01T19:00:00Z".parse().unwrap(), 100, 20).unwrap();
        assert_eq!(slot.end, "2026-12-01T20:55:00Z".parse().unwrap());
        let check = |sales_start: Option<&str>, sales_end: Option<&str>| {
            let time = |text: Option<&str>| text.map(|text| text.parse().unwrap());
            Offer { sales_start: time(sales_start), sales_end: time(sales_end), ..Offer::default() }
                .check_sales(&slot)
        };
        assert!(check(None, None).is_ok());
        assert!(check(Some("2026-11-01T00:00:00Z"), Some("2026-12-01T20:55:00Z")).is_ok());
        assert!(check(None, Some("2026-12-01T20:55:01Z")).is_err());
        assert!(check(Some("2026-12-01T19:00:00Z"), None).is_err());
        assert!(check(Some("2026-12-01T18:00:00Z"), Some("2026-12-01T18:00:00Z")).is_err());
    }

    #[test]
    fn local_time_follows_the_clocks_of_the_place() {
        let local = |utc: &str, zone: &str| LocalStart::new(utc.parse().unwrap(), zone).unwrap().time;
        // The two sides of the end of summer time, and a date that differs from the one in UTC.
        assert_eq!(local("2026-10-25T00:30:00Z", "Europe/Berlin"), "2026-10-25T02:30:00+02:00");
        assert_eq!(local("2026-10-25T01:30:00Z", "Europe/Berlin"), "2026-10-25T02:30:00+01:00");
        assert_eq!(local("2026-12-01T03:00:00Z", "America/New_York"), "2026-11-30T22:00:00-05:00");
        assert_eq!(
            LocalStart::new("2026-12-01T03:00:00Z".parse().unwrap(), "America/New_York").unwrap().date,
            "2026-11-30"
        );
        assert!(LocalStart::new(Timestamp::UNIX_EPOCH, "Mars/Olympus").is_err());
    }

    #[test]
    fn time_zones_are_known_without_the_machines_help() {
        assert!(jiff::tz::TimeZoneDatabase::bundled().get("Australia/Lord_Howe").is_ok());
    }
}
