//! Who makes a request.

use std::sync::Arc;

use jiff::Timestamp;
use moviebooking_domain::id::{SessionId, TheaterId, UserId};
use moviebooking_proto::{Problem, Reason};

/// A signed-in account, as its access token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The account.
    pub id: UserId,
    /// The login that the token came from.
    pub session: SessionId,
    /// May do everything.
    pub admin: bool,
    /// The theaters that the account runs.
    pub staff_of: Vec<TheaterId>,
    /// When the token stops being valid.
    pub expire_time: Timestamp,
}

/// Who makes a request. The layer puts it into the request's extensions; handlers take it with [`Caller::of`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Nobody signed in.
    Anonymous,
    /// A person.
    User(Arc<User>),
    /// Another service of the platform, by name.
    Service(Arc<str>),
}

impl Caller {
    /// The caller of a request; anonymous where no layer said otherwise.
    pub fn of<T>(request: &tonic::Request<T>) -> Self {
        request.extensions().get().cloned().unwrap_or(Self::Anonymous)
    }

    /// The signed-in account.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` for nobody, `PERMISSION_DENIED` for a service.
    pub fn user(&self) -> Result<&User, Problem> {
        match self {
            Self::User(user) => Ok(user),
            Self::Anonymous => Err(unauthenticated()),
            Self::Service(_) => Err(denied("Only a person may do this.")),
        }
    }

    /// Whether the caller is an admin.
    pub fn is_admin(&self) -> bool {
        matches!(self, Self::User(user) if user.admin)
    }

    /// Whether the caller is a service of the platform.
    pub fn is_service(&self) -> bool {
        matches!(self, Self::Service(_))
    }

    /// Whether the caller is this account.
    pub fn is(&self, account: UserId) -> bool {
        matches!(self, Self::User(user) if user.id == account)
    }

    /// Whether the caller runs this theater: its staff, and admins.
    pub fn runs(&self, theater: TheaterId) -> bool {
        matches!(self, Self::User(user) if user.admin || user.staff_of.contains(&theater))
    }

    /// Refuses all but those who run this theater.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`.
    pub fn must_run(&self, theater: TheaterId) -> Result<(), Problem> {
        if self.runs(theater) {
            Ok(())
        } else {
            Err(denied("Only staff of this theater and admins may do this."))
        }
    }

    /// Whose idempotency keys the request's key belongs to.
    pub fn key_scope(&self) -> String {
        match self {
            Self::Anonymous => "anonymous".to_owned(),
            Self::User(user) => user.id.to_string(),
            Self::Service(name) => format!("service:{name}"),
        }
    }
}

pub(crate) fn unauthenticated() -> Problem {
    Problem::new(
        Reason::Unauthenticated,
        "Sign in first: send the access token as `Authorization: Bearer …`.",
    )
}

pub(crate) fn denied(message: &str) -> Problem {
    Problem::new(Reason::PermissionDenied, message)
}
