//! The tables: one function per thing that is done to them.

mod halls;
mod layouts;
mod theaters;

pub(crate) use halls::{change_hall, close_hall, find_hall, list_halls, open_hall};
pub(crate) use layouts::{find_layout, publish_layout};
pub(crate) use theaters::{
    change_theater, close_theater, find_theater, list_theaters, open_theater, theater_has_halls,
};

/// Texts without line breaks as one text.
fn join(lines: &[String]) -> String {
    lines.join("\n")
}

/// The texts that [`join`] made one of; none of them is empty.
fn split(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}
