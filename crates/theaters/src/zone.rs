//! The time zones that a theater can be in.

use std::sync::LazyLock;

use jiff::tz::TimeZoneDatabase;
use moviebooking_proto::Problem;

/// The IANA database that is built in: which names are known does not depend on the machine.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// Reads the name of a time zone, in any case of letters, and gives it as the IANA database writes it.
///
/// # Errors
/// `INVALID_ARGUMENT` for what is no such name: an offset, an abbreviation that is none of its names, nothing.
pub(crate) fn name(field: &str, value: &str) -> Result<String, Problem> {
    let zone = ZONES.get(value).ok().filter(|zone| !zone.is_unknown());
    zone.as_ref().and_then(|zone| zone.iana_name()).map(str::to_owned).ok_or_else(|| {
        Problem::invalid(field, "use a name of the IANA time zone database, such as Europe/Berlin")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_without_the_machines_database() {
        for (given, known) in [
            ("Europe/Berlin", "Europe/Berlin"),
            ("america/new_york", "America/New_York"),
            ("Asia/Kolkata", "Asia/Kolkata"),
            ("UTC", "UTC"),
        ] {
            assert_eq!(name("tz", given).unwrap(), known);
        }
    }

    #[test]
    fn what_is_no_name_is_refused_with_the_fix() {
        for given in [
            "",
            " ",
            "UTC+1",
            "+01:00",
            "Europe",
            "Europe/Atlantis",
            "Etc/Unknown",
            "../etc/passwd",
            "a\0b",
            "CET-1CEST",
        ] {
            let problem = name("theater.time_zone", given).unwrap_err();
            assert!(problem.message().starts_with("theater.time_zone: use a name"), "{given:?}");
        }
    }
}
