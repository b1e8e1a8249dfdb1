//! Reads the fields of requests into domain values; every refusal names the field and the fix.
//!
//! And the way back: domain values into fields of answers.

pub mod layout;
pub mod mask;
pub mod page;
pub mod refund;
pub mod time;

use jiff::civil::Date;
use moviebooking_domain::money::Money;
use moviebooking_proto::{Problem, money::v1 as wire};
use uuid::Uuid;

pub use mask::Mask;
pub use page::Page;

/// A required id. `field` is its path in the request: `showtime_id`.
pub fn id<T: From<Uuid>>(field: &str, value: &str) -> Result<T, Problem> {
    match value {
        "" => Err(Problem::invalid(field, "give the id")),
        _ => Uuid::try_parse(value)
            .map(T::from)
            .map_err(|_| Problem::invalid(field, "use an id as the platform gave it, a UUID")),
    }
}

/// An optional id: empty means none.
pub fn optional_id<T: From<Uuid>>(field: &str, value: &str) -> Result<Option<T>, Problem> {
    if value.is_empty() { Ok(None) } else { id(field, value).map(Some) }
}

/// A text of `least..=most` characters without control characters (line breaks only in [`long_text`]). White space
/// around it is not part of it.
pub fn text(field: &str, value: &str, least: usize, most: usize) -> Result<String, Problem> {
    bounded(field, value, least, most, |c| c.is_control())
}

/// Like [`text`], but it may have line breaks and tabs.
pub fn long_text(field: &str, value: &str, least: usize, most: usize) -> Result<String, Problem> {
    bounded(field, value, least, most, |c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
}

fn bounded(
    field: &str,
    value: &str,
    least: usize,
    most: usize,
    refused: impl Fn(char) -> bool,
) -> Result<String, Problem> {
    let value = value.trim();
    if value.chars().any(refused) {
        return Err(Problem::invalid(field, "leave out control characters"));
    }
    match value.chars().take(most.saturating_add(1)).count() {
        0 if least > 0 => Err(Problem::invalid(field, "must not be empty")),
        n if n < least => Err(Problem::invalid(field, format!("use at least {least} characters"))),
        n if n > most => Err(Problem::invalid(field, format!("use at most {most} characters"))),
        _ => Ok(value.to_owned()),
    }
}

/// A number from `least` to `most`.
pub fn number(field: &str, value: i32, least: i32, most: i32) -> Result<i32, Problem> {
    if (least..=most).contains(&value) {
        Ok(value)
    } else {
        Err(Problem::invalid(field, format!("use a number from {least} to {most}")))
    }
}

/// A list of at most `most` elements.
pub fn at_most<T>(field: &str, list: &[T], most: usize) -> Result<(), Problem> {
    if list.len() > most { Err(Problem::invalid(field, format!("give at most {most}"))) } else { Ok(()) }
}

/// An optional date, `YYYY-MM-DD`: empty means none.
pub fn optional_date(field: &str, value: &str) -> Result<Option<Date>, Problem> {
    if value.is_empty() {
        return Ok(None);
    }
    let refused = || Problem::invalid(field, "use a date that exists, written YYYY-MM-DD");
    // The parser also takes other forms of ISO 8601; one way to write a date is enough.
    let well_formed = value.len() == 10 && value.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    let date: Date = value.parse().map_err(|_| refused())?;
    if well_formed { Ok(Some(date)) } else { Err(refused()) }
}

/// A required amount of money of zero or more.
pub fn money(field: &str, value: Option<&wire::Money>) -> Result<Money, Problem> {
    let value = value.ok_or_else(|| Problem::invalid(field, "give the amount"))?;
    let currency =
        value.currency_code.parse().map_err(|error: moviebooking_domain::money::InvalidCurrency| {
            Problem::invalid(format!("{field}.currency_code"), error.to_string())
        })?;
    if !(0..=MOST_MINOR_UNITS).contains(&value.amount_minor) {
        return Err(Problem::invalid(
            format!("{field}.amount_minor"),
            format!("use 0 to {MOST_MINOR_UNITS} minor units"),
        ));
    }
    Ok(Money::new(value.amount_minor, currency))
}

/// The largest amount that a request may name, so that sums of a few thousand never overflow.
pub const MOST_MINOR_UNITS: i64 = 1_000_000_000_000;

/// An amount for an answer.
pub fn to_money(money: Money) -> wire::Money {
    wire::Money { amount_minor: money.minor, currency_code: money.currency.to_string() }
}

/// Checks an etag (AIP-154): empty means the caller does not care.
pub fn etag(given: &str, current_version: i64) -> Result<(), Problem> {
    if given.is_empty() || given == to_etag(current_version) {
        return Ok(());
    }
    Err(Problem::new(
        moviebooking_proto::Reason::EtagMismatch,
        "It was changed since you read it: read it again and repeat the change.",
    )
    .field("etag", "use the etag of the newest version"))
}

/// The etag of a version.
pub fn to_etag(version: i64) -> String {
    version.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_counted_in_characters() {
        assert_eq!(text("title", " ÄÖÜ ", 1, 3).unwrap(), "ÄÖÜ");
        assert!(text("title", "ÄÖÜß", 1, 3).is_err());
        assert!(text("title", "   ", 1, 3).is_err());
        assert!(text("title", "a\0b", 1, 3).is_err());
        assert!(text("title", "a\nb", 1, 3).is_err());
        assert!(long_text("synopsis", "a\nb", 1, 3).is_ok());
    }

    #[test]
    fn only_dates_that_exist_pass() {
        assert_eq!(optional_date("d", "2024-02-29").unwrap(), Some(Date::constant(2024, 2, 29)));
        assert_eq!(optional_date("d", "").unwrap(), None);
        for bad in ["2026-02-29", "2026-2-1", "20260201", "2026-02-01T00:00", "-002026-02-01", "tomorrow"] {
            assert!(optional_date("d", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_id_says_which_field_is_wrong() {
        let problem = id::<Uuid>("hall_id", "12").unwrap_err();
        assert!(problem.message().starts_with("hall_id: "));
    }
}
