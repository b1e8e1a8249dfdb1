//! Which passwords are taken (NIST SP 800-63B, section 5.1.1.2: length and known bad ones, no rules of composition).

use std::{collections::HashSet, sync::LazyLock};

use moviebooking_proto::Problem;
use secrecy::{ExposeSecret as _, SecretString};

use crate::email::Email;

const SHORTEST: usize = 10;
const LONGEST: usize = 128;

/// Passwords of ten and more characters that everybody tries first, in lower case.
static WELL_KNOWN: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| include_str!("well_known_passwords.txt").lines().collect());

/// A password that somebody signs in with: of any form that one was ever allowed to have.
pub(crate) fn presented(field: &str, value: String) -> Result<SecretString, Problem> {
    match value.chars().take(LONGEST + 1).count() {
        0 => Err(Problem::invalid(field, "give the password")),
        n if n > LONGEST => Err(too_long(field)),
        _ => Ok(SecretString::from(value)),
    }
}

/// Refuses a password that the owner of this address should not choose.
pub(crate) fn check_new(field: &str, password: &SecretString, email: &Email) -> Result<(), Problem> {
    let password = password.expose_secret();
    let folded = password.trim().to_lowercase();
    let first = folded.chars().next();
    match password.chars().take(LONGEST + 1).count() {
        n if n < SHORTEST => Err(Problem::invalid(field, format!("use at least {SHORTEST} characters"))),
        n if n > LONGEST => Err(too_long(field)),
        _ if folded == email.folded() => Err(Problem::invalid(field, "use something else than the e-mail")),
        _ if WELL_KNOWN.contains(folded.as_str()) || folded.chars().all(|c| Some(c) == first) => {
            Err(Problem::invalid(field, "use one that is harder to guess: this one is well known"))
        }
        _ => Ok(()),
    }
}

fn too_long(field: &str) -> Problem {
    Problem::invalid(field, format!("use at most {LONGEST} characters"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(password: &str) -> Result<(), Problem> {
        let email = Email::parse("email", "Ann.Lee@example.org").unwrap();
        check_new("password", &SecretString::from(password), &email)
    }

    #[test]
    fn length_is_counted_in_characters() {
        assert!(check("ÄÖÜäöüßéè").is_err());
        assert!(check("ÄÖÜäöüßéèê").is_ok());
        assert!(check(&"äö".repeat(64)).is_ok());
        assert!(check(&"äö".repeat(65)).is_err());
        assert!(presented("password", "ä".repeat(128)).is_ok());
        assert!(presented("password", "ä".repeat(129)).is_err());
        assert!(presented("password", String::new()).is_err());
    }

    #[test]
    fn guessable_ones_are_refused() {
        for bad in
            ["Password123", "1234567890", "QWERTYUIOP", "aaaaaaaaaaaa", "ann.lee@EXAMPLE.org", "          "]
        {
            assert!(check(bad).is_err(), "{bad}");
        }
        assert!(check("correct horse battery").is_ok());
    }

    #[test]
    fn the_list_is_in_the_form_that_it_is_searched_for() {
        for known in WELL_KNOWN.iter() {
            assert!(known.chars().count() >= SHORTEST && *known == known.trim().to_lowercase(), "{known}");
        }
    }
}
