//! What is counted of holds and sales.

use std::sync::{LazyLock, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use moviebooking_domain::clock::Clock;
use moviebooking_serve::metrics::{IntCounterVec, counter, counter_of};
use moviebooking_store::{Db, StoreError, sql};
use uuid::{Builder, Uuid};

use crate::{
    board::{Change, ChangeKind},
    error::Error,
    reservation::{LONGEST_HOLD, after},
};

static HOLDS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter_of(
        "moviebooking_holds_total",
        "Holds asked for: made, or refused because seats are taken, by a rule, or by a failure of ours.",
        "outcome",
        &["held", "conflict", "refused", "failed"],
    )
});

static SEATS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter_of(
        "moviebooking_seats_total",
        "Seats by what happened to them.",
        "change",
        &["held", "extended", "sold", "released", "freed"],
    )
});

static EXPIRED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter(
        "moviebooking_holds_expired_total",
        "Holds that were neither bought nor given back, counted half an hour after they were made; the same in every \
         replica.",
        &[],
    )
});

/// Shows everything at zero.
pub(crate) fn show() {
    LazyLock::force(&HOLDS);
    LazyLock::force(&SEATS);
    EXPIRED.with_label_values::<&str>(&[]);
}

/// Counts what was committed.
pub(crate) fn happened(changes: &[Change]) {
    for Change { kind, seats, .. } in changes {
        if *kind != ChangeKind::Closed {
            SEATS.with_label_values(&[kind.name()]).inc_by(seats.len().try_into().unwrap_or(u64::MAX));
        }
    }
}

/// Counts a hold that was made.
pub(crate) fn held() {
    HOLDS.with_label_values(&["held"]).inc();
}

/// Counts a hold that was not made.
pub(crate) fn not_held(error: &Error) {
    let outcome = match error {
        Error::SeatsTaken(_) | Error::NotEnoughSeats => "conflict",
        Error::Store(_) => "failed",
        Error::Problem(problem) if problem.reason().http_status() >= 500 => "failed",
        _ => "refused",
    };
    HOLDS.with_label_values(&[outcome]).inc();
}

/// Counts the holds that have ended by themselves. A hold can be extended to half an hour, and its id has the time at
/// which it was made: so each is looked at once, by the table's primary key, when nothing can change it any more.
pub(crate) struct Expiries {
    /// Those that were made before are counted.
    counted: Mutex<Timestamp>,
}

impl Expiries {
    /// Counts from now on.
    pub(crate) fn from_now(clock: &dyn Clock) -> Self {
        Self { counted: Mutex::new(made_before(clock.now())) }
    }

    /// Counts those that have ended since.
    ///
    /// # Errors
    /// When the database fails; they are counted the next time.
    pub(crate) async fn count(&self, db: &Db, now: Timestamp) -> Result<u64, StoreError> {
        let counted = *self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let until = made_before(now);
        let row = sql(
            "SELECT COUNT(*) AS expired FROM reservations WHERE id >= $1 AND id < $2 AND state = 'held' \
             AND offered_for IS NULL",
        )
        .bind(first_id(counted))
        .bind(first_id(until))
        .fetch_one(db)
        .await?;
        let expired = row.get::<u32>("expired")?.into();
        *self.counted.lock().unwrap_or_else(PoisonError::into_inner) = until;
        EXPIRED.with_label_values::<&str>(&[]).inc_by(expired);
        Ok(expired)
    }
}

/// Holds that were made before have ended; a minute is for clocks that differ.
fn made_before(now: Timestamp) -> Timestamp {
    after(now, -(LONGEST_HOLD + SignedDuration::from_mins(1)))
}

/// The first id (UUIDv7) of those that are made at this time.
fn first_id(time: Timestamp) -> Uuid {
    let milliseconds = u64::try_from(time.as_millisecond()).unwrap_or(0);
    Builder::from_unix_timestamp_millis(milliseconds, &[0; 10]).into_uuid()
}
