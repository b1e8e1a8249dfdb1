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

/// What the sagas are called, and their tables.
pub(crate) const SAGAS: [(&str, &str); 2] = [("payment", "payments"), ("refund", "refunds")];

impl Store {
    /// How many payments and refunds are unfinished, by state: only those are read, by an index that has no others.
    pub(crate) async fn unfinished(&self) -> Result<Vec<Unfinished>, StoreError> {
        let payments = sql("SELECT state, COUNT(*) AS unfinished, MIN(created_at) AS oldest FROM payments \
                            WHERE due_at IS NOT NULL GROUP BY state");
        let refunds = sql("SELECT state, COUNT(*) AS unfinished, MIN(created_at) AS oldest FROM refunds \
                           WHERE due_at IS NOT NULL GROUP BY state");
        let mut all = Vec::new();
        for (saga, query) in [(SAGAS[0].0, payments), (SAGAS[1].0, refunds)] {
            for row in query.fetch_all(&self.db).await? {
                let (state, count, oldest) = (row.get("state")?, row.get("unfinished")?, row.get("oldest")?);
                all.push(Unfinished { saga, state, count, oldest });
            }
        }
        Ok(all)
    }

    /// How many payments and refunds are parked.
    pub(crate) async fn parked(&self) -> Result<[u32; SAGAS.len()], StoreError> {
        let mut parked = [0; SAGAS.len()];
        let query = sql("SELECT saga, COUNT(*) AS parked FROM parked_sagas GROUP BY saga");
        for row in query.fetch_all(&self.db).await? {
            let saga: String = row.get("saga")?;
            let place = SAGAS.iter().position(|(_, table)| *table == saga);
            if let Some(count) = place.and_then(|place| parked.get_mut(place)) {
                *count = row.get("parked")?;
            }
        }
        Ok(parked)
    }
}
