//! Fits a text into a box: breaks it into lines, in smaller letters if need be, and cuts it when even that does not do.

use super::face::{Face, Weight};

/// From one line to the next, in parts of the size.
pub(super) const LINE_HEIGHT: f32 = 1.22;
/// How much smaller each attempt is, in points.
const STEP: f32 = 0.5;
const ELLIPSIS: char = '…';

/// How a text is set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) weight: Weight,
    /// The size in points that is tried first.
    pub(super) largest: f32,
    /// The size in points at which the text is cut.
    pub(super) smallest: f32,
}

/// Lines that fit.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lines {
    /// In points.
    pub(super) size: f32,
    pub(super) lines: Vec<String>,
}

/// A word and how far each of its characters moves the pen at size 1.
struct Word {
    letters: Vec<(char, f32)>,
    width: f32,
}

/// The lines of a text that fit into `width` and `height` points.
pub(super) fn fit(text: &str, width: f32, height: f32, style: Style) -> Lines {
    let face = Face::of(style.weight);
    let words: Vec<Word> = text.split_whitespace().map(|word| measure(face, word)).collect();
    let space = face.advance(' ');
    let mut size = style.largest;
    loop {
        let mut lines = wrap(&words, space, width / size);
        let most = most_lines(height, size);
        if lines.len() <= most {
            return Lines { size, lines };
        }
        if size <= style.smallest {
            lines.truncate(most);
            if let Some(last) = lines.last_mut() {
                shorten(face, last, width / size);
            }
            return Lines { size, lines };
        }
        size = (size - STEP).max(style.smallest);
    }
}

/// How many lines of this size fit into the height: always one.
fn most_lines(height: f32, size: f32) -> usize {
    let mut most = 1;
    let mut used = 2.0 * LINE_HEIGHT * size;
    while used <= height {
        most += 1;
        used += LINE_HEIGHT * size;
    }
    most
}

fn measure(face: &Face, word: &str) -> Word {
    let letters: Vec<(char, f32)> = word.chars().map(|c| (c, face.advance(c))).collect();
    Word { width: letters.iter().map(|(_, advance)| advance).sum(), letters }
}

fn wrap(words: &[Word], space: f32, width: f32) -> Vec<String> {
    let mut lines = Vec::new();
    let (mut line, mut used) = (String::new(), 0.0);
    for word in words {
        if !line.is_empty() && used + space + word.width <= width {
            line.push(' ');
            used += space;
        } else if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
            used = 0.0;
        }
        for &(letter, advance) in &word.letters {
            // A word that is longer than a line is broken where it must be, but not before a mark or a joiner.
            if !line.is_empty() && advance > 0.0 && used + advance > width {
                lines.push(std::mem::take(&mut line));
                used = 0.0;
            }
            line.push(letter);
            used += advance;
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// Takes letters from the end of a line until an ellipsis fits.
fn shorten(face: &Face, line: &mut String, width: f32) {
    let mut used: f32 = line.chars().map(|c| face.advance(c)).sum::<f32>() + face.advance(ELLIPSIS);
    while used > width {
        let Some(last) = line.pop() else { break };
        used -= face.advance(last);
    }
    line.truncate(line.trim_end().len());
    line.push(ELLIPSIS);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STYLE: Style = Style { weight: Weight::Bold, largest: 20.0, smallest: 8.0 };

    fn width(line: &str) -> f32 {
        line.chars().map(|c| Face::of(Weight::Bold).advance(c)).sum()
    }

    #[test]
    fn a_short_title_stays_large_and_a_long_one_shrinks() {
        let short = fit("Solaris", 250.0, 84.0, STYLE);
        assert_eq!((short.size, short.lines), (20.0, vec!["Solaris".to_owned()]));
        let long = fit(&"Solaris ".repeat(37), 250.0, 84.0, STYLE);
        assert!(long.size < 20.0 && long.lines.len() > 4, "{long:?}");
        assert_eq!(long.lines.join(" "), "Solaris ".repeat(37).trim());
    }

    #[test]
    fn what_fits_at_no_size_is_cut_and_says_so() {
        let cut = fit(&"W".repeat(300), 100.0, 20.0, STYLE);
        assert_eq!(cut.size, 8.0);
        assert!(cut.lines.last().unwrap().ends_with('…'), "{cut:?}");
        assert!(width(cut.lines.last().unwrap()) <= 100.0 / 8.0 + 0.001);
    }

    #[test]
    fn nothing_takes_no_line() {
        assert_eq!(fit(" \u{3000} ", 100.0, 20.0, STYLE).lines, Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn every_line_fits(text in "\\PC{0,300}") {
            let fitted = fit(&text, 250.0, 84.0, STYLE);
            prop_assert!(fitted.lines.len() <= most_lines(84.0, fitted.size));
            for line in &fitted.lines {
                // A single character may be wider; it is squeezed when it is drawn.
                let visible = line.chars().filter(|c| Face::of(Weight::Bold).advance(*c) > 0.0).count();
                prop_assert!(visible <= 1 || width(line) * fitted.size <= 250.01, "{line:?}");
            }
            let cut = fitted.lines.last().is_some_and(|line| line.ends_with('…'));
            let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert!(cut || letters(&fitted.lines.concat()) == letters(&text));
        }
    }
}
