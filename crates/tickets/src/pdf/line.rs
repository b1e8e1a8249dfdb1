//! Sets one line of text: its pieces in the order in which they are seen, and how wide they are.

use krilla::text::{GlyphId, KrillaGlyph};
use rustybuzz::{Direction, UnicodeBuffer};
use unicode_bidi::{BidiInfo, Level};
use unifont::Glyph as Bitmap;

use super::face::{Face, Source, bitmap_width};

/// A part of a line, drawn in one way.
pub(super) struct Piece {
    /// What it says.
    pub(super) text: String,
    /// How far it moves the pen, in parts of the font's size.
    pub(super) width: f32,
    pub(super) drawing: Drawing,
}

/// How a piece is drawn.
pub(super) enum Drawing {
    Glyphs(Vec<KrillaGlyph>),
    Bitmaps(Vec<&'static Bitmap>),
}

/// The pieces of a line from left to right.
pub(super) fn set(face: &Face, line: &str) -> Vec<Piece> {
    let bidi = BidiInfo::new(line, None);
    let mut pieces = Vec::new();
    for paragraph in &bidi.paragraphs {
        let (levels, runs) = bidi.visual_runs(paragraph, paragraph.range.clone());
        for run in runs {
            let rightwards = levels.get(run.start).is_none_or(Level::is_ltr);
            let mut parts = split(face, line.get(run).unwrap_or_default());
            if !rightwards {
                parts.reverse();
            }
            pieces.extend(parts.into_iter().map(|part| part.set(face, rightwards)));
        }
    }
    pieces
}

/// Text that one font draws.
struct Part {
    text: String,
    bitmaps: Vec<&'static Bitmap>,
}

/// Splits a text where the font changes. What no font has is replaced.
fn split(face: &Face, text: &str) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for c in text.chars() {
        let (shown, bitmap) = match face.source(c) {
            Source::Font(shown) => (shown, None),
            Source::Bitmap(bitmap) => (c, Some(bitmap)),
        };
        match parts.last_mut() {
            Some(part) if part.bitmaps.is_empty() == bitmap.is_none() => {
                part.text.push(shown);
                part.bitmaps.extend(bitmap);
            }
            _ => parts.push(Part { text: shown.to_string(), bitmaps: bitmap.into_iter().collect() }),
        }
    }
    parts
}

impl Part {
    fn set(mut self, face: &Face, rightwards: bool) -> Piece {
        if self.bitmaps.is_empty() {
            let glyphs = shape(face, &self.text, rightwards);
            let width = glyphs.iter().map(|glyph| glyph.x_advance).sum();
            return Piece { text: self.text, width, drawing: Drawing::Glyphs(glyphs) };
        }
        if !rightwards {
            self.bitmaps.reverse();
        }
        let width = self.bitmaps.iter().map(|bitmap| bitmap_width(bitmap)).sum();
        Piece { text: self.text, width, drawing: Drawing::Bitmaps(self.bitmaps) }
    }
}

/// The glyphs of a text of one direction, with its ligatures, joined letters and placed marks.
fn shape(face: &Face, text: &str, rightwards: bool) -> Vec<KrillaGlyph> {
    let mut buffer = UnicodeBuffer::new();
    buffer.push_str(text);
    buffer.guess_segment_properties();
    buffer.set_direction(if rightwards { Direction::LeftToRight } else { Direction::RightToLeft });
    let shaped = rustybuzz::shape(&face.shaper, &[], buffer);
    let start_of = |cluster: u32| usize::try_from(cluster).unwrap_or(text.len());
    let mut starts: Vec<usize> = shaped.glyph_infos().iter().map(|info| start_of(info.cluster)).collect();
    starts.sort_unstable();
    let glyphs = shaped.glyph_infos().iter().zip(shaped.glyph_positions());
    glyphs
        .map(|(info, position)| {
            let start = start_of(info.cluster);
            let after = starts.partition_point(|other| *other <= start);
            let end = starts.get(after).copied().unwrap_or(text.len());
            KrillaGlyph::new(
                GlyphId::new(info.glyph_id),
                face.em(position.x_advance),
                face.em(position.x_offset),
                face.em(position.y_offset),
                face.em(position.y_advance),
                start..end,
                None,
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{super::face::Weight, *};

    fn pieces(line: &str) -> Vec<(String, bool)> {
        let set = set(Face::of(Weight::Regular), line);
        set.into_iter().map(|piece| (piece.text, matches!(piece.drawing, Drawing::Bitmaps(_)))).collect()
    }

    #[test]
    fn what_the_font_lacks_is_drawn_in_pixels() {
        assert_eq!(
            pieces("Kino 千と千尋 2001"),
            [("Kino ".to_owned(), false), ("千と千尋".to_owned(), true), (" 2001".to_owned(), false)]
        );
    }

    #[test]
    fn what_nobody_has_is_replaced() {
        assert_eq!(pieces("a\u{1f3ac}b"), [("a\u{fffd}b".to_owned(), false)]);
    }

    #[test]
    fn text_from_right_to_left_is_put_in_the_order_in_which_it_is_seen() {
        let seen: Vec<String> = pieces("שלום 42 abc").into_iter().map(|(text, _)| text).collect();
        assert_eq!(seen, ["abc", " ", "42", "שלום "]);
    }

    #[test]
    fn letters_are_joined_and_marks_take_no_room() {
        let face = Face::of(Weight::Regular);
        let width = |line| set(face, line).iter().map(|piece| piece.width).sum::<f32>();
        assert!((width("e\u{301}") - width("e")).abs() < 0.001);
        let alone: f32 = "سلام".chars().map(|c| face.advance(c)).sum();
        assert!(width("سلام") < alone, "joined forms are narrower");
    }
}
