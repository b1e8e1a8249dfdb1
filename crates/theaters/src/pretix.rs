//! Seating plans in the JSON format of the ticket shop pretix: `src/pretix/static/seating/seating-plan.schema.json` in
//! its repository, as of the version with `row_label` and `zone_id`.
//!
//! A plan nests zones, rows and seats, each placed relative to what it is in, in pixels. The format knows neither
//! kinds of seats nor companions and allows no fields of others' making, so what a layout has more is written into the
//! two identifiers that pretix never shows to anybody (see [`mark`]): a plan that was exported here and is imported
//! again is the same layout, whatever happened to its drawing in between. A plan from elsewhere is read as it is:
//! every seat is standard, and labelled by its row and number.

mod export;
mod import;
mod json;
mod mark;

pub(crate) use export::export;
pub(crate) use import::import;

#[cfg(test)]
pub(crate) mod tests;

/// Pixels between the plan's edges and the nearest seats, in exported plans.
const MARGIN: i32 = 40;
