//! The QR picture of a code.

use std::fmt::Write as _;

use fast_qr::{ECL, QRBuilder, qr::QRCodeError};

/// Light modules around the picture (ISO/IEC 18004).
pub(crate) const QUIET_ZONE: usize = 4;

/// Dark modules next to each other in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bar {
    /// Column of the first, from the left.
    pub(crate) x: usize,
    /// Row, from the top.
    pub(crate) y: usize,
    /// How many.
    pub(crate) width: usize,
}

/// A QR picture with error correction M: 15 of 100 modules may be unreadable.
pub(crate) struct Qr {
    /// Modules per side, without the quiet zone.
    pub(crate) size: usize,
    /// All that is dark.
    pub(crate) bars: Vec<Bar>,
}

impl Qr {
    /// The picture of a code; fails when it is longer than any QR picture holds.
    pub(crate) fn new(code: &str) -> Result<Self, QRCodeError> {
        let qr = QRBuilder::new(code).ecl(ECL::M).build()?;
        let mut bars = Vec::new();
        for y in 0..qr.size {
            let mut x = 0;
            for modules in qr[y].chunk_by(|left, right| left.value() == right.value()) {
                if modules.first().is_some_and(|module| module.value()) {
                    bars.push(Bar { x, y, width: modules.len() });
                }
                x += modules.len();
            }
        }
        Ok(Self { size: qr.size, bars })
    }

    /// As SVG, black on white, one unit a module, in its quiet zone.
    pub(crate) fn svg(&self) -> String {
        let side = self.size + 2 * QUIET_ZONE;
        let mut path = String::new();
        for bar in &self.bars {
            // Writing to a String never fails.
            let _ = write!(
                path,
                "M{} {}h{}v1h-{}z",
                bar.x + QUIET_ZONE,
                bar.y + QUIET_ZONE,
                bar.width,
                bar.width
            );
        }
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\
             <title>Ticket code</title><path fill=\"#fff\" d=\"M0 0h{side}v{side}H0z\"/><path d=\"{path}\"/></svg>\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bars_are_the_dark_modules() {
        let code = "MBT1.AAAQDGVPHRNIA7ARRUXACI2FM6E2WAM2V46AAADQACAAAAAAAAAL53YAAAAAA2YDJVCEGN6XUZBSUFESWSX6YXEANPDSP7FFZYGO3DYPZUFG47DY3P6WDRGTQRTISVVLLUOS5YF3XMI4446VHVQSW6C3SQ3OHMQ7J5D3CDIATNDAW";
        let picture = Qr::new(code).unwrap();
        // 178 alphanumeric characters with correction M are the most that version 7 holds: 45 modules a side.
        assert_eq!(picture.size, 45);
        let qr = QRBuilder::new(code).ecl(ECL::M).build().unwrap();
        let mut drawn = vec![vec![false; picture.size]; picture.size];
        for Bar { x, y, width } in picture.bars.iter().copied() {
            drawn[y][x..x + width].fill(true);
        }
        for (y, row) in drawn.iter().enumerate() {
            assert_eq!(*row, qr[y].iter().map(|module| module.value()).collect::<Vec<_>>(), "row {y}");
        }
        let svg = picture.svg();
        assert!(svg.contains("viewBox=\"0 0 53 53\""), "{svg}");
        assert_eq!(svg.matches('M').count(), picture.bars.len() + 1);
    }
}
