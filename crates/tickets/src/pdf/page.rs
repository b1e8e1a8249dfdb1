//! The page: what stands where. All lengths are points (1/72 inch), from the top left.

use krilla::{
    Document,
    color::rgb,
    geom::{PathBuilder, Point, Rect},
    metadata::Metadata,
    num::NormalizedF32,
    page::PageSettings,
    paint::{Fill, FillRule},
    surface::Surface,
};

use super::{
    PdfError,
    face::{Face, Weight, bitmap_width},
    fit::{LINE_HEIGHT, Style, fit},
    line::{self, Drawing},
};
use crate::{qr::Qr, ticket::Ticket};

/// A6, upright.
const WIDTH: f32 = 297.64;
const HEIGHT: f32 = 419.53;
const MARGIN: f32 = 22.0;
const INNER: f32 = WIDTH - 2.0 * MARGIN;
const QR_SIDE: f32 = 124.0;
const QR_TOP: f32 = 276.0;
/// Pixels of a bitmap per side, and how many of them stand above the line.
const BITMAP: u8 = 16;
const BITMAP_ASCENT: f32 = 14.0;

const BLACK: (u8, u8, u8) = (0, 0, 0);
const GREY: (u8, u8, u8) = (90, 90, 90);
const RED: (u8, u8, u8) = (190, 20, 20);

const fn style(weight: Weight, largest: f32, smallest: f32) -> Style {
    Style { weight, largest, smallest }
}

/// Draws a ticket.
pub(super) fn draw(ticket: &Ticket) -> Result<Vec<u8>, PdfError> {
    let size =
        PageSettings::from_wh(WIDTH, HEIGHT).ok_or_else(|| PdfError::Document("page size".to_owned()))?;
    let mut document = Document::new();
    document.set_metadata(
        Metadata::new()
            .title(ticket.show.movie_title.clone())
            .language("en".to_owned())
            .document_id(ticket.id.to_string()),
    );
    let mut page = document.start_page_with(size);
    let mut sheet = Sheet { surface: page.surface() };
    sheet.show(ticket);
    sheet.seat(ticket);
    sheet.admission(ticket)?;
    drop(sheet);
    page.finish();
    document.finish().map_err(|error| PdfError::Document(format!("{error:?}")))
}

/// The last twelve digits of a ticket's id, which are random: short enough to be read out.
fn short_id(ticket: &Ticket) -> String {
    let id = ticket.id.to_string().to_uppercase();
    let tail = id.rsplit('-').next().unwrap_or_default().as_bytes();
    let groups: Vec<_> = tail.chunks(4).map(String::from_utf8_lossy).collect();
    groups.join("-")
}

struct Sheet<'a> {
    surface: Surface<'a>,
}

impl Sheet<'_> {
    /// What, when and where.
    fn show(&mut self, ticket: &Ticket) {
        let show = &ticket.show;
        let start = show.local_start();
        let date = start.strftime("%A, %-d %B %Y").to_string();
        let time = start.strftime("%H:%M %Z (UTC%:z)").to_string();
        self.text(&show.movie_title, (MARGIN, 20.0, INNER, 88.0), style(Weight::Bold, 22.0, 7.0), BLACK);
        self.rule(114.0);
        self.text(&date, (MARGIN, 121.0, INNER, 15.0), style(Weight::Bold, 11.5, 8.0), BLACK);
        self.text(&time, (MARGIN, 136.0, INNER, 15.0), style(Weight::Bold, 11.5, 8.0), BLACK);
        self.text(&show.theater_name, (MARGIN, 156.0, INNER, 23.0), style(Weight::Bold, 10.0, 5.5), BLACK);
        self.text(&show.hall_name, (MARGIN, 179.0, INNER, 13.0), style(Weight::Regular, 10.0, 5.0), BLACK);
        self.text(
            &show.theater_address,
            (MARGIN, 192.0, INNER, 23.0),
            style(Weight::Regular, 8.0, 4.0),
            GREY,
        );
    }

    /// What was bought.
    fn seat(&mut self, ticket: &Ticket) {
        self.rule(219.0);
        let price = ticket.seat.price.to_string();
        let cells = [
            ("Row", &ticket.seat.row, 0.15),
            ("Seat", &ticket.seat.label, 0.2),
            ("Category", &ticket.seat.category, 0.35),
            ("Price", &price, 0.3),
        ];
        let mut x = MARGIN;
        for (name, value, share) in cells {
            let width = share * INNER;
            self.text(name, (x, 224.0, width - 4.0, 9.0), style(Weight::Regular, 7.0, 6.0), GREY);
            self.text(value, (x, 233.0, width - 4.0, 27.0), style(Weight::Bold, 12.0, 5.0), BLACK);
            x += width;
        }
        self.rule(263.0);
    }

    /// What the door needs. A void ticket has no picture to show there.
    fn admission(&mut self, ticket: &Ticket) -> Result<(), PdfError> {
        let x = MARGIN + QR_SIDE + 12.0;
        let width = WIDTH - MARGIN - x;
        if ticket.voided.is_some() {
            self.text("VOID", (MARGIN, QR_TOP + 40.0, QR_SIDE, 50.0), style(Weight::Bold, 40.0, 20.0), RED);
            let note = "This ticket was made void and lets nobody in.";
            self.text(note, (x, QR_TOP + 6.0, width, 60.0), style(Weight::Regular, 9.0, 7.0), RED);
        } else {
            self.qr(&Qr::new(&ticket.code)?);
            let note = "Admits one. Show this code at the door.";
            self.text(note, (x, QR_TOP + 6.0, width, 60.0), style(Weight::Regular, 9.0, 7.0), BLACK);
        }
        self.text("Ticket", (x, QR_TOP + 84.0, width, 9.0), style(Weight::Regular, 7.0, 6.0), GREY);
        self.text(&short_id(ticket), (x, QR_TOP + 93.0, width, 14.0), style(Weight::Bold, 11.0, 6.0), BLACK);
        let id = ticket.id.to_string();
        self.text(&id, (x, QR_TOP + 110.0, width, 18.0), style(Weight::Regular, 5.5, 4.0), GREY);
        Ok(())
    }

    /// The QR picture. What stands next to it leaves it its quiet zone: four modules, at most 11 points.
    fn qr(&mut self, qr: &Qr) {
        let module = QR_SIDE / qr.size as f32;
        let bars = qr.bars.iter().map(|bar| {
            let (x, y) = (MARGIN + bar.x as f32 * module, QR_TOP + bar.y as f32 * module);
            (x, y, bar.width as f32 * module, module)
        });
        self.rectangles(bars, BLACK);
    }

    /// A thin line from margin to margin.
    fn rule(&mut self, y: f32) {
        self.rectangles([(MARGIN, y, INNER, 0.6)], GREY);
    }

    fn rectangles(&mut self, of: impl IntoIterator<Item = (f32, f32, f32, f32)>, color: (u8, u8, u8)) {
        let mut path = PathBuilder::new();
        for (x, y, width, height) in of {
            if let Some(rectangle) = Rect::from_xywh(x, y, width, height) {
                path.push_rect(rectangle);
            }
        }
        if let Some(path) = path.finish() {
            self.ink(color);
            self.surface.draw_path(&path);
        }
    }

    fn ink(&mut self, (red, green, blue): (u8, u8, u8)) {
        self.surface.set_fill(Some(Fill {
            paint: rgb::Color::new(red, green, blue).into(),
            opacity: NormalizedF32::ONE,
            rule: FillRule::NonZero,
        }));
    }

    /// A text in a box (left, top, width, height), which nothing of it leaves: not even a pile of accents.
    fn text(
        &mut self,
        text: &str,
        (x, y, width, height): (f32, f32, f32, f32),
        style: Style,
        color: (u8, u8, u8),
    ) {
        let face = Face::of(style.weight);
        let fitted = fit(text, width, height, style);
        let mut clip = PathBuilder::new();
        if let Some(rectangle) = Rect::from_xywh(x, y, width, height) {
            clip.push_rect(rectangle);
        }
        let Some(clip) = clip.finish() else { return };
        self.surface.push_clip_path(&clip, &FillRule::NonZero);
        self.ink(color);
        let mut baseline = y + fitted.size;
        for line in &fitted.lines {
            let pieces = line::set(face, line);
            let wide: f32 = pieces.iter().map(|piece| piece.width).sum();
            // Lines were broken by the widths of single letters: what shaping made wider is squeezed.
            let size = if wide * fitted.size > width { width / wide } else { fitted.size };
            let mut pen = x;
            for piece in &pieces {
                match &piece.drawing {
                    Drawing::Glyphs(glyphs) => {
                        let at = Point::from_xy(pen, baseline);
                        self.surface.draw_glyphs(at, glyphs, face.font.clone(), &piece.text, size, false);
                    }
                    Drawing::Bitmaps(bitmaps) => {
                        self.bitmaps(bitmaps, pen, baseline, size, color);
                    }
                }
                pen += piece.width * size;
            }
            baseline += LINE_HEIGHT * fitted.size;
        }
        self.surface.pop();
    }

    fn bitmaps(
        &mut self,
        bitmaps: &[&unifont::Glyph],
        x: f32,
        baseline: f32,
        size: f32,
        color: (u8, u8, u8),
    ) {
        let pixel = size / f32::from(BITMAP);
        let top = baseline - BITMAP_ASCENT * pixel;
        let mut left = x;
        let mut squares = Vec::new();
        for bitmap in bitmaps {
            for row in 0..BITMAP {
                for column in (0..BITMAP).filter(|column| bitmap.get_pixel((*column).into(), row.into())) {
                    squares.push((
                        left + f32::from(column) * pixel,
                        top + f32::from(row) * pixel,
                        pixel,
                        pixel,
                    ));
                }
            }
            left += bitmap_width(bitmap) * size;
        }
        self.rectangles(squares, color);
    }
}
