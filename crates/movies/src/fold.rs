//! Text without regard to case, for search and order.

use unicode_normalization::UnicodeNormalization as _;

/// The text without case, in whichever way its accents are encoded: "Straße" and "STRASSE" are one, "Ä" and "A" are not.
pub(crate) fn fold(text: &str) -> String {
    // Upper case first, because more than one small letter can belong to a capital: ß and ss, σ and ς.
    text.nfc().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_encoding_of_accents_make_no_difference() {
        for (one, other) in [
            ("AMÉLIE", "amélie"),
            ("Cafe\u{301}", "CAF\u{c9}"),
            ("Straße", "STRASSE"),
            ("ΟΔΥΣΣΕΥΣ", "Οδυσσευς"),
            ("Ёлки", "ЁЛКИ"),
        ] {
            assert_eq!(fold(one), fold(other));
        }
        assert_ne!(fold("Léon"), fold("Leon"));
    }

    #[test]
    fn folding_twice_changes_nothing() {
        for text in ["İstanbul", "ﬃ", "ᾷ", "ŉ", "Ǆ"] {
            assert_eq!(fold(&fold(text)), fold(text), "{text}");
        }
    }
}
