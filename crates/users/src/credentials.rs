//! Passwords of accounts: proving that one knows it, and changing it.

use moviebooking_auth::Caller;
use moviebooking_store::idempotency::{IdempotencyError, Request};
use secrecy::SecretString;

use crate::{
    Service,
    address::Address,
    email::Email,
    error::Error,
    hasher::HashError,
    password,
    store::{self, accounts::Credentials},
};

impl Service {
    /// Counts a try at a password, and makes it. Without a hash it fails after the same time.
    ///
    /// # Errors
    /// [`Error::InvalidCredentials`], [`Error::RateLimited`], [`Error::Hash`]
    pub(crate) async fn prove(
        &self,
        email: &Email,
        hash: Option<String>,
        password: SecretString,
        address: Option<Address>,
    ) -> Result<(), Error> {
        let attempt = self.attempts.at_password(email, address).await?;
        match self.hasher.verify(password, hash).await {
            Ok(true) => self.attempts.succeeded(&attempt).await,
            Ok(false) => Err(Error::InvalidCredentials),
            Err(error) => {
                if matches!(error, HashError::Overloaded) {
                    self.attempts.withdraw(&attempt).await?;
                }
                Err(error.into())
            }
        }
    }

    /// Like [`prove`](Self::prove), of somebody who is signed in already.
    ///
    /// # Errors
    /// [`Error::WrongCurrentPassword`], [`Error::RateLimited`], [`Error::Hash`]
    pub(crate) async fn prove_current(
        &self,
        credentials: &Credentials,
        password: SecretString,
        address: Option<Address>,
    ) -> Result<(), Error> {
        let hash = Some(credentials.password_hash.clone());
        self.prove(&credentials.email, hash, password, address).await.map_err(|error| match error {
            Error::InvalidCredentials => Error::WrongCurrentPassword,
            error => error,
        })
    }

    /// Changes the caller's password and revokes all sessions of the account.
    ///
    /// The request's fingerprint must not be made of passwords. A replay is told from another request by its new
    /// password being the account's.
    ///
    /// # Errors
    /// [`Error::WrongCurrentPassword`], [`Error::UserNotFound`], and what proving a password meets.
    pub(crate) async fn change_password(
        &self,
        caller: &Caller,
        request: &Request,
        current: SecretString,
        new: SecretString,
        address: Option<Address>,
    ) -> Result<(), Error> {
        let id = caller.user()?.id;
        let credentials = store::accounts::credentials_of(&self.db, id).await?.ok_or(Error::UserNotFound)?;
        password::check_new("new_password", &new, &credentials.email)?;
        if request.lookup::<()>(&self.db).await?.is_some() {
            return self.replay(&credentials, new, address).await;
        }
        self.prove_current(&credentials, current, address).await?;
        let hash = self.hasher.hash(new.clone()).await?;
        let now = self.clock.now();
        if store::change_password(&self.db, request, &credentials, &hash, now).await? {
            return Ok(());
        }
        // The same request was carried out while this one was on its way.
        let credentials = store::accounts::credentials_of(&self.db, id).await?.ok_or(Error::UserNotFound)?;
        self.replay(&credentials, new, address).await
    }

    /// Answers a request whose key was used before, if it has the password that it had then.
    ///
    /// # Errors
    /// [`IdempotencyError::Reused`], and what proving a password meets.
    pub(crate) async fn replay(
        &self,
        credentials: &Credentials,
        password: SecretString,
        address: Option<Address>,
    ) -> Result<(), Error> {
        let hash = Some(credentials.password_hash.clone());
        self.prove(&credentials.email, hash, password, address).await.map_err(|error| match error {
            Error::InvalidCredentials => IdempotencyError::Reused.into(),
            error => error,
        })
    }
}
