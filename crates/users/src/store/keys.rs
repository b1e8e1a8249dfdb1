//! The keys that access tokens are signed with.

use jiff::{SignedDuration, Timestamp};
use moviebooking_auth::{ACCESS_TOKEN_LIFETIME, SigningKey};
use moviebooking_domain::id::version_7;
use moviebooking_store::{Db, Executor, Row, Tx, sql};

use crate::error::Error;

/// How long a key is published before it signs, so that every process has seen it by then; and how long after it
/// signed last it stays beyond the life of its tokens, for clocks that differ.
pub(crate) const OVERLAP: SignedDuration = SignedDuration::from_mins(10);

/// A key and when it begins to sign.
pub(crate) struct Key {
    pub(crate) signing: SigningKey,
    pub(crate) signs_from: Timestamp,
}

/// When there is to be a new key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rotation {
    /// When the last has signed for this long.
    After(SignedDuration),
    /// Now; it signs when every process has seen it.
    Now,
    /// Now, and it signs at once; no other is valid any more.
    Compromised,
}

/// The keys as they are.
pub(crate) async fn all<'a>(on: impl Into<Executor<'a>>) -> Result<Vec<Key>, Error> {
    let rows =
        sql("SELECT id, pkcs8, signs_from FROM signing_keys ORDER BY signs_from, id").fetch_all(on).await?;
    rows.iter().map(key).collect()
}

/// The keys that may still verify a token, in the order in which they sign. Makes the first one, or the next one when
/// that is due, and deletes those that no valid token was signed with. Processes that do it at the same time take turns.
pub(crate) async fn rotate(db: &Db, rotation: Rotation, now: Timestamp) -> Result<Vec<Key>, Error> {
    let mut tx = db.begin().await?;
    tx.lock("signing_keys", "").await?;
    let mut keys = all(&mut tx).await?;
    if rotation == Rotation::Compromised {
        sql("DELETE FROM signing_keys").execute(&mut tx).await?;
        keys.clear();
    }
    if let Some(signs_from) = next(keys.last(), rotation, now) {
        keys.push(add(&mut tx, signs_from, now).await?);
    }
    while let [first, second, ..] = keys.as_slice()
        && is_over(second, now)
    {
        sql("DELETE FROM signing_keys WHERE id = $1").bind(first.signing.id()).execute(&mut tx).await?;
        keys.remove(0);
    }
    tx.commit().await?;
    Ok(keys)
}

/// When a new key is to sign, if it is time to make one.
fn next(last: Option<&Key>, rotation: Rotation, now: Timestamp) -> Option<Timestamp> {
    let Some(last) = last else { return Some(now) };
    let published = now.saturating_add(OVERLAP).ok()?;
    let is_due = match rotation {
        Rotation::After(period) => published.duration_since(last.signs_from) >= period,
        Rotation::Now | Rotation::Compromised => true,
    };
    is_due.then_some(published)
}

/// Whether no token is valid that the predecessor of this key signed.
fn is_over(successor: &Key, now: Timestamp) -> bool {
    let lifetime = SignedDuration::try_from(ACCESS_TOKEN_LIFETIME).unwrap_or(SignedDuration::MAX);
    now.duration_since(successor.signs_from) > lifetime.saturating_add(OVERLAP)
}

async fn add(tx: &mut Tx, signs_from: Timestamp, now: Timestamp) -> Result<Key, Error> {
    let signing = SigningKey::generate(version_7(now).to_string())?;
    sql("INSERT INTO signing_keys (id, pkcs8, created_at, signs_from) VALUES ($1, $2, $3, $4)")
        .bind(signing.id())
        .bind(signing.pkcs8())
        .bind(now)
        .bind(signs_from)
        .execute(tx)
        .await?;
    tracing::info!(key = signing.id(), %signs_from, "made a key for access tokens");
    Ok(Key { signing, signs_from })
}

fn key(row: &Row) -> Result<Key, Error> {
    let (id, pkcs8): (String, Vec<u8>) = (row.get("id")?, row.get("pkcs8")?);
    Ok(Key { signing: SigningKey::from_pkcs8(id, pkcs8)?, signs_from: row.get("signs_from")? })
}
