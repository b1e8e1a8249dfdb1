//! Leases: who works on a saga. One row, one holder; who dies holding one is succeeded when it runs out.

use jiff::{SignedDuration, Timestamp};
use moviebooking_store::{Db, Row, Sql, StoreError, sql};
use uuid::Uuid;

use crate::kind::Kind;

/// How long a lease lasts. What a dead process left is taken over within this time, by the clock of who takes it over:
/// clocks that are further apart let two replicas try a step at once, which its receiver carries out once all the same.
pub(crate) const LEASE: SignedDuration = SignedDuration::from_secs(6);

/// A lease with less than this left is renewed when a step is done. The next one renews it by itself when it takes
/// long, and a bit earlier than this.
const LEAST_LEFT: SignedDuration = SignedDuration::from_secs(3);

/// The longest pause between two attempts at the same step.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_secs(30);

/// The lease columns of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lease {
    /// Proves who holds it; none when nobody does.
    pub(crate) token: Option<Uuid>,
    /// When a worker may take the row: the end of the lease or of the pause. None when nothing is left to do.
    pub(crate) due_at: Option<Timestamp>,
    /// How often the row was taken since its last step was done.
    pub(crate) attempts: i64,
}

impl Lease {
    /// A lease for who writes the row.
    pub(crate) fn new(now: Timestamp) -> Self {
        Self { token: Some(Uuid::new_v4()), due_at: Some(later(now, LEASE)), attempts: 0 }
    }

    /// Nobody's: for a row that a worker is to take at once.
    pub(crate) fn free(now: Timestamp) -> Self {
        Self { token: None, due_at: Some(now), attempts: 0 }
    }

    /// The lease of a row whose step was done and that has another one to do.
    pub(crate) fn kept(self, now: Timestamp) -> Self {
        let fresh = self.due_at.is_some_and(|end| end >= later(now, LEAST_LEFT));
        let due_at = if fresh { self.due_at } else { Some(later(now, LEASE)) };
        Self { token: self.token, due_at, attempts: 0 }
    }

    /// No lease, until the pause is over: nobody is needed before.
    pub(crate) fn pausing(now: Timestamp, pause: SignedDuration) -> Self {
        Self { token: None, due_at: Some(later(now, pause)), attempts: 0 }
    }

    /// Whether the step may have been tried before.
    pub(crate) fn retried(self) -> bool {
        self.attempts > 0
    }

    pub(super) fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { token: row.get("lease")?, due_at: row.get("due_at")?, attempts: row.get("attempts")? })
    }

    /// Until when the row is left alone after a step could not be done: 1, 2, 4, … seconds, at most
    /// [`LONGEST_PAUSE`].
    fn after_pause(self, now: Timestamp) -> Timestamp {
        let seconds = 1_i64 << self.attempts.clamp(0, 6);
        later(now, SignedDuration::from_secs(seconds).min(LONGEST_PAUSE))
    }
}

fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// The leases on the rows of one table with the columns `id`, `lease`, `due_at`, `attempts`, `woken` and `updated_at`.
#[derive(Clone, Debug)]
pub(crate) struct Leases {
    pub(super) db: Db,
    pub(super) kind: Kind,
}

impl Leases {
    pub(super) fn new(db: Db, kind: Kind) -> Self {
        Self { db, kind }
    }

    /// Takes the row unless somebody holds it or nothing is left to do; a pause is not waited for.
    pub(crate) async fn claim(&self, id: Uuid, now: Timestamp) -> Result<Option<Row>, StoreError> {
        #[cfg(feature = "sabotage")]
        if moviebooking_sabotage::Fault::NothingTakenOver.is_on() {
            return Ok(None);
        }
        let mut claim = self.claiming(now);
        claim.push(" WHERE id = ").push_bind(id);
        claim.push(" AND due_at IS NOT NULL AND (lease IS NULL OR due_at <= ").push_bind(now);
        claim.push(") RETURNING *");
        claim.fetch_optional(&self.db).await
    }

    /// Takes up to `most` rows that nobody holds and whose pause is over, the longest waiting first.
    pub(crate) async fn claim_due(&self, most: i64, now: Timestamp) -> Result<Vec<Row>, StoreError> {
        #[cfg(feature = "sabotage")]
        if moviebooking_sabotage::Fault::NothingTakenOver.is_on() {
            return Ok(Vec::new());
        }
        // Looking first keeps an idle worker from writing, and is all that it costs to have several.
        let mut look = sql("SELECT id FROM ");
        look.push(self.kind.table()).push(" WHERE due_at <= ").push_bind(now);
        look.push(" ORDER BY due_at LIMIT ").push_bind(most);
        let due = look.fetch_all(&self.db).await?;
        if due.is_empty() {
            return Ok(due);
        }
        let due = due.iter().map(|row| row.get("id")).collect::<Result<Vec<Uuid>, _>>()?;
        let mut claim = self.claiming(now);
        claim.push(" WHERE due_at <= ").push_bind(now);
        claim.push(" AND id IN ").push_list(due).push(" RETURNING *");
        claim.fetch_all(&self.db).await
    }

    /// Prolongs a lease, unless it was lost.
    pub(crate) async fn renew(&self, id: Uuid, lease: Lease, now: Timestamp) -> Result<(), StoreError> {
        let mut update = sql("UPDATE ");
        update.push(self.kind.table()).push(" SET due_at = ").push_bind(later(now, LEASE));
        update.push(" WHERE id = ").push_bind(id).push(" AND lease = ").push_bind(lease.token);
        update.execute(&self.db).await.map(drop)
    }

    /// Gives the row back after a step that could not be done, to be tried again after a pause.
    pub(crate) async fn postpone(&self, id: Uuid, lease: Lease, now: Timestamp) -> Result<(), StoreError> {
        self.give_back(id, lease, lease.after_pause(now), lease.attempts, now).await
    }

    /// Gives the row back until somebody outside has done something, to be looked at again after this pause.
    pub(crate) async fn pause(
        &self,
        id: Uuid,
        lease: Lease,
        pause: SignedDuration,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.give_back(id, lease, later(now, pause), 0, now).await
    }

    /// Gives the row back until `due`, or at once to whoever comes when something was told of it while it was held.
    async fn give_back(
        &self,
        id: Uuid,
        lease: Lease,
        due: Timestamp,
        attempts: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut update = sql("UPDATE ");
        update.push(self.kind.table()).push(" SET lease = NULL, attempts = ").push_bind(attempts);
        update.push(", due_at = CASE WHEN woken THEN ").push_bind(now).push(" ELSE ").push_bind(due);
        update.push(" END, woken = FALSE WHERE id = ").push_bind(id);
        update.push(" AND lease = ").push_bind(lease.token);
        update.execute(&self.db).await.map(drop)
    }

    fn claiming(&self, now: Timestamp) -> Sql {
        let mut claim = sql("UPDATE ");
        claim.push(self.kind.table()).push(" SET lease = ").push_bind(Uuid::new_v4());
        claim
            .push(", due_at = ")
            .push_bind(later(now, LEASE))
            .push(", attempts = attempts + 1, woken = FALSE");
        claim
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_half_a_minute() {
        let now = Timestamp::UNIX_EPOCH;
        let pause = |attempts| Lease { attempts, ..Lease::default() }.after_pause(now).as_second();
        assert_eq!([0, 1, 2, 5, 6, 60, i64::MAX].map(pause), [1, 2, 4, 30, 30, 30, 30]);
    }

    #[test]
    fn a_lease_is_renewed_when_it_might_not_outlast_the_next_step() {
        let start = Timestamp::UNIX_EPOCH;
        let lease = Lease::new(start);
        assert_eq!(lease.kept(later(start, LEASE - LEAST_LEFT)).due_at, lease.due_at);
        let late = later(start, LEASE - LEAST_LEFT + SignedDuration::from_micros(1));
        assert_eq!(lease.kept(late).due_at, Some(later(late, LEASE)));
    }
}
