//! Signing in, staying signed in, and out.

use jiff::Timestamp;
use moviebooking_domain::id::SessionId;
use secrecy::SecretString;

use crate::{
    Service,
    account::Account,
    address::Address,
    email::Email,
    error::Error,
    metrics,
    refresh_token::RefreshToken,
    store::{self, sessions::Rotation},
};

/// What somebody who signed in gets.
pub(crate) struct Session {
    pub(crate) access_token: String,
    pub(crate) refresh_token: RefreshToken,
    pub(crate) refresh_expire_time: Timestamp,
    pub(crate) account: Account,
}

impl Service {
    /// Signs in. An unknown e-mail takes the same steps as a wrong password.
    ///
    /// # Errors
    /// [`Error::InvalidCredentials`], [`Error::RateLimited`], [`Error::Hash`]
    pub(crate) async fn login(
        &self,
        email: &Email,
        password: SecretString,
        address: Option<Address>,
    ) -> Result<Session, Error> {
        let result = self.try_login(email, password, address).await;
        metrics::login(&result);
        result
    }

    async fn try_login(
        &self,
        email: &Email,
        password: SecretString,
        address: Option<Address>,
    ) -> Result<Session, Error> {
        let credentials = store::accounts::credentials_of_email(&self.db, email).await?;
        let hash = credentials.as_ref().map(|credentials| credentials.password_hash.clone());
        self.prove(email, hash, password.clone(), address).await?;
        let credentials = credentials.ok_or(Error::InvalidCredentials)?;
        let mut hash = credentials.password_hash.clone();
        if self.hasher.is_outdated(&hash) {
            // Under load the old one will do until the next time.
            hash = self.hasher.hash(password).await.unwrap_or(hash);
        }
        let now = self.clock.now();
        let (session, token) = (SessionId::new(now), RefreshToken::random());
        let account = store::sessions::sign_in(&self.db, &credentials, &hash, session, &token, now).await?;
        self.session(session, account.ok_or(Error::InvalidCredentials)?, token, now).await
    }

    /// Trades a refresh token for a new session with the roles that the account has now.
    ///
    /// # Errors
    /// [`Error::InvalidRefreshToken`]
    pub(crate) async fn refresh(&self, presented: &RefreshToken) -> Result<Session, Error> {
        let (next, now) = (RefreshToken::random(), self.clock.now());
        match store::sessions::rotate(&self.db, presented.digest(), &next, now).await? {
            Rotation::Done(session, account) => self.session(session, account, next, now).await,
            Rotation::Refused => Err(Error::InvalidRefreshToken),
            Rotation::Reused(session) => {
                metrics::reused();
                tracing::warn!(%session, "a refresh token was used twice: its session is revoked");
                Err(Error::InvalidRefreshToken)
            }
        }
    }

    /// Revokes the session of a refresh token, if it is one of ours.
    pub(crate) async fn logout(&self, presented: &RefreshToken) -> Result<(), Error> {
        Ok(store::sessions::revoke(&self.db, presented.digest(), self.clock.now()).await?)
    }

    async fn session(
        &self,
        session: SessionId,
        account: Account,
        refresh_token: RefreshToken,
        now: Timestamp,
    ) -> Result<Session, Error> {
        let keys = self.keyring.keys().await?;
        let roles = &account.roles;
        let access_token = keys.signer(now)?.sign(account.id, session, roles.admin, roles.staff_of(), now)?;
        Ok(Session {
            access_token,
            refresh_token,
            refresh_expire_time: RefreshToken::expire_time(now),
            account,
        })
    }
}
