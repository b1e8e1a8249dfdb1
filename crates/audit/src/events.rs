//! What happened is written down with it: payments count their changes, and each has an event of its number.
//! That the seats' history has no gap is checked with the seats.

use moviebooking_store::{StoreError, sql};
use uuid::Uuid;

use crate::{Databases, Findings, Invariant::ChangesAreTold};

pub(crate) async fn check(of: &Databases, found: &mut Findings) -> Result<(), StoreError> {
    let rows =
        sql("SELECT p.id, p.state, p.version, COUNT(e.seq) AS events, MAX(e.seq) AS last FROM payments p \
                    LEFT JOIN payment_events e ON e.payment_id = p.id GROUP BY p.id, p.state, p.version")
        .fetch_all(&of.payments)
        .await?;
    for row in rows {
        let (id, state): (Uuid, String) = (row.get("id")?, row.get("state")?);
        let (version, events): (i64, i64) = (row.get("version")?, row.get("events")?);
        let last: Option<i64> = row.get("last")?;
        found.must(events == version && last == Some(version), ChangesAreTold, || {
            format!("payment {id} is {state} after {version} changes, of which {events} have an event")
        });
    }
    Ok(())
}
