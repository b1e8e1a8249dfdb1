//! What has a step to go, for whoever watches over it.

use std::collections::HashMap;

use jiff::Timestamp;
use moviebooking_store::{StoreError, sql};

use super::{Store, parsed};
use crate::kind::Kind;

/// Sagas of one kind in one state that is not an end.
pub(crate) struct Unfinished {
    pub(crate) kind: Kind,
    pub(crate) state: String,
    pub(crate) count: u32,
    /// When the oldest of them began.
    pub(crate) oldest: Timestamp,
}

impl Store {
    /// How many sagas are unfinished, by state: only those are read, by an index that has no others.
    pub(crate) async fn unfinished(&self) -> Result<Vec<Unfinished>, StoreError> {
        let mut all = Vec::new();
        for &kind in Kind::ALL {
            let mut query = sql("SELECT state, COUNT(*) AS unfinished, MIN(created_at) AS oldest FROM ");
            query.push(kind.table()).push(" WHERE due_at IS NOT NULL GROUP BY state");
            for row in query.fetch_all(&self.db).await? {
                let (state, count, oldest) = (row.get("state")?, row.get("unfinished")?, row.get("oldest")?);
                all.push(Unfinished { kind, state, count, oldest });
            }
        }
        Ok(all)
    }

    /// How many sagas are parked, of the kinds of which some are.
    pub(crate) async fn parked(&self) -> Result<HashMap<Kind, u32>, StoreError> {
        let query = sql("SELECT saga, COUNT(*) AS parked FROM parked_sagas GROUP BY saga");
        let rows = query.fetch_all(&self.db).await?;
        rows.iter().map(|row| Ok((parsed(row, "saga")?, row.get("parked")?))).collect()
    }
}
