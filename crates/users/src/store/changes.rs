//! Changes of accounts, each with its idempotency key in one transaction.

use jiff::Timestamp;
use moviebooking_domain::id::{TheaterId, UserId};
use moviebooking_events::outbox;
use moviebooking_proto::users::v1::{
    self as wire, AccountDeleted, AccountPasswordChanged, AccountRegistered, AccountRolesChanged,
    AccountUpdated,
};
use moviebooking_store::{Db, StoreError, Tx, idempotency::Request, sql};
use uuid::Uuid;

use super::{
    accounts::{self, NewAccount, account, columns},
    attempts,
};
use crate::{
    account::{Account, Roles},
    attempts::account_key,
    email::Email,
    error::Error,
    profile::ProfileChange,
    store::accounts::Credentials,
};

/// What became of a registration.
#[derive(Debug)]
pub(crate) enum Registered {
    /// The account was made.
    Now(Account),
    /// The same request made this account before.
    Before(UserId),
}

/// The account that the same request made before.
pub(crate) async fn registered(db: &Db, request: &Request) -> Result<Option<UserId>, Error> {
    let id = request.lookup::<String>(db).await?;
    Ok(id.as_deref().map(parse).transpose()?)
}

/// Makes an account.
///
/// # Errors
/// [`Error::EmailTaken`]
pub(crate) async fn register(
    db: &Db,
    request: &Request,
    new: &NewAccount,
    now: Timestamp,
) -> Result<Registered, Error> {
    let mut tx = db.begin().await?;
    if let Some(id) = request.begin::<String>(&mut tx, now).await? {
        return Ok(Registered::Before(parse(&id)?));
    }
    let account = insert(&mut tx, new, now).await?.ok_or(Error::EmailTaken)?;
    request.finish(&mut tx, &account.id.to_string()).await?;
    tx.commit().await?;
    Ok(Registered::Now(account))
}

/// Makes an admin's account by itself; `None` when its e-mail is taken.
pub(crate) async fn add_admin(
    db: &Db,
    new: &NewAccount,
    now: Timestamp,
) -> Result<Option<Account>, StoreError> {
    let mut tx = db.begin().await?;
    let account = insert(&mut tx, new, now).await?;
    tx.commit().await?;
    Ok(account)
}

/// Makes an account, and tells it; `None` when its e-mail is taken.
async fn insert(tx: &mut Tx, new: &NewAccount, now: Timestamp) -> Result<Option<Account>, StoreError> {
    let account = accounts::insert(tx, new, now).await?;
    if account.is_some() {
        outbox::append(tx, now, new.id, &AccountRegistered { user_id: new.id.to_string() }).await?;
    }
    Ok(account)
}

/// Changes name and e-mail.
///
/// # Errors
/// [`Error::UserNotFound`], [`Error::EmailTaken`], or the refusal of the etag.
pub(crate) async fn update_profile(
    db: &Db,
    request: &Request,
    change: &ProfileChange,
    now: Timestamp,
) -> Result<Account, Error> {
    let mut tx = db.begin().await?;
    if let Some(id) = request.begin::<String>(&mut tx, now).await? {
        return existing(&mut tx, parse(&id)?).await;
    }
    let row = sql(concat!(
        "UPDATE users SET display_name = COALESCE($2, display_name), email = COALESCE($3, email), \
         email_folded = COALESCE($4, email_folded), version = version + 1, updated_at = $5 \
         WHERE id = $1 AND deleted_at IS NULL AND ($6 = '' OR CAST(version AS TEXT) = $6) RETURNING ",
        columns!()
    ))
    .bind(change.id)
    .bind(change.display_name.as_deref())
    .bind(change.email.as_ref().map(Email::given))
    .bind(change.email.as_ref().map(Email::folded))
    .bind(now)
    .bind(&change.etag)
    .fetch_optional(&mut tx)
    .await
    .map_err(|error| match error.is_unique("users_email_folded_key") {
        true => Error::EmailTaken,
        false => error.into(),
    })?;
    let Some(row) = row else {
        let account = existing(&mut tx, change.id).await?;
        moviebooking_fields::etag(&change.etag, account.version)?;
        return Err(Error::UserNotFound);
    };
    let account = account(&row)?;
    outbox::append(&mut tx, now, account.id, &AccountUpdated { user_id: account.id.to_string() }).await?;
    request.finish(&mut tx, &account.id.to_string()).await?;
    tx.commit().await?;
    Ok(account)
}

/// Replaces the password hash and revokes all sessions. `false` means that the same request did it before.
///
/// # Errors
/// [`Error::WrongCurrentPassword`] when the password is not the one in `old` any more.
pub(crate) async fn change_password(
    db: &Db,
    request: &Request,
    old: &Credentials,
    new_hash: &str,
    now: Timestamp,
) -> Result<bool, Error> {
    let mut tx = db.begin().await?;
    if request.begin::<()>(&mut tx, now).await?.is_some() {
        return Ok(false);
    }
    let changed = sql("UPDATE users SET password_hash = $3, version = version + 1, updated_at = $4 \
         WHERE id = $1 AND password_hash = $2")
    .bind(old.id)
    .bind(&old.password_hash)
    .bind(new_hash)
    .bind(now)
    .execute(&mut tx)
    .await?;
    if changed == 0 {
        return Err(Error::WrongCurrentPassword);
    }
    sql("UPDATE sessions SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL")
        .bind(old.id)
        .bind(now)
        .execute(&mut tx)
        .await?;
    outbox::append(&mut tx, now, old.id, &AccountPasswordChanged { user_id: old.id.to_string() }).await?;
    request.finish(&mut tx, &()).await?;
    tx.commit().await?;
    Ok(true)
}

/// Erases all that is personal in an account, and its sessions.
///
/// # Errors
/// [`Error::UserNotFound`], [`Error::LastAdmin`], [`Error::NoLongerAdmin`] when the caller acts as one on another's
/// account.
pub(crate) async fn erase(
    db: &Db,
    request: &Request,
    caller: UserId,
    id: UserId,
    now: Timestamp,
) -> Result<(), Error> {
    let mut tx = db.begin().await?;
    if request.begin::<()>(&mut tx, now).await?.is_some() {
        return Ok(());
    }
    let admins = Admins::lock(&mut tx, caller, id).await?;
    if caller != id && !admins.caller {
        return Err(Error::NoLongerAdmin);
    }
    admins.may_lose_target()?;
    let row = sql("SELECT email, email_folded FROM users WHERE id = $1 AND deleted_at IS NULL")
        .bind(id)
        .fetch_optional(&mut tx)
        .await?
        .ok_or(Error::UserNotFound)?;
    let email = Email::stored(row.get("email")?, row.get("email_folded")?);
    let erased = sql("UPDATE users SET email = NULL, email_folded = NULL, display_name = NULL, \
         password_hash = NULL, admin = FALSE, staff_of = '', version = version + 1, updated_at = $2, deleted_at = $2 \
         WHERE id = $1 AND deleted_at IS NULL")
    .bind(id)
    .bind(now)
    .execute(&mut tx)
    .await?;
    if erased == 0 {
        return Err(Error::UserNotFound);
    }
    sql("DELETE FROM sessions WHERE user_id = $1").bind(id).execute(&mut tx).await?;
    outbox::append(&mut tx, now, id, &AccountDeleted { user_id: id.to_string() }).await?;
    request.finish(&mut tx, &()).await?;
    attempts::forget((&mut tx).into(), &account_key(&email)).await?;
    tx.commit().await?;
    Ok(())
}

/// Replaces the roles of an account.
///
/// # Errors
/// [`Error::UserNotFound`], [`Error::LastAdmin`], [`Error::NoLongerAdmin`]
pub(crate) async fn set_roles(
    db: &Db,
    request: &Request,
    caller: UserId,
    id: UserId,
    roles: &Roles,
    now: Timestamp,
) -> Result<Account, Error> {
    let mut tx = db.begin().await?;
    if let Some(id) = request.begin::<String>(&mut tx, now).await? {
        return existing(&mut tx, parse(&id)?).await;
    }
    let admins = Admins::lock(&mut tx, caller, id).await?;
    if !admins.caller {
        return Err(Error::NoLongerAdmin);
    }
    if !roles.admin {
        admins.may_lose_target()?;
    }
    let staff_of: Vec<String> = roles.staff_of().iter().map(TheaterId::to_string).collect();
    let row = sql(concat!(
        "UPDATE users SET admin = $2, staff_of = $3, version = version + 1, updated_at = $4 \
         WHERE id = $1 AND deleted_at IS NULL RETURNING ",
        columns!()
    ))
    .bind(id)
    .bind(roles.admin)
    .bind(staff_of.join(" "))
    .bind(now)
    .fetch_optional(&mut tx)
    .await?;
    let account = account(&row.ok_or(Error::UserNotFound)?)?;
    let told = AccountRolesChanged {
        user_id: id.to_string(),
        roles: Some(wire::Roles { admin: roles.admin, staff_of_theaters: staff_of }),
    };
    outbox::append(&mut tx, now, id, &told).await?;
    request.finish(&mut tx, &account.id.to_string()).await?;
    tx.commit().await?;
    Ok(account)
}

/// Who is an admin, while nobody else changes it.
struct Admins {
    caller: bool,
    target: bool,
    others: bool,
}

impl Admins {
    /// Waits for whoever changes it, and keeps others waiting until the transaction ends.
    async fn lock(tx: &mut Tx, caller: UserId, target: UserId) -> Result<Self, StoreError> {
        tx.lock("admins", "").await?;
        let row = sql(
            "SELECT COUNT(*) FILTER (WHERE id = $1) AS caller, COUNT(*) FILTER (WHERE id = $2) AS target, \
             COUNT(*) FILTER (WHERE id <> $2) AS others FROM users WHERE admin",
        )
        .bind(caller)
        .bind(target)
        .fetch_one(tx)
        .await?;
        let any = |column| row.get::<i64>(column).map(|count| count > 0);
        Ok(Self { caller: any("caller")?, target: any("target")?, others: any("others")? })
    }

    /// Whether an admin is left when the target is none.
    fn may_lose_target(&self) -> Result<(), Error> {
        if self.target && !self.others { Err(Error::LastAdmin) } else { Ok(()) }
    }
}

/// The account, unless it is deleted.
async fn existing(tx: &mut Tx, id: UserId) -> Result<Account, Error> {
    let account = accounts::find_in(tx, id).await?;
    account.filter(|account| account.deleted_at.is_none()).ok_or(Error::UserNotFound)
}

/// The id that was stored as the answer to a request.
fn parse(id: &str) -> Result<UserId, StoreError> {
    Uuid::try_parse(id)
        .map(UserId::from)
        .map_err(|error| StoreError::Corrupt { column: "response".to_owned(), source: error.into() })
}
