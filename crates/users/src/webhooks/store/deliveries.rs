//! The table `webhook_deliveries`.

use jiff::{SignedDuration, Timestamp};
use moviebooking_domain::id::version_7;
use moviebooking_store::{Db, Executor, Row, StoreError, Tx, Value, sql};
use uuid::Uuid;

use super::named;
use crate::webhooks::delivery::{Delivery, State};

/// How long who sends a message keeps others from it: longer than sending may take.
const LEASE: SignedDuration = SignedDuration::from_secs(60);
/// How long the log is kept.
const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Rows of one statement: engines bound how many values it may have.
const ROWS: usize = 500;

/// An event to be sent to a webhook.
#[derive(Clone, Debug)]
pub(crate) struct NewDelivery {
    pub(crate) id: Uuid,
    pub(crate) webhook: Uuid,
    pub(crate) event_id: String,
    pub(crate) event_type: String,
    pub(crate) payload: String,
}

/// Writes deliveries down, all or none, save those that are there already and those of webhooks that are gone.
pub(crate) async fn add(db: &Db, new: &[NewDelivery], now: Timestamp) -> Result<(), StoreError> {
    let mut tx = db.begin().await?;
    for rows in new.chunks(ROWS) {
        let mut insert =
            sql("INSERT INTO webhook_deliveries (id, webhook_id, event_id, event_type, payload, state, \
             attempts, due_at, response_status, error, duration_millis, created_at, updated_at) VALUES ");
        insert.push_rows(rows.iter().map(|row| -> [Value; 13] {
            [
                row.id.into(),
                row.webhook.into(),
                (&row.event_id).into(),
                (&row.event_type).into(),
                (&row.payload).into(),
                State::Pending.name().into(),
                0_i64.into(),
                now.into(),
                0_i64.into(),
                "".into(),
                0_i64.into(),
                now.into(),
                now.into(),
            ]
        }));
        insert.push(" ON CONFLICT (webhook_id, event_id) DO NOTHING");
        insert.execute(&mut tx).await?;
    }
    tx.commit().await
}

/// Takes up to `most` deliveries of a webhook that are due, for this process to send.
pub(crate) async fn claim(
    db: &Db,
    webhook: Uuid,
    most: usize,
    now: Timestamp,
) -> Result<Vec<Delivery>, StoreError> {
    let rows = sql("UPDATE webhook_deliveries SET lease = $1, due_at = $2 WHERE id IN \
         (SELECT id FROM webhook_deliveries WHERE webhook_id = $3 AND due_at <= $4 ORDER BY due_at, id LIMIT $5) \
         AND due_at <= $4 RETURNING *")
    .bind(Uuid::new_v4())
    .bind(now.saturating_add(LEASE).unwrap_or(Timestamp::MAX))
    .bind(webhook)
    .bind(now)
    .bind(i64::try_from(most).unwrap_or(i64::MAX))
    .fetch_all(db)
    .await?;
    rows.iter().map(read).collect()
}

/// Notes what sending came to. `false` when somebody else has sent it meanwhile, or nobody is to any more.
pub(crate) async fn sent(db: &Db, after: &Delivery) -> Result<bool, StoreError> {
    let updated = sql("UPDATE webhook_deliveries SET state = $3, attempts = $4, due_at = $5, lease = NULL, \
         response_status = $6, error = $7, duration_millis = $8, updated_at = $9 WHERE id = $1 AND lease = $2")
    .bind(after.id)
    .bind(after.lease)
    .bind(after.state.name())
    .bind(after.attempts)
    .bind(after.due_at)
    .bind(after.response_status)
    .bind(&after.error)
    .bind(after.duration_millis)
    .bind(after.updated_at)
    .execute(db)
    .await?;
    Ok(updated == 1)
}

/// Gives up all that waits for a webhook.
pub(crate) async fn give_up_all(
    tx: &mut Tx,
    webhook: Uuid,
    why: &'static str,
    now: Timestamp,
) -> Result<(), StoreError> {
    sql("UPDATE webhook_deliveries SET state = $2, due_at = NULL, lease = NULL, error = $3, updated_at = $4 \
         WHERE webhook_id = $1 AND due_at IS NOT NULL")
    .bind(webhook)
    .bind(State::Failed.name())
    .bind(why)
    .bind(now)
    .execute(tx)
    .await
    .map(drop)
}

/// Sends a delivery from the beginning again.
pub(crate) async fn replay(
    tx: &mut Tx,
    webhook: Uuid,
    id: Uuid,
    now: Timestamp,
) -> Result<Option<Delivery>, StoreError> {
    let row = sql(
        "UPDATE webhook_deliveries SET state = $3, attempts = 0, due_at = $4, lease = NULL, updated_at = $4 \
         WHERE id = $1 AND webhook_id = $2 RETURNING *",
    )
    .bind(id)
    .bind(webhook)
    .bind(State::Pending.name())
    .bind(now)
    .fetch_optional(tx)
    .await?;
    row.as_ref().map(read).transpose()
}

/// One delivery of a webhook.
pub(crate) async fn delivery(
    on: impl Into<Executor<'_>>,
    webhook: Uuid,
    id: Uuid,
) -> Result<Option<Delivery>, StoreError> {
    let query = sql("SELECT * FROM webhook_deliveries WHERE id = $1 AND webhook_id = $2");
    query.bind(id).bind(webhook).fetch_optional(on).await?.as_ref().map(read).transpose()
}

/// The log of a webhook, newest first.
pub(crate) async fn deliveries(
    db: &Db,
    webhook: Uuid,
    state: Option<State>,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Delivery>, StoreError> {
    let mut query = sql("SELECT * FROM webhook_deliveries WHERE webhook_id = $1 AND id < $2")
        .bind(webhook)
        .bind(before.unwrap_or(Uuid::max()));
    if let Some(state) = state {
        query.push(" AND state = ").push_bind(state.name());
    }
    query.push(" ORDER BY id DESC LIMIT ").push_bind(limit);
    query.fetch_all(db).await?.iter().map(read).collect()
}

/// The webhooks for which more than `most` deliveries wait.
pub(crate) async fn overfull(db: &Db, most: i64) -> Result<Vec<Uuid>, StoreError> {
    let query = sql("SELECT webhook_id FROM webhook_deliveries WHERE due_at IS NOT NULL \
         GROUP BY webhook_id HAVING COUNT(*) > $1");
    query.bind(most).fetch_all(db).await?.iter().map(|row| row.get("webhook_id")).collect()
}

/// Deletes up to `limit` ended deliveries that are older than [`KEPT`], and returns how many. Ids begin with their time.
pub(crate) async fn purge(db: &Db, now: Timestamp, limit: i64) -> Result<u64, StoreError> {
    let Ok(before) = now.checked_sub(KEPT) else { return Ok(0) };
    sql("DELETE FROM webhook_deliveries WHERE id IN \
         (SELECT id FROM webhook_deliveries WHERE id < $1 AND due_at IS NULL ORDER BY id LIMIT $2)")
    .bind(version_7(before))
    .bind(limit)
    .execute(db)
    .await
}

fn read(row: &Row) -> Result<Delivery, StoreError> {
    Ok(Delivery {
        id: row.get("id")?,
        webhook: row.get("webhook_id")?,
        event_id: row.get("event_id")?,
        event_type: row.get("event_type")?,
        payload: row.get("payload")?,
        state: named(row, "state", &State::ALL, State::name)?,
        attempts: row.get("attempts")?,
        due_at: row.get("due_at")?,
        lease: row.get("lease")?,
        response_status: row.get("response_status")?,
        error: row.get("error")?,
        duration_millis: row.get("duration_millis")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}
