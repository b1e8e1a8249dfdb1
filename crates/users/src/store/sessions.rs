//! Sessions and their refresh tokens.

use jiff::Timestamp;
use moviebooking_domain::id::{SessionId, UserId};
use moviebooking_store::{Db, StoreError, Tx, sql};

use super::accounts::{self, Credentials, account, columns};
use crate::{account::Account, refresh_token::RefreshToken};

/// What became of a refresh token that was presented.
#[derive(Debug)]
pub(crate) enum Rotation {
    /// It was traded for the next one.
    Done(SessionId, Account),
    /// It is not known, or not valid any more.
    Refused,
    /// It had been traded before: its session is revoked now.
    Reused(SessionId),
}

/// Begins a session, if the account's password is still the one in `credentials`; else the answer is `None`. The
/// password's hash becomes `hash`, the same again or a newer one: writing the row makes signing in and a change of the
/// password take turns, so that no session of the old password survives the change.
pub(crate) async fn sign_in(
    db: &Db,
    credentials: &Credentials,
    hash: &str,
    session: SessionId,
    token: &RefreshToken,
    now: Timestamp,
) -> Result<Option<Account>, StoreError> {
    let mut tx = db.begin().await?;
    let row = sql(concat!(
        "UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2 RETURNING ",
        columns!()
    ))
    .bind(credentials.id)
    .bind(&credentials.password_hash)
    .bind(hash)
    .fetch_optional(&mut tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    sql("INSERT INTO sessions (id, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4)")
        .bind(session)
        .bind(credentials.id)
        .bind(now)
        .bind(RefreshToken::expire_time(now))
        .execute(&mut tx)
        .await?;
    add_token(&mut tx, session, token, now).await?;
    tx.commit().await?;
    account(&row).map(Some)
}

/// Trades the token with the digest `presented` for `next`.
pub(crate) async fn rotate(
    db: &Db,
    presented: [u8; 32],
    next: &RefreshToken,
    now: Timestamp,
) -> Result<Rotation, StoreError> {
    let mut tx = db.begin().await?;
    // Writing the session's row makes all who present tokens of it take turns.
    let session = sql("UPDATE sessions SET expires_at = $2 WHERE revoked_at IS NULL \
         AND id = (SELECT session_id FROM refresh_tokens WHERE hash = $1) RETURNING id, user_id")
    .bind(presented)
    .bind(RefreshToken::expire_time(now))
    .fetch_optional(&mut tx)
    .await?;
    let Some(session) = session else { return Ok(Rotation::Refused) };
    let (session, user): (SessionId, UserId) = (session.get("id")?, session.get("user_id")?);
    let traded =
        sql("UPDATE refresh_tokens SET used_at = $2 WHERE hash = $1 AND used_at IS NULL AND expires_at > $2")
            .bind(presented)
            .bind(now)
            .execute(&mut tx)
            .await?;
    if traded == 0 {
        return refuse(tx, presented, session, now).await;
    }
    add_token(&mut tx, session, next, now).await?;
    let account = accounts::find_in(&mut tx, user).await?;
    let Some(account) = account.filter(|account| account.deleted_at.is_none()) else {
        return Ok(Rotation::Refused);
    };
    tx.commit().await?;
    Ok(Rotation::Done(session, account))
}

/// Tells a token that was used before, which revokes the session, from one that has merely expired.
async fn refuse(
    mut tx: Tx,
    presented: [u8; 32],
    session: SessionId,
    now: Timestamp,
) -> Result<Rotation, StoreError> {
    let token = sql("SELECT used_at FROM refresh_tokens WHERE hash = $1").bind(presented);
    let used_at: Option<Timestamp> = token.fetch_one(&mut tx).await?.get("used_at")?;
    if used_at.is_none() {
        return Ok(Rotation::Refused);
    }
    sql("UPDATE sessions SET revoked_at = $2 WHERE id = $1").bind(session).bind(now).execute(&mut tx).await?;
    tx.commit().await?;
    Ok(Rotation::Reused(session))
}

/// Revokes the session that a token belongs to, if there is one.
pub(crate) async fn revoke(db: &Db, presented: [u8; 32], now: Timestamp) -> Result<(), StoreError> {
    sql("UPDATE sessions SET revoked_at = $2 WHERE revoked_at IS NULL \
         AND id = (SELECT session_id FROM refresh_tokens WHERE hash = $1)")
    .bind(presented)
    .bind(now)
    .execute(db)
    .await
    .map(drop)
}

/// Deletes up to `limit` expired tokens, and returns how many.
pub(crate) async fn purge_tokens(db: &Db, now: Timestamp, limit: i64) -> Result<u64, StoreError> {
    sql("DELETE FROM refresh_tokens WHERE hash IN \
         (SELECT hash FROM refresh_tokens WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)")
    .bind(now)
    .bind(limit)
    .execute(db)
    .await
}

/// Deletes up to `limit` sessions whose newest token has expired, and returns how many.
pub(crate) async fn purge(db: &Db, now: Timestamp, limit: i64) -> Result<u64, StoreError> {
    sql("DELETE FROM sessions WHERE id IN \
         (SELECT id FROM sessions WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)")
    .bind(now)
    .bind(limit)
    .execute(db)
    .await
}

async fn add_token(
    tx: &mut Tx,
    session: SessionId,
    token: &RefreshToken,
    now: Timestamp,
) -> Result<(), StoreError> {
    sql("INSERT INTO refresh_tokens (hash, session_id, expires_at) VALUES ($1, $2, $3)")
        .bind(token.digest())
        .bind(session)
        .bind(RefreshToken::expire_time(now))
        .execute(tx)
        .await
        .map(drop)
}
