//! E-mail addresses: checked for their form, compared without regard to case.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use moviebooking_proto::Problem;
use sha2::{Digest as _, Sha256};

/// The longest address that mail can be sent to (RFC 5321, section 4.5.3.1.3, without the angle brackets).
const LONGEST: usize = 254;
const LONGEST_LOCAL_PART: usize = 64;

/// An e-mail address of the right form. Whether mail arrives there is not known.
#[derive(Clone)]
pub(crate) struct Email {
    given: String,
    folded: String,
}

impl Email {
    /// Reads an address; white space around it is not part of it.
    pub(crate) fn parse(field: &str, value: &str) -> Result<Self, Problem> {
        let given = moviebooking_fields::text(field, value, 1, LONGEST)?;
        if !well_formed(&given) {
            return Err(Problem::invalid(field, "use an e-mail address such as ann@example.org"));
        }
        let folded = given.to_lowercase();
        Ok(Self { given, folded })
    }

    /// An address from the database, with the form in which it was made unique.
    pub(crate) fn stored(given: String, folded: String) -> Self {
        Self { given, folded }
    }

    /// As its owner writes it.
    pub(crate) fn given(&self) -> &str {
        &self.given
    }

    /// As it is compared.
    pub(crate) fn folded(&self) -> &str {
        &self.folded
    }

    /// A name for the address in tables that should not hold it in plain text.
    pub(crate) fn digest(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(&self.folded))
    }
}

/// Two addresses that differ in case alone are the same.
impl PartialEq for Email {
    fn eq(&self, other: &Self) -> bool {
        self.folded == other.folded
    }
}

/// Shows nothing: addresses stay out of logs.
impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email")
    }
}

fn well_formed(address: &str) -> bool {
    let Some((local, domain)) = address.split_once('@') else { return false };
    let labels = || domain.split('.');
    let real_domain = labels().count() > 1 && labels().all(|label| !label.is_empty());
    !local.is_empty()
        && local.chars().count() <= LONGEST_LOCAL_PART
        && !domain.contains('@')
        && !address.contains(char::is_whitespace)
        && (real_domain || domain.eq_ignore_ascii_case("localhost"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_space_around_make_no_difference() {
        let email = Email::parse("email", "  Ann@Example.ORG ").unwrap();
        assert_eq!(email.given(), "Ann@Example.ORG");
        assert_eq!(email, Email::parse("email", "ann@example.org").unwrap());
        assert_eq!(email.digest(), Email::parse("email", "ANN@example.org").unwrap().digest());
        assert_ne!(email, Email::parse("email", "ann@example.com").unwrap());
    }

    #[test]
    fn only_addresses_pass() {
        for good in
            ["a@b.c", "root@localhost", "ann+tag@mail.example.org", "jörg@münchen.example", "o'hara@x.ie"]
        {
            assert!(Email::parse("email", good).is_ok(), "{good}");
        }
        let (long_local, long_domain) =
            (format!("{}@b.c", "a".repeat(65)), format!("a@{}.c", "b".repeat(251)));
        for bad in [
            "",
            "  ",
            "ann",
            "ann@",
            "@b.c",
            "ann@b",
            "ann@b.",
            "ann@.b",
            "a@b..c",
            "a b@c.d",
            "a@b@c.d",
            "a\0@b.c",
            "a@b.c\nx",
            "a\u{a0}b@c.d",
            &long_local,
            &long_domain,
        ] {
            let problem = Email::parse("user.email", bad).unwrap_err();
            assert!(problem.message().starts_with("user.email: "), "{bad:?}");
        }
    }

    #[test]
    fn an_address_is_not_shown() {
        assert_eq!(format!("{:?}", Email::parse("email", "ann@example.org").unwrap()), "Email");
    }
}
