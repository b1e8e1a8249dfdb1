//! What can befall any step of any saga, wherever it is.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex},
};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{kind::Kind, step::StepError};

/// What befalls a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Disturbance {
    /// It is not done.
    Fails,
    /// It is done twice.
    Repeats,
    /// It is done, and nobody hears of it.
    LosesItsReply,
    /// The process ends before it is done.
    DiesBefore,
    /// The process ends when it was done.
    DiesAfter,
}

/// A step: the saga, its item, and the name of the state in which the step is to be done.
type Step = (Kind, Uuid, String);

/// The disturbances to come, each once.
static TO_COME: LazyLock<Mutex<HashMap<Step, Disturbance>>> = LazyLock::new(Mutex::default);

/// Lets something befall the next step of the item `id` in this state.
pub(super) fn disturb(kind: Kind, id: Uuid, state: &str, disturbance: Disturbance) {
    TO_COME.lock().unwrap().insert((kind, id, state.to_owned()), disturbance);
}

/// Has a step's effect, or whatever befalls it.
pub(crate) async fn disturbed<T, F>(
    kind: Kind,
    id: Uuid,
    state: &'static str,
    effect: impl Fn() -> F,
) -> Result<T, StepError>
where
    F: Future<Output = Result<T, StepError>>,
{
    let disturbance = TO_COME.lock().unwrap().remove(&(kind, id, state.to_owned()));
    match disturbance {
        None => effect().await,
        Some(Disturbance::Fails) => Err(StepError::Later("failed by the test".to_owned())),
        Some(Disturbance::Repeats) => {
            let _first = effect().await;
            effect().await
        }
        Some(Disturbance::LosesItsReply) => {
            let _lost = effect().await;
            Err(StepError::Later("its reply was lost by the test".to_owned()))
        }
        Some(Disturbance::DiesBefore) => std::process::abort(),
        Some(Disturbance::DiesAfter) => {
            let _unheard = effect().await;
            std::process::abort()
        }
    }
}
