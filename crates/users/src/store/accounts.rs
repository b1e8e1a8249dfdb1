//! Accounts: read, and made.

use jiff::Timestamp;
use moviebooking_domain::id::{TheaterId, UserId};
use moviebooking_store::{Db, Row, Sql, StoreError, Tx, sql};
use uuid::Uuid;

use crate::{
    account::{Account, Roles},
    email::Email,
};

/// The columns of an [`Account`].
macro_rules! columns {
    () => {
        "id, email, display_name, admin, staff_of, version, created_at, updated_at, deleted_at"
    };
}
pub(super) use columns;

/// What signing in needs of an account that is not deleted.
#[derive(Debug)]
pub(crate) struct Credentials {
    pub(crate) id: UserId,
    pub(crate) email: Email,
    pub(crate) password_hash: String,
}

/// An account to be made.
#[derive(Debug)]
pub(crate) struct NewAccount {
    pub(crate) id: UserId,
    pub(crate) email: Email,
    pub(crate) display_name: String,
    pub(crate) password_hash: String,
    pub(crate) admin: bool,
}

/// The account with this id, deleted or not.
pub(crate) async fn find(db: &Db, id: UserId) -> Result<Option<Account>, StoreError> {
    by_id(id).fetch_optional(db).await?.as_ref().map(account).transpose()
}

/// The account with this id, deleted or not, as the transaction sees it.
pub(super) async fn find_in(tx: &mut Tx, id: UserId) -> Result<Option<Account>, StoreError> {
    by_id(id).fetch_optional(tx).await?.as_ref().map(account).transpose()
}

fn by_id(id: UserId) -> Sql {
    sql(concat!("SELECT ", columns!(), " FROM users WHERE id = $1")).bind(id)
}

/// All accounts in the order of their ids, which is that of their creation; with an e-mail the one that has it.
pub(crate) async fn list(
    db: &Db,
    email: Option<&Email>,
    after: Option<UserId>,
    limit: i64,
) -> Result<Vec<Account>, StoreError> {
    // The first UUID of all stands for the beginning of the list.
    let mut query = sql(concat!("SELECT ", columns!(), " FROM users WHERE id > $1"))
        .bind(after.map_or(Uuid::nil(), UserId::uuid));
    if let Some(email) = email {
        query.push(" AND email_folded = ").push_bind(email.folded());
    }
    query.push(" ORDER BY id LIMIT ").push_bind(limit);
    query.fetch_all(db).await?.iter().map(account).collect()
}

/// The credentials of the account with this e-mail.
pub(crate) async fn credentials_of_email(db: &Db, email: &Email) -> Result<Option<Credentials>, StoreError> {
    let query = sql("SELECT id, email, email_folded, password_hash FROM users WHERE email_folded = $1");
    query.bind(email.folded()).fetch_optional(db).await?.as_ref().map(credentials).transpose()
}

/// The credentials of the account with this id, unless it is deleted.
pub(crate) async fn credentials_of(db: &Db, id: UserId) -> Result<Option<Credentials>, StoreError> {
    let query =
        sql("SELECT id, email, email_folded, password_hash FROM users WHERE id = $1 AND deleted_at IS NULL");
    query.bind(id).fetch_optional(db).await?.as_ref().map(credentials).transpose()
}

/// Makes an account; `None` when its e-mail is taken.
pub(super) async fn insert(
    tx: &mut Tx,
    new: &NewAccount,
    now: Timestamp,
) -> Result<Option<Account>, StoreError> {
    sql(concat!(
        "INSERT INTO users (id, email, email_folded, display_name, password_hash, admin, staff_of, version, \
         created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, '', 1, $7, $7) \
         ON CONFLICT (email_folded) DO NOTHING RETURNING ",
        columns!()
    ))
    .bind(new.id)
    .bind(new.email.given())
    .bind(new.email.folded())
    .bind(&new.display_name)
    .bind(&new.password_hash)
    .bind(new.admin)
    .bind(now)
    .fetch_optional(tx)
    .await?
    .as_ref()
    .map(account)
    .transpose()
}

fn credentials(row: &Row) -> Result<Credentials, StoreError> {
    Ok(Credentials {
        id: row.get("id")?,
        email: Email::stored(row.get("email")?, row.get("email_folded")?),
        password_hash: row.get("password_hash")?,
    })
}

/// Reads [`columns`].
pub(super) fn account(row: &Row) -> Result<Account, StoreError> {
    Ok(Account {
        id: row.get("id")?,
        email: row.get("email")?,
        display_name: row.get("display_name")?,
        roles: Roles::new(row.get("admin")?, staff_of(row)?),
        version: row.get("version")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
        deleted_at: row.get("deleted_at")?,
    })
}

fn staff_of(row: &Row) -> Result<Vec<TheaterId>, StoreError> {
    let text: String = row.get("staff_of")?;
    let ids = text.split_whitespace().map(|id| Uuid::try_parse(id).map(TheaterId::from));
    ids.collect::<Result<_, _>>()
        .map_err(|error| StoreError::Corrupt { column: "staff_of".to_owned(), source: error.into() })
}
