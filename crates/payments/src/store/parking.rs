//! Sagas that could not be finished by themselves: set aside, and taken up again by a person.

use jiff::Timestamp;
use moviebooking_domain::id::{PaymentId, UserId};
use moviebooking_store::{Row, StoreError, Tx, retry, sql};
use uuid::Uuid;

use super::{Lease, Leases, Store, append, lock_payment, parsed};
use crate::{
    kind::Kind,
    payment::{Event, Payment},
    saga::State,
    step::Failure,
};

impl Leases {
    /// Sets the row aside until a person decides, with an event of its payment. False when the lease was lost.
    pub(crate) async fn park(
        &self,
        (id, payment): (Uuid, PaymentId),
        lease: Lease,
        why: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        retry(|| async {
            let mut tx = self.db.begin().await?;
            let locked = lock_payment(&mut tx, payment, now).await?;
            let mut update = sql("UPDATE ");
            update.push(self.kind.table()).push(" SET lease = NULL, due_at = NULL WHERE id = ").push_bind(id);
            update.push(" AND lease = ").push_bind(lease.token);
            if update.execute(&mut tx).await? == 0 {
                return Ok(false);
            }
            sql("INSERT INTO parked_sagas (saga, id, payment_id, parked_at, reason) VALUES ($1, $2, $3, $4, $5)")
                .bind(self.kind.table())
                .bind(id)
                .bind(payment)
                .bind(now)
                .bind(why)
                .execute(&mut tx)
                .await?;
            let event = Event { kind: "parked", detail: self.kind.table().to_owned(), ..Event::default() };
            append(&mut tx, payment, locked.get("version")?, now, &event).await?;
            tx.commit().await?;
            Ok(true)
        })
        .await
    }
}

/// What came of compensating a payment.
#[derive(Debug)]
pub(crate) enum Compensated {
    /// It is being given back now, or was already.
    Yes,
    /// In this state, or while somebody works on it, that cannot be done; nothing was changed.
    No(State),
}

impl Store {
    /// Has workers go on with all that is parked of a payment. False when nothing is.
    pub(crate) async fn resume(
        &self,
        payment: PaymentId,
        by: UserId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        retry(|| async {
            let mut tx = self.db.begin().await?;
            let locked = lock_payment(&mut tx, payment, now).await?;
            let parked = unpark(&mut tx, payment).await?;
            if parked.is_empty() {
                return Ok(false);
            }
            for row in &parked {
                let kind: Kind = parsed(row, "saga")?;
                let mut update = sql("UPDATE ");
                // With no attempt of its own yet, but not as if the step had never been tried: taking it counts as one.
                update.push(kind.table()).push(" SET attempts = 0, due_at = ").push_bind(now);
                update.push(", updated_at = ").push_bind(now);
                update.push(" WHERE id = ").push_bind(row.get::<Uuid>("id")?);
                update.execute(&mut tx).await?;
            }
            let event = Event { kind: "resumed", detail: format!("by {by}"), ..Event::default() };
            append(&mut tx, payment, locked.get("version")?, now, &event).await?;
            tx.commit().await?;
            Ok(true)
        })
        .await
    }

    /// Turns a parked checkout round: what it did is undone from now on, because of `failure`.
    pub(crate) async fn compensate(
        &self,
        payment: PaymentId,
        by: UserId,
        failure: &Failure,
        now: Timestamp,
    ) -> Result<Compensated, StoreError> {
        retry(|| async {
            let mut tx = self.db.begin().await?;
            let locked = lock_payment(&mut tx, payment, now).await?;
            let payment = Payment::read(&locked)?;
            let Some(back) = payment.state.way_back() else {
                return Ok(if payment.failure.is_some() { Compensated::Yes } else { Compensated::No(payment.state) });
            };
            let parked = sql("DELETE FROM parked_sagas WHERE saga = $1 AND id = $2")
                .bind(Kind::Checkout.table())
                .bind(payment.id)
                .execute(&mut tx)
                .await?;
            if parked == 0 {
                return Ok(if back == payment.state { Compensated::Yes } else { Compensated::No(payment.state) });
            }
            let cause = payment.failure.as_ref().unwrap_or(failure);
            sql("UPDATE payments SET state = $2, failure_reason = $3, failure_code = $4, attempts = 0, due_at = $5, \
                 payment_token = NULL WHERE id = $1")
            .bind(payment.id)
            .bind(back.name())
            .bind(cause.reason.name())
            .bind(&cause.code)
            .bind(now)
            .execute(&mut tx)
            .await?;
            let event = Event { kind: "compensation_requested", detail: format!("by {by}"), ..Event::default() };
            append(&mut tx, payment.id, locked.get("version")?, now, &event).await?;
            tx.commit().await?;
            Ok(Compensated::Yes)
        })
        .await
    }
}

async fn unpark(tx: &mut Tx, payment: PaymentId) -> Result<Vec<Row>, StoreError> {
    let query = sql("DELETE FROM parked_sagas WHERE payment_id = $1 RETURNING saga, id");
    query.bind(payment).fetch_all(tx).await
}
