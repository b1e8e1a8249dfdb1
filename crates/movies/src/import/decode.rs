//! Text that was written in one encoding and read in another.

use std::borrow::Cow;

/// Bytes of a file that are not UTF-8 stand in its text as characters from here on, of the private use area, until the
/// row that they are in is read.
const STRAY_BYTES: u32 = 0xF700;

/// 0x80 to 0x9F of Windows-1252; above, it is Latin-1. The replacement character stands for the five that are not used.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{FFFD}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{FFFD}', 'Ž',
    '\u{FFFD}', //
    '\u{FFFD}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{FFFD}', 'ž', 'Ÿ',
];

/// 0x80 to 0xFF of Mac Roman.
const MAC_ROMAN: [char; 128] = [
    'Ä', 'Å', 'Ç', 'É', 'Ñ', 'Ö', 'Ü', 'á', 'à', 'â', 'ä', 'ã', 'å', 'ç', 'é', 'è', //
    'ê', 'ë', 'í', 'ì', 'î', 'ï', 'ñ', 'ó', 'ò', 'ô', 'ö', 'õ', 'ú', 'ù', 'û', 'ü', //
    '†', '°', '¢', '£', '§', '•', '¶', 'ß', '®', '©', '™', '´', '¨', '≠', 'Æ', 'Ø', //
    '∞', '±', '≤', '≥', '¥', 'µ', '∂', '∑', '∏', 'π', '∫', 'ª', 'º', 'Ω', 'æ', 'ø', //
    '¿', '¡', '¬', '√', 'ƒ', '≈', '∆', '«', '»', '…', '\u{A0}', 'À', 'Ã', 'Õ', 'Œ', 'œ', //
    '–', '—', '“', '”', '‘', '’', '÷', '◊', 'ÿ', 'Ÿ', '⁄', '€', '‹', '›', 'ﬁ', 'ﬂ', //
    '‡', '·', '‚', '„', '‰', 'Â', 'Ê', 'Á', 'Ë', 'È', 'Í', 'Î', 'Ï', 'Ì', 'Ó', 'Ô', //
    '\u{F8FF}', 'Ò', 'Ú', 'Û', 'Ù', 'ı', 'ˆ', '˜', '¯', '˘', '˙', '˚', '¸', '˝', '˛', 'ˇ',
];

/// The text of a file, without byte order mark; bytes that are not UTF-8 are kept for [`stray_bytes`].
pub(super) fn text(file: &[u8]) -> Cow<'_, str> {
    let file = file.strip_prefix("\u{FEFF}".as_bytes()).unwrap_or(file);
    match std::str::from_utf8(file) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => file
            .utf8_chunks()
            .fold(String::with_capacity(file.len()), |mut text, chunk| {
                text.push_str(chunk.valid());
                text.extend(
                    chunk.invalid().iter().filter_map(|byte| char::from_u32(STRAY_BYTES + u32::from(*byte))),
                );
                text
            })
            .into(),
    }
}

/// The text with its stray bytes read as Windows-1252, if it has any.
pub(super) fn stray_bytes(text: &str) -> Option<String> {
    let stray = |c: char| u32::from(c).checked_sub(STRAY_BYTES).and_then(|byte| u8::try_from(byte).ok());
    text.contains(|c| stray(c).is_some())
        .then(|| text.chars().map(|c| stray(c).map_or(c, from_windows_1252)).collect())
}

/// What was written as UTF-8 and read as Windows-1252: `Ã©` for `é`. Text that means what it says is as good as never
/// valid UTF-8 in that encoding.
pub(super) fn utf8_read_as_windows_1252(text: &str) -> Option<String> {
    let bytes = text.chars().map(to_windows_1252).collect::<Option<Vec<u8>>>()?;
    String::from_utf8(bytes).ok().filter(|decoded| decoded != text)
}

/// What was written as Windows-1252 and read as Mac Roman: `È` for `é`. Both are ordinary characters, so it is taken for
/// that only where every one of them stands where it hardly could: a capital or a sign inside a word, `Ω` after a digit,
/// `Ö` as a word.
pub(super) fn windows_1252_read_as_mac_roman(text: &str) -> Option<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut decoded = String::with_capacity(text.len());
    for (at, c) in chars.iter().copied().enumerate() {
        if c.is_ascii() {
            decoded.push(c);
            continue;
        }
        let meant = from_windows_1252(to_mac_roman(c)?);
        let before = at.checked_sub(1).and_then(|at| chars.get(at)).copied();
        if meant != c && !misplaced(before, c, chars.get(at + 1).copied(), meant) {
            return None;
        }
        decoded.push(meant);
    }
    (decoded != text).then_some(decoded)
}

/// Whether `c` hardly stands where it does, and `meant` well could.
fn misplaced(before: Option<char>, c: char, after: Option<char>, meant: char) -> bool {
    match meant {
        // `l·l` is Catalan.
        'à'..='ÿ' => {
            before.is_some_and(char::is_alphabetic)
                && !c.is_lowercase()
                && !(c == '·' && before == Some('l') && after == Some('l'))
                && (before.is_some_and(char::is_lowercase)
                    || after.is_some_and(|after| !after.is_uppercase()))
        }
        '½' | '¾' => before.is_some_and(|before| before.is_ascii_digit()),
        '…' => before == Some(' ') && after == Some(' '),
        _ => false,
    }
}

fn from_windows_1252(byte: u8) -> char {
    match byte {
        0x80..=0x9F => WINDOWS_1252[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

/// Decoders leave the five unused bytes as the control characters of the same number, so these are taken back.
fn to_windows_1252(c: char) -> Option<u8> {
    match WINDOWS_1252.iter().position(|known| *known == c && c != '\u{FFFD}') {
        Some(at) => u8::try_from(0x80 + at).ok(),
        None => u8::try_from(u32::from(c)).ok(),
    }
}

fn to_mac_roman(c: char) -> Option<u8> {
    MAC_ROMAN.iter().position(|known| *known == c).and_then(|at| u8::try_from(0x80 + at).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn mac_roman_is_undone() {
        for (broken, meant) in [
            ("AstÈrix aux Jeux Olympiques", "Astérix aux Jeux Olympiques"),
            ("De battre mon coeur s'est arrÍtÈ", "De battre mon coeur s'est arrêté"),
            ("Per qualche dollaro in pi˘", "Per qualche dollaro in più"),
            ("I Love You Ö Don't Touch Me!", "I Love You … Don't Touch Me!"),
            ("The Naked Gun 2Ω: The Smell of Fear", "The Naked Gun 2½: The Smell of Fear"),
            ("LÈon", "Léon"),
            ("Die F‰lscher", "Die Fälscher"),
            ("DÈj‡ Vu", "Déjà Vu"),
            ("Obsluhoval jsem anglickÈho kr·le", "Obsluhoval jsem anglického krále"),
        ] {
            assert_eq!(windows_1252_read_as_mac_roman(broken).as_deref(), Some(meant));
        }
    }

    #[test]
    fn text_that_means_what_it_says_stays() {
        for text in [
            "Alien³",
            "Ri¢hie Ri¢h",
            "Léon",
            "LÉON",
            "LÈON",
            "È arrivato",
            "Così È",
            "Don’t…",
            "Col·lecció",
            "Ö",
            "Åke & Ärla",
            "Word™",
            "¡Ay!",
            "Pokémon®",
            "„Heimat“",
            "2º",
            "東京物語",
            "Ёлки",
            "Garçon",
            "Naïve",
            "Crème brûlée",
        ] {
            assert_eq!(windows_1252_read_as_mac_roman(text), None, "{text}");
            assert_eq!(utf8_read_as_windows_1252(text), None, "{text}");
        }
    }

    #[test]
    fn utf_8_is_undone() {
        assert_eq!(utf8_read_as_windows_1252("AmÃ©lie â€“ â‚¬").as_deref(), Some("Amélie – €"));
        assert_eq!(utf8_read_as_windows_1252("Ã\u{81}").as_deref(), Some("Á"));
    }

    #[test]
    fn stray_bytes_are_windows_1252() {
        let text = text(b"\xEF\xBB\xBFL\xE9on \x93x\x94 \x81");
        assert_eq!(stray_bytes(&text).as_deref(), Some("Léon “x” \u{FFFD}"));
        assert_eq!(stray_bytes("Léon"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_are_lost_or_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let text = text(&bytes);
            prop_assert_eq!(std::str::from_utf8(&bytes).is_err(), stray_bytes(&text).is_some());
            let _ = (utf8_read_as_windows_1252(&text), windows_1252_read_as_mac_roman(&text));
        }
    }
}
