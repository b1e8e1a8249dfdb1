//! The controllers: each looks at one resource, at what belongs to it and at what it names, and makes of the cluster what
//! the resource says. What a look finds is never kept: the next one begins anew.

mod backup;
mod claim;
mod ingress;
mod observe;
mod platform;
mod report;
mod retry;
mod routes;
mod run;
mod served;
mod status;
mod trouble;
mod watch;

use std::{collections::BTreeSet, sync::Arc};

use kube::{Client, runtime::events::Recorder};
use moviebooking_domain::clock::SharedClock;

use crate::{api::State, apply::ApplyError, build::BuildError, foreign::Foreign};

pub use run::{Election, run};

/// What controllers work with.
pub struct Context {
    client: Client,
    clock: SharedClock,
    recorder: Recorder,
    attempts: retry::Attempts,
    served: served::Served,
}

impl Context {
    /// For a cluster.
    pub fn new(client: Client, clock: SharedClock) -> Arc<Self> {
        let recorder = Recorder::new(client.clone(), crate::build::MANAGER.into());
        Arc::new(Self {
            client,
            clock,
            recorder,
            attempts: retry::Attempts::default(),
            served: served::Served::default(),
        })
    }

    /// The kinds of others that the cluster serves.
    fn served(&self) -> BTreeSet<Foreign> {
        self.served.get()
    }
}

/// Why a look at a resource was not finished; it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The API server did not do what it was asked for.
    #[error("the API server: {0}")]
    Api(#[from] kube::Error),
    /// Some objects could not be applied or deleted; the first of them.
    #[error("{0}")]
    Apply(ApplyError),
    /// Nothing could be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// An object is not of the form that its kind has.
    #[error("an object of the cluster cannot be read")]
    Json(#[from] serde_json::Error),
}

impl ReconcileError {
    /// What a person has to know of it who looks at the resource: what the API server refuses stays so until somebody does
    /// something about it, while what it does not answer is only tried again.
    fn state(&self) -> Option<State> {
        match self {
            Self::Api(kube::Error::Api(status)) if status.is_forbidden() => {
                let message = format!(
                    "the operator is refused what it needs: {}; give it the roles of its version, which its chart and manifests/operator.yaml have",
                    status.message
                );
                Some(State::fails("Forbidden", message))
            }
            Self::Apply(error) if error.is_refusal() => Some(State::fails("ApplyFailed", error.to_string())),
            _ => None,
        }
    }
}
