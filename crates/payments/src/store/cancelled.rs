//! Cancelled showtimes and what is left to refund of them.

use moviebooking_domain::{
    id::{PaymentId, ShowtimeId},
    money::Money,
};
use moviebooking_events::outbox;
use moviebooking_fields::to_money;
use moviebooking_proto::payments::v1::{ShowtimeRefunded, ShowtimeRefundsRequested};
use moviebooking_store::{Executor, Row, StoreError, retry, sql};

use super::{Lease, Store, currency, exchanges, parsed};
use crate::{
    cancellation::{CancelledShowtime, Progress},
    refund, saga,
};

impl Store {
    /// Adds a cancelled showtime, if it is not there already, and tells of it.
    pub(crate) async fn add_cancelled(&self, showtime: &CancelledShowtime) -> Result<(), StoreError> {
        retry(|| async {
            let mut tx = self.db.begin().await?;
            let added = sql("INSERT INTO cancelled_showtimes \
                 (id, theater_id, state, created_at, updated_at, due_at, lease, attempts) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING")
            .bind(showtime.id)
            .bind(showtime.theater_id)
            .bind(showtime.state.name())
            .bind(showtime.created_at)
            .bind(showtime.updated_at)
            .bind(showtime.lease.due_at)
            .bind(showtime.lease.token)
            .bind(showtime.lease.attempts)
            .execute(&mut tx)
            .await?;
            if added == 1 {
                let told = ShowtimeRefundsRequested {
                    showtime_id: showtime.id.to_string(),
                    theater_id: showtime.theater_id.to_string(),
                };
                outbox::append(&mut tx, showtime.created_at, showtime.id, &told).await?;
            }
            tx.commit().await
        })
        .await
    }

    /// A cancelled showtime.
    pub(crate) async fn cancelled(&self, id: ShowtimeId) -> Result<Option<CancelledShowtime>, StoreError> {
        let query = sql("SELECT * FROM cancelled_showtimes WHERE id = $1").bind(id);
        query.fetch_optional(&self.db).await?.as_ref().map(CancelledShowtime::read).transpose()
    }

    /// Writes down that all is paid back, and tells of it. False when `before` is no longer what the database has, or its
    /// lease was lost.
    pub(crate) async fn finish_cancelled(
        &self,
        before: &CancelledShowtime,
        after: &CancelledShowtime,
    ) -> Result<bool, StoreError> {
        retry(|| async {
            let mut tx = self.db.begin().await?;
            let updated =
                sql("UPDATE cancelled_showtimes SET state = $4, updated_at = $5, lease = $6, due_at = $7, \
                 attempts = $8 WHERE id = $1 AND state = $2 AND lease = $3")
                .bind(before.id)
                .bind(before.state.name())
                .bind(before.lease.token)
                .bind(after.state.name())
                .bind(after.updated_at)
                .bind(after.lease.token)
                .bind(after.lease.due_at)
                .bind(after.lease.attempts)
                .execute(&mut tx)
                .await?;
            if updated == 0 {
                return Ok(false);
            }
            let progress = progress(&mut tx, after.clone()).await?;
            let told = ShowtimeRefunded {
                showtime_id: after.id.to_string(),
                theater_id: after.theater_id.to_string(),
                payment_count: i32::try_from(progress.payments).unwrap_or(i32::MAX),
                refunded: progress.refunded.map(to_money),
            };
            outbox::append(&mut tx, after.updated_at, after.id, &told).await?;
            tx.commit().await?;
            Ok(true)
        })
        .await
    }

    /// Payments for a showtime with tickets that no refund takes back.
    pub(crate) async fn payments_to_refund(
        &self,
        showtime: ShowtimeId,
        most: i64,
    ) -> Result<Vec<PaymentId>, StoreError> {
        let mut query =
            sql("SELECT p.id FROM payments p WHERE p.showtime_id = $1 AND p.completed_at IS NOT NULL \
             AND EXISTS (SELECT 1 FROM payment_tickets t WHERE t.payment_id = p.id AND t.refund_id IS NULL) \
             AND NOT EXISTS (SELECT 1 FROM refunds r WHERE r.payment_id = p.id AND r.state IN ")
            .bind(showtime);
        query.push_list(open_refunds()).push(") ORDER BY p.id LIMIT ").push_bind(most);
        query.fetch_all(&self.db).await?.iter().map(|row| row.get("id")).collect()
    }

    /// How far the refunds of a cancelled showtime are.
    pub(crate) async fn progress(&self, showtime: CancelledShowtime) -> Result<Progress, StoreError> {
        progress(&self.db, showtime).await
    }
}

async fn progress(on: impl Into<Executor<'_>>, showtime: CancelledShowtime) -> Result<Progress, StoreError> {
    let mut query = sql("SELECT COUNT(*) FILTER (WHERE p.completed_at IS NOT NULL) AS payments, \
         COUNT(*) FILTER (WHERE p.completed_at IS NOT NULL AND (p.open_tickets > 0 OR p.open_refunds > 0)) AS waiting, \
         COUNT(*) FILTER (WHERE p.state IN ");
    query.push_list(open_payments());
    query.push(") AS checkouts, CAST(COALESCE(SUM(p.open_refunds), 0) AS BIGINT) AS refunds, \
         CAST(COALESCE(SUM(p.refunded), 0) AS BIGINT) AS refunded, MIN(p.currency) AS currency FROM (\
         SELECT q.state, q.completed_at, q.refunded, q.currency, \
         (SELECT COUNT(*) FROM payment_tickets t WHERE t.payment_id = q.id AND t.refund_id IS NULL) AS open_tickets, \
         (SELECT COUNT(*) FROM refunds r WHERE (r.payment_id = q.id \
         OR (r.requested_by = q.id AND r.request_id <> '");
    // The payment from which tickets were exchanged pays its share back at the request of the one for the new tickets.
    query.push(exchanges::TAKING_BACK).push("')) AND r.state IN ");
    query.push_list(open_refunds()).push(") AS open_refunds FROM payments q WHERE q.showtime_id = ");
    query.push_bind(showtime.id).push(") p");
    let row = query.fetch_one(on).await?;
    let (checkouts, refunds): (u32, u32) = (row.get("checkouts")?, row.get("refunds")?);
    let bought: Option<String> = row.get("currency")?;
    let refunded = match bought {
        Some(_) => Some(Money::new(row.get("refunded")?, currency(&row)?)),
        None => None,
    };
    Ok(Progress {
        showtime,
        payments: row.get("payments")?,
        waiting: row.get("waiting")?,
        under_way: checkouts.saturating_add(refunds),
        refunded,
    })
}

impl CancelledShowtime {
    /// A row of `cancelled_showtimes`.
    pub(crate) fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get("id")?,
            theater_id: row.get("theater_id")?,
            state: parsed(row, "state")?,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
            lease: Lease::read(row)?,
        })
    }
}

/// The states of payments that have not ended.
fn open_payments() -> impl Iterator<Item = &'static str> {
    saga::State::ALL.iter().filter(|state| state.step().is_some()).map(|state| state.name())
}

/// The states of refunds that have not ended.
fn open_refunds() -> impl Iterator<Item = &'static str> {
    refund::State::ALL.iter().filter(|state| !state.is_end()).map(|state| state.name())
}
