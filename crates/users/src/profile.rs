//! Accounts as their owners and admins see, change and delete them.

use moviebooking_auth::Caller;
use moviebooking_domain::id::UserId;
use moviebooking_proto::{Problem, Reason};
use moviebooking_store::idempotency::Request;
use secrecy::SecretString;

use crate::{Service, account::Account, address::Address, email::Email, error::Error, store};

const LONGEST_NAME: usize = 100;

/// A change of an account; `None` leaves what is there.
pub(crate) struct ProfileChange {
    pub(crate) id: UserId,
    pub(crate) display_name: Option<String>,
    pub(crate) email: Option<Email>,
    /// What the account's etag must be; empty for any.
    pub(crate) etag: String,
    /// Proves that it is the owner who changes the e-mail; an admin who changes another's has none.
    pub(crate) current_password: Option<SecretString>,
}

/// Reads a name.
pub(crate) fn display_name(field: &str, value: &str) -> Result<String, Problem> {
    moviebooking_fields::text(field, value, 1, LONGEST_NAME)
}

/// Refuses all but the account itself and admins, and says no more: not even whether the account exists.
fn own_or_admin(caller: &Caller, id: UserId) -> Result<(), Problem> {
    if caller.is(id) || caller.is_admin() {
        return Ok(());
    }
    Err(Problem::new(Reason::PermissionDenied, "Only the account itself and admins may do this."))
}

impl Service {
    /// The caller's own account.
    ///
    /// # Errors
    /// [`Error::UserNotFound`] once it is deleted, as long as its tokens last.
    pub(crate) async fn me(&self, caller: &Caller) -> Result<Account, Error> {
        let account = store::accounts::find(&self.db, caller.user()?.id).await?;
        account.filter(|account| account.deleted_at.is_none()).ok_or(Error::UserNotFound)
    }

    /// An account, for itself, admins and services; one that is deleted as what is left of it.
    ///
    /// # Errors
    /// [`Error::UserNotFound`]
    pub(crate) async fn get_user(&self, caller: &Caller, id: UserId) -> Result<Account, Error> {
        if !caller.is_service() {
            own_or_admin(caller, id)?;
        }
        store::accounts::find(&self.db, id).await?.ok_or(Error::UserNotFound)
    }

    /// Changes name or e-mail. A new e-mail needs the password, save for an admin, so that an access token that
    /// got lost does not take the account along.
    ///
    /// # Errors
    /// [`Error::UserNotFound`], [`Error::EmailTaken`], [`Error::WrongCurrentPassword`], a wrong etag, and what proving
    /// a password meets.
    pub(crate) async fn update_user(
        &self,
        caller: &Caller,
        request: &Request,
        change: ProfileChange,
        address: Option<Address>,
    ) -> Result<Account, Error> {
        caller.user()?;
        own_or_admin(caller, change.id)?;
        if let Some(email) = &change.email
            && (change.current_password.is_some() || !caller.is_admin())
        {
            self.allow_new_email(&change, email, address).await?;
        }
        store::update_profile(&self.db, request, &change, self.clock.now()).await
    }

    async fn allow_new_email(
        &self,
        change: &ProfileChange,
        email: &Email,
        address: Option<Address>,
    ) -> Result<(), Error> {
        let credentials = store::accounts::credentials_of(&self.db, change.id).await?;
        let credentials = credentials.ok_or(Error::UserNotFound)?;
        if credentials.email == *email {
            return Ok(());
        }
        let password = change.current_password.clone().ok_or_else(|| {
            Problem::invalid(
                "user.email",
                "change it by ChangeEmail (POST /users/me/email), which takes the password",
            )
        })?;
        self.prove_current(&credentials, password, address).await
    }

    /// Deletes an account.
    ///
    /// # Errors
    /// [`Error::UserNotFound`], [`Error::LastAdmin`], [`Error::NoLongerAdmin`]
    pub(crate) async fn delete_user(
        &self,
        caller: &Caller,
        request: &Request,
        id: UserId,
    ) -> Result<(), Error> {
        let user = caller.user()?;
        own_or_admin(caller, id)?;
        store::erase(&self.db, request, user.id, id, self.clock.now()).await
    }
}
