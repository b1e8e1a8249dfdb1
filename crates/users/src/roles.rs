//! What admins do.

use moviebooking_auth::Caller;
use moviebooking_domain::id::UserId;
use moviebooking_proto::{Problem, Reason};
use moviebooking_store::idempotency::Request;

use crate::{
    Service,
    account::{Account, Roles},
    email::Email,
    error::Error,
    store,
};

fn must_be_admin(caller: &Caller) -> Result<(), Problem> {
    if caller.is_admin() {
        Ok(())
    } else {
        Err(Problem::new(Reason::PermissionDenied, "Only admins may do this."))
    }
}

impl Service {
    /// Replaces what an account may do.
    ///
    /// # Errors
    /// [`Error::UserNotFound`], [`Error::LastAdmin`]; [`Error::NoLongerAdmin`] for a caller whose token says more than
    /// is true: with it they could give themselves back what was taken.
    pub(crate) async fn set_roles(
        &self,
        caller: &Caller,
        request: &Request,
        id: UserId,
        roles: &Roles,
    ) -> Result<Account, Error> {
        must_be_admin(caller)?;
        store::set_roles(&self.db, request, caller.user()?.id, id, roles, self.clock.now()).await
    }

    /// Accounts, oldest first.
    pub(crate) async fn list_users(
        &self,
        caller: &Caller,
        email: Option<&Email>,
        after: Option<UserId>,
        limit: i64,
    ) -> Result<Vec<Account>, Error> {
        must_be_admin(caller)?;
        Ok(store::accounts::list(&self.db, email, after, limit).await?)
    }
}
