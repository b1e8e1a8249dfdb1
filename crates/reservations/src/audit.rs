//! Checks, over everything that ever happened to the seats, what must never be broken: no seat is sold twice, none is
//! held by two at once, and the present is what the history says. For tests and for operators; nobody may change seats
//! meanwhile.

mod replay;

use std::fmt;

use moviebooking_domain::id::ShowtimeId;
use moviebooking_store::{Db, StoreError, sql};
use uuid::Uuid;

use crate::store::{self, Filter};
use replay::Replay;

/// Something that must never be so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Of which showtime.
    pub showtime: ShowtimeId,
    /// After which of its changes.
    pub sequence: i64,
    /// What is wrong, for people.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "showtime {}, change {}: {}", self.showtime, self.sequence, self.what)
    }
}

/// How many rows are read at once.
const PAGE: i64 = 1_000;

/// All violations, of all showtimes.
///
/// # Errors
/// [`StoreError`] when the tables cannot be read.
pub async fn audit(db: &Db) -> Result<Vec<Violation>, StoreError> {
    let mut violations = Vec::new();
    let mut reservations = 0;
    let mut last = ShowtimeId::from(Uuid::nil());
    loop {
        let rows =
            sql("SELECT showtime_id FROM showtimes WHERE showtime_id > $1 ORDER BY showtime_id LIMIT $2")
                .bind(last)
                .bind(PAGE)
                .fetch_all(db)
                .await?;
        let Some(end) = rows.last() else { break };
        last = end.get("showtime_id")?;
        for row in rows {
            let replay = audit_showtime(db, row.get("showtime_id")?).await?;
            reservations += replay.reservations();
            violations.extend(replay.violations);
        }
    }
    let row = sql("SELECT (SELECT COUNT(*) FROM reservations) AS reservations, \
                   (SELECT COUNT(*) FROM seat_claims WHERE showtime_id NOT IN (SELECT showtime_id FROM showtimes)) AS strays")
        .fetch_one(db)
        .await?;
    let known = i64::try_from(reservations).unwrap_or(i64::MAX);
    let (stored, strays): (i64, i64) = (row.get("reservations")?, row.get("strays")?);
    if stored != known || strays != 0 {
        let what = format!("{stored} reservations are stored, {known} in the history; {strays} stray claims");
        violations.push(Violation { showtime: Uuid::nil().into(), sequence: 0, what });
    }
    Ok(violations)
}

/// Replays the history of one showtime and compares its end with the present.
async fn audit_showtime(db: &Db, showtime: ShowtimeId) -> Result<Replay, StoreError> {
    let mut replay = Replay::new(showtime);
    loop {
        let changes = store::changes_after(db, showtime, replay.sequence, PAGE).await?;
        changes.iter().for_each(|change| replay.step(change));
        if i64::try_from(changes.len()).is_ok_and(|count| count < PAGE) {
            break;
        }
    }
    let (sequence, closed, claims) = store::claims(db, showtime).await?;
    replay.compare(sequence, closed, claims);
    let mut before = None;
    loop {
        let filter = Filter { user: None, showtime: Some(showtime), before, limit: PAGE };
        let stored = store::list(db, filter).await?;
        stored.iter().for_each(|reservation| replay.compare_reservation(reservation));
        match stored.last() {
            Some(last) => before = Some(last.id),
            None => return Ok(replay),
        }
    }
}
