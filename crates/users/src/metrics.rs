//! What is counted of accounts.

use std::sync::LazyLock;

use moviebooking_serve::metrics::{IntCounterVec, counter, counter_of};

use crate::error::Error;

static LOGINS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter_of(
        "moviebooking_logins_total",
        "Logins tried, by outcome.",
        "outcome",
        &["signed_in", "wrong_credentials", "limited", "failed"],
    )
});

static REGISTRATIONS: LazyLock<IntCounterVec> =
    LazyLock::new(|| counter("moviebooking_registrations_total", "Accounts that customers made.", &[]));

static REUSED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter(
        "moviebooking_refresh_tokens_reused_total",
        "Refresh tokens that were used a second time, as thieves do; their sessions are revoked.",
        &[],
    )
});

/// Shows everything at zero.
pub(crate) fn show() {
    LazyLock::force(&LOGINS);
    for counter in [&REGISTRATIONS, &REUSED] {
        counter.with_label_values::<&str>(&[]);
    }
}

/// Somebody has tried to sign in.
pub(crate) fn login<T>(result: &Result<T, Error>) {
    let outcome = match result {
        Ok(_) => "signed_in",
        Err(Error::InvalidCredentials) => "wrong_credentials",
        Err(Error::RateLimited { .. }) => "limited",
        Err(_) => "failed",
    };
    LOGINS.with_label_values(&[outcome]).inc();
}

/// A customer has made an account.
pub(crate) fn registered() {
    REGISTRATIONS.with_label_values::<&str>(&[]).inc();
}

/// A refresh token was used twice.
pub(crate) fn reused() {
    REUSED.with_label_values::<&str>(&[]).inc();
}
