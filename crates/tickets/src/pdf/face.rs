//! The fonts of a printed ticket, which come with crates and are part of the program.
//!
//! - DejaVu Sans 2.37, regular and bold (crate `dejavu`): Latin, Greek, Cyrillic, Armenian, Georgian, Hebrew, Arabic
//!   and many symbols. Licence: Bitstream Vera and Arev, with DejaVu's changes in the public domain; free to embed.
//! - GNU Unifont 15.1 (crate `unifont`): for what DejaVu lacks, above all Chinese, Japanese and Korean; every
//!   character of the Basic Multilingual Plane, in 16 pixels. Licence: SIL Open Font License 1.1 (or GPL 2 or later with
//!   the font embedding exception). Its pixels are drawn as squares, which cannot be searched for; the document's title
//!   can.
//!
//! What neither has, emoji for one, is shown as U+FFFD.

use std::sync::LazyLock;

use krilla::text::Font;
use rustybuzz::{Face as Shaper, ttf_parser::GlyphId};
use unifont::Glyph as Bitmap;

/// How heavy the letters are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    Regular,
    Bold,
}

/// One font, to be measured, shaped and embedded.
pub(super) struct Face {
    pub(super) font: Font,
    pub(super) shaper: Shaper<'static>,
}

/// What draws a character.
#[derive(Clone, Copy)]
pub(super) enum Source {
    Font(char),
    Bitmap(&'static Bitmap),
}

static REGULAR: LazyLock<Face> = LazyLock::new(|| Face::embedded(dejavu::sans::regular()));
static BOLD: LazyLock<Face> = LazyLock::new(|| Face::embedded(dejavu::sans::bold()));

impl Face {
    pub(super) fn of(weight: Weight) -> &'static Self {
        match weight {
            Weight::Regular => &REGULAR,
            Weight::Bold => &BOLD,
        }
    }

    #[expect(
        clippy::expect_used,
        reason = "the font is part of the program, and each test that prints reads it"
    )]
    fn embedded(bytes: &'static [u8]) -> Self {
        let shaper = Shaper::from_slice(bytes, 0).expect("the embedded font is one");
        let font = Font::new(bytes.into(), 0).expect("the embedded font is one");
        Self { font, shaper }
    }

    /// What draws this character.
    pub(super) fn source(&self, c: char) -> Source {
        if is_invisible(c) || self.shaper.glyph_index(c).is_some() {
            return Source::Font(c);
        }
        unifont::get_glyph(c).map_or(Source::Font(char::REPLACEMENT_CHARACTER), Source::Bitmap)
    }

    /// How far a character moves the pen on its own, in parts of the font's size: what lines are broken by. Shaping may
    /// change it a little.
    pub(super) fn advance(&self, c: char) -> f32 {
        match self.source(c) {
            Source::Bitmap(bitmap) => bitmap_width(bitmap),
            Source::Font(c) if is_invisible(c) => 0.0,
            Source::Font(c) => {
                let glyph = self.shaper.glyph_index(c).unwrap_or(GlyphId(0));
                self.em(i32::from(self.shaper.glyph_hor_advance(glyph).unwrap_or_default()))
            }
        }
    }

    /// Font units as parts of the font's size.
    pub(super) fn em(&self, units: i32) -> f32 {
        units as f32 / self.shaper.units_per_em() as f32
    }
}

/// Width of a bitmap in parts of its size.
pub(super) fn bitmap_width(bitmap: &Bitmap) -> f32 {
    if bitmap.is_fullwidth() { 1.0 } else { 0.5 }
}

/// Characters that shape or order the text around them and show nothing (part of Unicode's
/// Default_Ignorable_Code_Point): the shaper takes care of them, and Unifont would draw them as boxes.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
}
