//! Prints the catalogue of events, which is committed as `docs/events.md`.

use std::io::Write as _;

fn main() -> std::io::Result<()> {
    std::io::stdout().write_all(moviebooking_events::catalogue().as_bytes())
}
