//! What came of asking another party (the provider, reservations, tickets) for one step of a saga.

use moviebooking_proto::{Reason, problem::reason_of};
use tonic::{Code, Status};
use uuid::Uuid;

use crate::kind::Kind;

/// Why a step was refused for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The reason that callers are told.
    pub(crate) reason: Reason,
    /// The provider's own word for it, such as `insufficient_funds`; empty where another party refused.
    pub(crate) code: String,
}

impl From<Reason> for Failure {
    fn from(reason: Reason) -> Self {
        Self { reason, code: String::new() }
    }
}

/// Why a step was not done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum StepError {
    /// It had no effect and never will have one.
    Refused(Failure),
    /// It may have had its effect or not, and is to be tried again. The text is for the log.
    Later(String),
}

/// Has a step's effect, of the saga of this kind whose item `id` is in `state`. Every step of every saga goes through
/// here, so that tests can let any of them fail, happen twice, lose its answer, or be the process's last.
#[cfg_attr(not(test), expect(unused_variables, reason = "what is done does not depend on who does it"))]
pub(crate) async fn carry_out<T, F>(
    kind: Kind,
    id: Uuid,
    state: &'static str,
    effect: impl Fn() -> F + Send + Sync,
) -> Result<T, StepError>
where
    F: Future<Output = Result<T, StepError>> + Send,
    T: Send,
{
    #[cfg(test)]
    return crate::tests::disturbed(kind, id, state, effect).await;
    #[cfg(not(test))]
    effect().await
}

/// A status that says what is wrong with the request is a refusal. All others, ours or the network's, may pass.
impl From<Status> for StepError {
    fn from(status: Status) -> Self {
        match status.code() {
            Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::FailedPrecondition
            | Code::OutOfRange => {
                Self::Refused(reason_of(&status).unwrap_or(Reason::FailedPrecondition).into())
            }
            code => Self::Later(format!("{code:?}: {}", status.message())),
        }
    }
}
