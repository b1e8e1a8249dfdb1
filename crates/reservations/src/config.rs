//! What an operator may set.

use clap::{Args, value_parser};
use jiff::SignedDuration;

use crate::reservation::HOLD;

/// Settings of the reservations service.
#[derive(Clone, Copy, Debug, Args)]
#[group(id = "reservations")]
pub struct Config {
    /// Seconds that a hold lasts, and by which an extension moves its end. With all extensions none lasts longer than half
    /// an hour.
    #[arg(long, env = "MOVIEBOOKING_HOLD_SECONDS", value_name = "SECONDS", default_value_t = HOLD,
          value_parser = value_parser!(u32).range(10..=1_800))]
    pub hold_seconds: u32,
}

impl Config {
    /// How long a hold lasts.
    pub(crate) fn hold(self) -> SignedDuration {
        SignedDuration::from_secs(self.hold_seconds.into())
    }
}

impl Default for Config {
    fn default() -> Self {
        Self { hold_seconds: HOLD }
    }
}
