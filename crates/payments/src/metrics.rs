//! What is counted of payments and refunds, and what is unfinished.

use std::{collections::HashMap, sync::LazyLock};

use jiff::Timestamp;
use moviebooking_domain::money::Currency;
use moviebooking_serve::metrics::{IntCounterVec, IntGaugeVec, counter, gauge};

use crate::{kind::Kind, ledger::Movement, payment::Event, store::Unfinished};

static EVENTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter(
        "moviebooking_payment_events_total",
        "What happened to payments and refunds: one for each row of the history.",
        &["event"],
    )
});

static CAPTURED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter(
        "moviebooking_revenue_minor_units_total",
        "Money that was captured, in the currency's minor units.",
        &["currency"],
    )
});

static REFUNDED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter(
        "moviebooking_refunds_minor_units_total",
        "Money that was paid back, in the currency's minor units.",
        &["currency"],
    )
});

static UNFINISHED: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    gauge(
        "moviebooking_sagas_unfinished",
        "Payments, refunds and cancelled showtimes that have a step to go, by state; the same in every replica.",
        &["saga", "state"],
    )
});

static OLDEST: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    gauge(
        "moviebooking_sagas_oldest_unfinished_seconds",
        "Age of the oldest payment, refund or cancelled showtime that has a step to go; 0 without one.",
        &["saga"],
    )
});

static PARKED: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    gauge(
        "moviebooking_sagas_parked",
        "Payments and refunds that could not be finished and wait for an admin; the same in every replica.",
        &["saga"],
    )
});

/// Counts what was committed.
pub(crate) fn happened(event: &Event, currency: Currency) {
    EVENTS.with_label_values(&[event.kind]).inc();
    let Some(moved) = event.moved else { return };
    let counter = match moved.how {
        Movement::Captured => &CAPTURED,
        Movement::Refunded { .. } => &REFUNDED,
        Movement::Authorised | Movement::Voided => return,
    };
    let Ok(amount) = u64::try_from(moved.amount) else { return };
    counter.with_label_values(&[currency.code()]).inc_by(amount);
}

/// Shows what is unfinished at `now`, and what is parked.
pub(crate) fn show(unfinished: &[Unfinished], parked: &HashMap<Kind, u32>, now: Timestamp) {
    // A state that nobody is in any more is not shown.
    UNFINISHED.reset();
    for &kind in Kind::ALL {
        let labels = [kind.label()];
        PARKED.with_label_values(&labels).set(parked.get(&kind).copied().unwrap_or_default().into());
        let oldest = unfinished.iter().filter(|rows| rows.kind == kind).map(|rows| rows.oldest).min();
        let age = oldest.map_or(0, |oldest| now.duration_since(oldest).as_secs());
        OLDEST.with_label_values(&labels).set(age);
    }
    for Unfinished { kind, state, count, .. } in unfinished {
        UNFINISHED.with_label_values(&[kind.label(), state.as_str()]).set((*count).into());
    }
}
