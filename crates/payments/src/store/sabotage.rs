//! What happened is written down late, on purpose.

use std::time::Duration;

use moviebooking_store::{StoreError, Tx, sql};

use super::{Store, append};
use crate::payment::{Event, Payment};

/// Who dies within this time never writes it down.
const LATE: Duration = Duration::from_millis(400);

impl Store {
    /// Takes an event out of the transaction again and writes it in one of its own, later.
    pub(super) async fn tell_later(
        &self,
        tx: &mut Tx,
        payment: &Payment,
        seq: i64,
        event: &Event,
    ) -> Result<(), StoreError> {
        for table in ["payment_events", "unpublished_events"] {
            let mut delete = sql("DELETE FROM ");
            delete.push(table).push(" WHERE payment_id = ").push_bind(payment.id);
            delete.push(" AND seq = ").push_bind(seq);
            delete.execute(&mut *tx).await?;
        }
        let (db, id, at, event) = (self.db.clone(), payment.id, payment.updated_at, event.clone());
        tokio::spawn(async move {
            tokio::time::sleep(LATE).await;
            let mut tx = db.begin().await?;
            append(&mut tx, id, seq, at, &event).await?;
            tx.commit().await
        });
        Ok(())
    }
}
