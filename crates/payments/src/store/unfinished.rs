//! What has a step to go, for whoever watches over it.

use jiff::Timestamp;
use moviebooking_store::{StoreError, sql};

use super::Store;

/// Payments or refunds in one state that is not an end.
pub(crate) struct Unfinished {
    pub(crate) saga: &'static str,
    pub(crate) state: String,
    pub(crate) count: u32,
    /// When the oldest of them began.
    pub(crate) oldest: Timestamp,
}

impl Store {
    /// How many payments and refunds are unfinished, by state: only those are read, by an index that has no others.
    pub(crate) async fn unfinished(&self) -> Result<Vec<Unfinished>, StoreError> {
        let payments = sql("SELECT state, COUNT(*) AS unfinished, MIN(created_at) AS oldest FROM payments \
                            WHERE due_at IS NOT NULL GROUP BY state");
        let refunds = sql("SELECT state, COUNT(*) AS unfinished, MIN(created_at) AS oldest FROM refunds \
                           WHERE due_at IS NOT NULL GROUP BY state");
        let mut all = Vec::new();
        for (saga, query) in [("payment", payments), ("refund", refunds)] {
            for row in query.fetch_all(&self.db).await? {
                let (state, count, oldest) = (row.get("state")?, row.get("unfinished")?, row.get("oldest")?);
                all.push(Unfinished { saga, state, count, oldest });
            }
        }
        Ok(all)
    }
}
