//! What is counted of tickets.

use std::sync::LazyLock;

use moviebooking_serve::metrics::{IntCounterVec, counter_of};

use crate::TicketError;

static TICKETS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter_of(
        "moviebooking_tickets_total",
        "Tickets by what happened to them.",
        "event",
        &["issued", "checked_in", "voided"],
    )
});

static REFUSED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter_of(
        "moviebooking_check_ins_refused_total",
        "Codes at the door that let nobody in, by why.",
        "why",
        &["checked_in_before", "void", "wrong_showtime", "no_code_of_ours", "other"],
    )
});

/// Shows everything at zero.
pub(crate) fn show() {
    LazyLock::force(&TICKETS);
    LazyLock::force(&REFUSED);
}

/// Tickets were issued.
pub(crate) fn issued(tickets: usize) {
    TICKETS.with_label_values(&["issued"]).inc_by(tickets.try_into().unwrap_or(u64::MAX));
}

/// Tickets were voided.
pub(crate) fn voided(tickets: usize) {
    TICKETS.with_label_values(&["voided"]).inc_by(tickets.try_into().unwrap_or(u64::MAX));
}

/// A ticket let somebody in.
pub(crate) fn checked_in() {
    TICKETS.with_label_values(&["checked_in"]).inc();
}

/// A code let nobody in.
pub(crate) fn refused(error: &TicketError) {
    let why = match error {
        TicketError::CheckedIn(_) => "checked_in_before",
        TicketError::Void { .. } => "void",
        TicketError::WrongShowtime { .. } => "wrong_showtime",
        TicketError::InvalidCode(_) => "no_code_of_ours",
        _ => "other",
    };
    REFUSED.with_label_values(&[why]).inc();
}
