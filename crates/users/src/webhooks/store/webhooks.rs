//! The table `webhooks`.

use jiff::Timestamp;
use moviebooking_store::{Db, Executor, Row, StoreError, Tx, sql};
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

use super::{give_up_all, named};
use crate::webhooks::webhook::{Disabled, MOST_WEBHOOKS, Webhook};

/// How exactly it is known when something was taken last, in seconds: not every delivery is worth a write.
const EXACT: i64 = 60;

/// All webhooks in the order of their ids, which is that of their creation.
pub(crate) async fn list(db: &Db, after: Option<Uuid>, limit: i64) -> Result<Vec<Webhook>, StoreError> {
    sql("SELECT * FROM webhooks WHERE id > $1 ORDER BY id LIMIT $2")
        .bind(after.unwrap_or(Uuid::nil()))
        .bind(limit)
        .fetch_all(db)
        .await?
        .iter()
        .map(webhook)
        .collect()
}

/// Those that events are sent to.
pub(crate) async fn enabled(db: &Db) -> Result<Vec<Webhook>, StoreError> {
    let query = sql("SELECT * FROM webhooks WHERE disabled_reason = '' LIMIT $1");
    query.bind(MOST_WEBHOOKS).fetch_all(db).await?.iter().map(webhook).collect()
}

pub(crate) async fn find(on: impl Into<Executor<'_>>, id: Uuid) -> Result<Option<Webhook>, StoreError> {
    let row = sql("SELECT * FROM webhooks WHERE id = $1").bind(id).fetch_optional(on).await?;
    row.as_ref().map(webhook).transpose()
}

pub(crate) async fn count(tx: &mut Tx) -> Result<i64, StoreError> {
    sql("SELECT COUNT(*) AS count FROM webhooks").fetch_one(tx).await?.get("count")
}

pub(crate) async fn insert(tx: &mut Tx, webhook: &Webhook) -> Result<(), StoreError> {
    sql("INSERT INTO webhooks (id, url, event_types, description, disabled_reason, secret, created_at, updated_at, \
         version) VALUES ($1, $2, $3, $4, '', $5, $6, $7, $8)")
    .bind(webhook.id)
    .bind(&webhook.url)
    .bind(webhook.event_types.join("\n"))
    .bind(&webhook.description)
    .bind(webhook.secret.expose_secret())
    .bind(webhook.created_at)
    .bind(webhook.updated_at)
    .bind(webhook.version)
    .execute(tx)
    .await
    .map(drop)
}

/// Writes what admins change.
pub(crate) async fn update(tx: &mut Tx, webhook: &Webhook) -> Result<(), StoreError> {
    let old = webhook.old_secret.as_ref();
    sql("UPDATE webhooks SET url = $2, event_types = $3, description = $4, disabled_reason = $5, secret = $6, \
         old_secret = $7, old_secret_until = $8, updated_at = $9, version = $10 WHERE id = $1")
    .bind(webhook.id)
    .bind(&webhook.url)
    .bind(webhook.event_types.join("\n"))
    .bind(&webhook.description)
    .bind(webhook.disabled.map_or("", Disabled::name))
    .bind(webhook.secret.expose_secret())
    .bind(old.map(|(secret, _)| secret.expose_secret()))
    .bind(old.map(|(_, until)| *until))
    .bind(webhook.updated_at)
    .bind(webhook.version)
    .execute(tx)
    .await
    .map(drop)
}

/// Forgets a webhook and its log. `false` when there is none.
pub(crate) async fn delete(tx: &mut Tx, id: Uuid) -> Result<bool, StoreError> {
    sql("DELETE FROM webhook_deliveries WHERE webhook_id = $1").bind(id).execute(&mut *tx).await?;
    Ok(sql("DELETE FROM webhooks WHERE id = $1").bind(id).execute(tx).await? == 1)
}

/// Notes that a message was taken.
pub(crate) async fn succeeded(db: &Db, id: Uuid, now: Timestamp) -> Result<(), StoreError> {
    let seen = Timestamp::from_second(now.as_second() - EXACT).unwrap_or(Timestamp::UNIX_EPOCH);
    sql("UPDATE webhooks SET last_success_at = $2 WHERE id = $1 AND (last_success_at IS NULL OR last_success_at < $3)")
        .bind(id)
        .bind(now)
        .bind(seen)
        .execute(db)
        .await
        .map(drop)
}

/// Sends a webhook nothing any more, unless something was taken after `taken_since`. `false` when nothing is changed.
pub(crate) async fn disable(
    db: &Db,
    id: Uuid,
    reason: Disabled,
    taken_since: Option<Timestamp>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let mut tx = db.begin().await?;
    tx.lock("webhook", id).await?;
    let disabled = sql("UPDATE webhooks SET disabled_reason = $2, updated_at = $3, version = version + 1 \
         WHERE id = $1 AND disabled_reason = '' AND ($4 IS NULL OR last_success_at IS NULL OR last_success_at <= $4)")
    .bind(id)
    .bind(reason.name())
    .bind(now)
    .bind(taken_since)
    .execute(&mut tx)
    .await?;
    if disabled == 1 {
        give_up_all(&mut tx, id, "the webhook was stopped", now).await?;
        tx.commit().await?;
    }
    Ok(disabled == 1)
}

fn webhook(row: &Row) -> Result<Webhook, StoreError> {
    let lines = |text: String| text.lines().map(str::to_owned).collect();
    let old: Option<String> = row.get("old_secret")?;
    let is_disabled = !row.get::<String>("disabled_reason")?.is_empty();
    Ok(Webhook {
        id: row.get("id")?,
        url: row.get("url")?,
        event_types: lines(row.get("event_types")?),
        description: row.get("description")?,
        disabled: match is_disabled {
            true => Some(named(row, "disabled_reason", &Disabled::ALL, Disabled::name)?),
            false => None,
        },
        secret: SecretString::from(row.get::<String>("secret")?),
        old_secret: old.map(SecretString::from).zip(row.get("old_secret_until")?),
        last_success_at: row.get("last_success_at")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
        version: row.get("version")?,
    })
}
