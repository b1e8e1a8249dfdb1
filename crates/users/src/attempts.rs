//! Limits on what may be tried only so often: passwords, per account and per address, and registrations.
//!
//! A try is counted in the database before it is made, in one statement, so that tries side by side and on several
//! replicas never pass the limit together. One that succeeds is taken back. A window begins with its first try.

use std::time::Duration;

use jiff::SignedDuration;
use moviebooking_domain::clock::SharedClock;
use moviebooking_store::Db;

use crate::{Config, address::Address, email::Email, error::Error, store};

/// How long tries are counted together.
pub(crate) const WINDOW: SignedDuration = SignedDuration::from_mins(15);

/// The limits and where tries are counted.
#[derive(Clone)]
pub(crate) struct Attempts {
    db: Db,
    clock: SharedClock,
    per_account: u32,
    per_address: u32,
    registrations: u32,
}

/// A try at an account's password, counted as a failure until it is known to be none.
pub(crate) struct Attempt {
    account: String,
    address: Option<String>,
}

/// Under which name the tries at an account's password are counted.
pub(crate) fn account_key(email: &Email) -> String {
    format!("password:{}", email.digest())
}

impl Attempts {
    pub(crate) fn new(db: Db, clock: SharedClock, config: &Config) -> Self {
        Self {
            db,
            clock,
            per_account: config.login_failures_per_account,
            per_address: config.login_failures_per_address,
            registrations: config.registrations_per_address,
        }
    }

    /// Counts a try at the password of the account with this e-mail, which need not exist. The address comes first:
    /// one that may try nothing more must not use up the tries of other people's accounts.
    ///
    /// # Errors
    /// [`Error::RateLimited`]
    pub(crate) async fn at_password(
        &self,
        email: &Email,
        address: Option<Address>,
    ) -> Result<Attempt, Error> {
        let address = address.map(|address| format!("login:{address}"));
        if let Some(address) = &address {
            self.count(address, self.per_address).await?;
        }
        let account = account_key(email);
        self.count(&account, self.per_account).await?;
        Ok(Attempt { account, address })
    }

    /// What a right password does: the account's tries are forgotten, the address gets this one back.
    pub(crate) async fn succeeded(&self, attempt: &Attempt) -> Result<(), Error> {
        store::attempts::forget((&self.db).into(), &attempt.account).await?;
        self.give_back_to_address(attempt).await
    }

    /// Takes back a try that was not made after all.
    pub(crate) async fn withdraw(&self, attempt: &Attempt) -> Result<(), Error> {
        store::attempts::decrement(&self.db, &attempt.account).await?;
        self.give_back_to_address(attempt).await
    }

    async fn give_back_to_address(&self, attempt: &Attempt) -> Result<(), Error> {
        if let Some(address) = &attempt.address {
            store::attempts::decrement(&self.db, address).await?;
        }
        Ok(())
    }

    /// Counts a registration.
    ///
    /// # Errors
    /// [`Error::RateLimited`]
    pub(crate) async fn at_registering(&self, address: Option<Address>) -> Result<(), Error> {
        match address {
            Some(address) => self.count(&format!("register:{address}"), self.registrations).await,
            None => Ok(()),
        }
    }

    async fn count(&self, key: &str, most: u32) -> Result<(), Error> {
        let now = self.clock.now();
        match store::attempts::count(&self.db, key, most, now).await? {
            None => Ok(()),
            Some(free_again) => {
                let wait = Duration::try_from(free_again.duration_since(now)).unwrap_or_default();
                Err(Error::RateLimited { retry_after: wait })
            }
        }
    }
}
