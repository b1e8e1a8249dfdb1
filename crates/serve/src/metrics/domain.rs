//! What a service counts of its own subject, and what it reads from its database from time to time.

use super::{counter, is_on};
use prometheus::IntCounterVec;
use std::{fmt::Display, time::Duration};

/// How often gauges are read from a database.
const EVERY: Duration = Duration::from_secs(10);

/// A [`counter`] with one label whose `values` are known: each begins at zero, so that its first increase is seen.
///
/// # Panics
/// If `name` or `label` is not of the form that Prometheus asks for (letters, digits and `_`).
pub fn counter_of(
    name: &'static str,
    help: &'static str,
    label: &'static str,
    values: &[&'static str],
) -> IntCounterVec {
    let counter = counter(name, help, &[label]);
    for value in values {
        counter.with_label_values(&[value]);
    }
    counter
}

/// Has `look` read gauges from a database every ten seconds, however often they are asked for, and not at all in a
/// process without metrics. It never ends: run it beside other work.
pub async fn keep_fresh<F, E>(look: impl Fn() -> F)
where
    F: Future<Output = Result<(), E>>,
    E: Display,
{
    loop {
        if is_on()
            && let Err(error) = look().await
        {
            tracing::warn!(%error, "metrics cannot be read from the database; they are as they were");
        }
        tokio::time::sleep(EVERY).await;
    }
}
