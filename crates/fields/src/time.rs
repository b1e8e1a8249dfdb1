//! Instants in requests and answers.

use jiff::Timestamp;
use moviebooking_proto::Problem;

/// The years that a request may name: enough for every cinema, and within what every database stores.
const YEARS: std::ops::RangeInclusive<i16> = 1900..=2200;

/// An optional instant, cut to microseconds as the databases keep it.
pub fn optional(field: &str, value: Option<&prost_types::Timestamp>) -> Result<Option<Timestamp>, Problem> {
    let Some(value) = value else { return Ok(None) };
    let refused = || {
        Problem::invalid(field, "use an instant such as 2026-11-22T20:15:00Z, from the years 1900 to 2200")
    };
    let micros = value
        .seconds
        .checked_mul(1_000_000)
        .and_then(|micros| micros.checked_add(i64::from(value.nanos / 1_000)))
        .ok_or_else(refused)?;
    let time = Timestamp::from_microsecond(micros).map_err(|_| refused())?;
    if YEARS.contains(&time.to_zoned(jiff::tz::TimeZone::UTC).year()) {
        Ok(Some(time))
    } else {
        Err(refused())
    }
}

/// A required instant.
pub fn required(field: &str, value: Option<&prost_types::Timestamp>) -> Result<Timestamp, Problem> {
    optional(field, value)?
        .ok_or_else(|| Problem::invalid(field, "give the time, such as 2026-11-22T20:15:00Z"))
}

/// An instant for an answer.
pub fn to_wire(time: Timestamp) -> prost_types::Timestamp {
    let micros = time.as_microsecond();
    let nanos = i32::try_from(micros.rem_euclid(1_000_000) * 1_000).unwrap_or(0);
    prost_types::Timestamp { seconds: micros.div_euclid(1_000_000), nanos }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_comes_back_as_it_went() {
        for text in ["1969-12-31T23:59:59.999999Z", "2026-11-22T20:15:00Z", "1900-01-01T00:00:00Z"] {
            let time: Timestamp = text.parse().unwrap();
            assert_eq!(required("t", Some(&to_wire(time))).unwrap(), time);
        }
    }

    #[test]
    fn what_no_calendar_has_is_refused() {
        for (seconds, nanos) in
            [(i64::MAX, 0), (i64::MIN, 0), (253_402_300_799, 0), (0, i32::MIN), (-62_135_596_800, 0)]
        {
            let outcome = optional("t", Some(&prost_types::Timestamp { seconds, nanos }));
            assert!(outcome.is_err() || seconds == 0, "{seconds} {nanos}: {outcome:?}");
        }
    }
}
