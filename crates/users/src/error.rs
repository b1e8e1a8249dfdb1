//! Why a use case is not carried out.

use std::time::Duration;

use moviebooking_auth::SigningKeyError;
use moviebooking_proto::{Problem, Reason};
use moviebooking_store::{StoreError, idempotency::IdempotencyError};
use tonic::Status;

use crate::hasher::HashError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// What callers are told by shared code already: a field that is wrong, a right that is missing.
    #[error(transparent)]
    Refused(#[from] Problem),
    #[error("wrong e-mail or password")]
    InvalidCredentials,
    #[error("wrong current password")]
    WrongCurrentPassword,
    #[error("invalid refresh token")]
    InvalidRefreshToken,
    #[error("no such account")]
    UserNotFound,
    #[error("the e-mail is taken")]
    EmailTaken,
    #[error("it is the last admin")]
    LastAdmin,
    #[error("the caller is no admin any more")]
    NoLongerAdmin,
    #[error("no such webhook")]
    WebhookNotFound,
    #[error("no such delivery of the webhook")]
    WebhookDeliveryNotFound,
    #[error("too many webhooks")]
    TooManyWebhooks,
    #[error("too many attempts")]
    RateLimited { retry_after: Duration },
    #[error(transparent)]
    Hash(#[from] HashError),
    #[error(transparent)]
    Signing(#[from] SigningKeyError),
    #[error(transparent)]
    Idempotency(#[from] IdempotencyError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a caller may know.
impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(problem) => problem,
            Error::InvalidCredentials => {
                Self::new(Reason::InvalidCredentials, "The e-mail or the password is wrong.")
            }
            Error::WrongCurrentPassword => {
                Self::new(Reason::InvalidCredentials, "The current password is wrong.")
                    .field("current_password", "give the password that the account has now")
            }
            Error::InvalidRefreshToken => Self::new(
                Reason::InvalidRefreshToken,
                "The refresh token is not valid, or no longer: sign in again.",
            ),
            Error::UserNotFound => Self::new(Reason::UserNotFound, "There is no such account."),
            Error::EmailTaken => Self::new(
                Reason::EmailTaken,
                "The e-mail belongs to an account already: sign in, or use another.",
            ),
            Error::LastAdmin => Self::new(
                Reason::LastAdmin,
                "This is the platform's last admin: make another account an admin first.",
            ),
            Error::NoLongerAdmin => {
                Self::new(Reason::PermissionDenied, "Your account is not an admin any more.")
            }
            Error::WebhookNotFound => Self::new(Reason::WebhookNotFound, "There is no such webhook."),
            Error::WebhookDeliveryNotFound => {
                Self::new(Reason::WebhookDeliveryNotFound, "The webhook has no such delivery.")
            }
            Error::TooManyWebhooks => Self::new(
                Reason::WebhookLimit,
                "There are as many webhooks as there may be: delete one that is not needed.",
            ),
            Error::RateLimited { retry_after } => {
                Self::new(Reason::RateLimited, "Too many attempts: wait before you try again.")
                    .retry_after(retry_after)
            }
            Error::Hash(HashError::Overloaded) => {
                Self::new(Reason::Overloaded, "Too many people sign in at once: try again in a second.")
                    .retry_after(Duration::from_secs(1))
            }
            Error::Hash(error @ HashError::Failed(_)) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a password cannot be hashed");
                Self::internal()
            }
            Error::Signing(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "an access token cannot be signed");
                Self::internal()
            }
            Error::Idempotency(error) => error.into(),
            Error::Store(error) => error.into(),
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        Problem::from(error).into()
    }
}
