//! What providers told, each event once.

use jiff::{SignedDuration, Timestamp};
use moviebooking_domain::id::PaymentId;
use moviebooking_proto::payments::v1::webhook_receipt::Outcome;
use moviebooking_store::{StoreError, Tx, retry, sql};

use super::{Store, append};
use crate::{
    payment::Event,
    provider::{Happened, Notice},
};

/// How long events are remembered: providers repeat them for some days.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(30 * 24);

impl Store {
    /// Acts on an event, and remembers it, in one transaction.
    pub(crate) async fn apply_notice(
        &self,
        provider: &str,
        notice: &Notice,
        now: Timestamp,
    ) -> Result<Outcome, StoreError> {
        // Most repetitions end here, without a write.
        let seen = sql("SELECT 1 AS seen FROM provider_events WHERE provider = $1 AND event_id = $2");
        if seen.bind(provider).bind(&notice.id).fetch_optional(&self.db).await?.is_some() {
            return Ok(Outcome::Duplicate);
        }
        retry(|| async {
            let mut tx = self.db.begin().await?;
            let inserted =
                sql("INSERT INTO provider_events (provider, event_id, kind, payment_id, received_at) \
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT (provider, event_id) DO NOTHING")
                .bind(provider)
                .bind(&notice.id)
                .bind(&notice.kind)
                .bind(notice.payment)
                .bind(now)
                .execute(&mut tx)
                .await?;
            if inserted == 0 {
                return Ok(Outcome::Duplicate);
            }
            let applied = match (&notice.happened, notice.payment) {
                (Happened::Changed, Some(payment)) => wake(&mut tx, provider, payment, now).await?,
                (Happened::RefundFailed { code, .. }, Some(payment)) => {
                    let event = Event { kind: "refund_failed", detail: code.clone(), ..Event::default() };
                    note(&mut tx, provider, payment, now, &event).await?
                }
                _ => false,
            };
            tx.commit().await?;
            Ok(if applied { Outcome::Applied } else { Outcome::Ignored })
        })
        .await
    }

    /// Forgets events that no provider repeats any more.
    pub(crate) async fn forget_notices(&self, now: Timestamp) -> Result<u64, StoreError> {
        let before = now.checked_sub(REMEMBERED).unwrap_or(Timestamp::MIN);
        sql("DELETE FROM provider_events WHERE received_at < $1").bind(before).execute(&self.db).await
    }
}

/// Makes an unfinished payment due or, while somebody works on it, lets them leave it due. True when there was one.
async fn wake(tx: &mut Tx, provider: &str, payment: PaymentId, now: Timestamp) -> Result<bool, StoreError> {
    let woken = sql("UPDATE payments SET woken = lease IS NOT NULL, \
         due_at = CASE WHEN lease IS NULL THEN $3 ELSE due_at END \
         WHERE id = $1 AND provider = $2 AND due_at IS NOT NULL")
    .bind(payment)
    .bind(provider)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(woken == 1)
}

/// Adds to the history of a payment. True when there is one.
async fn note(
    tx: &mut Tx,
    provider: &str,
    payment: PaymentId,
    now: Timestamp,
    event: &Event,
) -> Result<bool, StoreError> {
    let row = sql("UPDATE payments SET version = version + 1, updated_at = $3 \
         WHERE id = $1 AND provider = $2 RETURNING version")
    .bind(payment)
    .bind(provider)
    .bind(now)
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else { return Ok(false) };
    append(tx, payment, row.get("version")?, now, event).await?;
    Ok(true)
}
