//! A bank to try the platform with: no money, a durable ledger, and tokens that make it fail on purpose.
//!
//! | token | what happens |
//! |---|---|
//! | `tok_approve` | every operation succeeds |
//! | `tok_insufficient_funds` | declined with `insufficient_funds` |
//! | `tok_expired_card` | declined with `expired_card` |
//! | `tok_fraud` | declined with `fraud` |
//! | `tok_confirm` | the buyer must confirm on a page of the bank's |
//! | `tok_timeout_before_effect` | the first authorisation times out and did nothing; the next succeeds |
//! | `tok_timeout_after_effect` | the first authorisation times out although it succeeded |
//! | `tok_reply_lost` | every operation succeeds and the reply to its first request is lost |
//! | `tok_slow` | the authorisation takes two seconds and succeeds |
//! | `tok_capture_fails` | authorised; the capture is declined with `capture_failed` |
//! | `tok_webhook_twice` | succeeds; every webhook is sent three times |
//! | `tok_webhook_first` | succeeds; the webhook of the authorisation is sent before its reply |
//! | `tok_down_N` | the bank is down for the payment for N seconds (1 to 600) from its first request on; then succeeds |
//! | anything else | unknown token |
//!
//! It is a program of its own, [reached over HTTP](router), or a part of another: the same router, called directly.
//! With a [webhook URL](Settings) it tells of each operation, with a signature as a real provider's.

mod at_once;
mod bank;
mod confirm;
mod http;
mod ledger;
mod page;
mod secret;
mod token;
mod webhooks;
pub mod wire;

use std::time::Duration;

use moviebooking_store::{Migrations, migration};

pub use bank::Bank;
pub use http::{pages, router};
pub use secret::{BankSecret, SIGNATURE_HEADER, SecretTooShort};

/// The bank's tables, which have a database of their own, as another company's would.
pub static MIGRATIONS: Migrations = Migrations::new(&[
    migration!(1, "migrations/0001_bank.sql"),
    migration!(2, "migrations/0002_events.sql"),
]);

/// How the bank behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the merchant shows in every request, and what webhooks are signed with.
    pub secret: BankSecret,
    /// Where the buyers' browsers find the [pages]: `http://127.0.0.1:50057`, without a slash at the end.
    pub public_url: String,
    /// Where the merchant takes webhooks; none are sent without it.
    pub webhook_url: Option<String>,
    /// How long `tok_slow` takes.
    pub slow_reply: Duration,
}

/// How long `tok_slow` takes where nothing else is asked for.
pub const SLOW_REPLY: Duration = Duration::from_secs(2);

/// Where a bank process is found unless it is told to listen elsewhere.
pub const DEFAULT_URL: &str = "http://127.0.0.1:50057";
