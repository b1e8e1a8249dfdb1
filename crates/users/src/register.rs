//! Making accounts.

use moviebooking_domain::id::UserId;
use moviebooking_store::idempotency::Request;
use secrecy::SecretString;
use tonic::Status;

use crate::{
    Service,
    account::Account,
    address::Address,
    email::Email,
    error::Error,
    metrics, password,
    store::{self, Registered, accounts::NewAccount},
};

/// What an account is made of.
pub(crate) struct Registration {
    pub(crate) email: Email,
    pub(crate) display_name: String,
    pub(crate) password: SecretString,
}

/// Whose idempotency keys a registration's key belongs to: nobody is signed in, so those of its e-mail. Two people
/// who happen to take the same key never meet.
pub(crate) fn key_scope(email: &Email) -> String {
    format!("anonymous:{}", email.digest())
}

impl Service {
    /// Makes a customer's account.
    ///
    /// The request's fingerprint must not be made of the password. Instead a replay is answered only to who knows the
    /// account's password, counted as any other try at it: a key that was guessed opens nothing.
    ///
    /// # Errors
    /// [`Error::EmailTaken`], [`Error::RateLimited`], [`Error::Hash`]
    pub(crate) async fn register(
        &self,
        request: &Request,
        registration: Registration,
        address: Option<Address>,
    ) -> Result<Account, Error> {
        let Registration { email, display_name, password } = registration;
        password::check_new("password", &password, &email)?;
        self.attempts.at_registering(address).await?;
        if let Some(id) = store::registered(&self.db, request).await? {
            return self.registered_before(id, password, address).await;
        }
        let password_hash = self.hasher.hash(password.clone()).await?;
        let now = self.clock.now();
        let new = NewAccount { id: UserId::new(now), email, display_name, password_hash, admin: false };
        match store::register(&self.db, request, &new, now).await? {
            Registered::Now(account) => {
                metrics::registered();
                Ok(account)
            }
            Registered::Before(id) => self.registered_before(id, password, address).await,
        }
    }

    /// The account that the same request made.
    async fn registered_before(
        &self,
        id: UserId,
        password: SecretString,
        address: Option<Address>,
    ) -> Result<Account, Error> {
        let credentials = store::accounts::credentials_of(&self.db, id).await?.ok_or(Error::UserNotFound)?;
        self.replay(&credentials, password, address).await?;
        store::accounts::find(&self.db, id).await?.ok_or(Error::UserNotFound)
    }

    /// Makes an admin's account, for the first start of a platform, and answers with its id. An admin who has the e-mail
    /// already is left as they are.
    ///
    /// # Errors
    /// When e-mail, password or name are refused as they would be at a registration, the account with this e-mail is no
    /// admin's (anybody could have registered it), or the database fails.
    pub async fn bootstrap_admin(
        &self,
        email: &str,
        password: &str,
        display_name: &str,
    ) -> Result<UserId, Status> {
        let email = Email::parse("email", email)?;
        let display_name = crate::profile::display_name("display_name", display_name)?;
        let password = SecretString::from(password);
        password::check_new("password", &password, &email)?;
        self.ensure_admin(email, display_name, password).await.map_err(Status::from)
    }

    /// Whether there is or was an account.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn has_accounts(&self) -> Result<bool, Status> {
        self.any_account(None).await
    }

    /// Whether there is an account with this e-mail.
    ///
    /// # Errors
    /// When it is no e-mail, or the database fails.
    pub async fn has_account(&self, email: &str) -> Result<bool, Status> {
        self.any_account(Some(&Email::parse("email", email)?)).await
    }

    async fn any_account(&self, email: Option<&Email>) -> Result<bool, Status> {
        let found = store::accounts::list(&self.db, email, None, 1).await.map_err(Error::from)?;
        Ok(!found.is_empty())
    }

    async fn ensure_admin(
        &self,
        email: Email,
        display_name: String,
        password: SecretString,
    ) -> Result<UserId, Error> {
        loop {
            if let Some(found) = store::accounts::credentials_of_email(&self.db, &email).await? {
                let account = store::accounts::find(&self.db, found.id).await?;
                let is_admin = account.is_some_and(|account| account.roles.admin);
                return if is_admin { Ok(found.id) } else { Err(Error::EmailTaken) };
            }
            let password_hash = self.hasher.hash(password.clone()).await?;
            let (id, now) = (UserId::new(self.clock.now()), self.clock.now());
            let (email, display_name) = (email.clone(), display_name.clone());
            let new = NewAccount { id, email, display_name, password_hash, admin: true };
            // `None` means that another process was faster: look again.
            if store::add_admin(&self.db, &new, now).await?.is_some() {
                return Ok(id);
            }
        }
    }
}
