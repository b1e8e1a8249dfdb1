//! Which kinds of others the cluster serves: CloudNativePG or the Gateway API may be installed while the operator runs.

use std::{
    collections::BTreeSet,
    sync::{PoisonError, RwLock},
    time::Duration,
};

use kube::Client;

use crate::foreign::Foreign;

/// How often the API server is asked.
const ASK_EVERY: Duration = Duration::from_secs(10);

/// The pause after a question that was not answered.
const REST: Duration = Duration::from_secs(1);

/// What was last heard.
#[derive(Debug, Default)]
pub(super) struct Served(RwLock<BTreeSet<Foreign>>);

impl Served {
    pub(super) fn get(&self) -> BTreeSet<Foreign> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, served: BTreeSet<Foreign>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = served;
    }
}

/// The kinds that the cluster serves now, as soon as the API server says so: without an answer they would seem to be gone.
pub(super) async fn hear(client: &Client) -> BTreeSet<Foreign> {
    loop {
        match ask(client).await {
            Ok(served) => return served,
            Err(error) => tracing::warn!(%error, "the API server does not say which kinds there are"),
        }
        tokio::time::sleep(REST).await;
    }
}

async fn ask(client: &Client) -> Result<BTreeSet<Foreign>, kube::Error> {
    let versions: BTreeSet<String> =
        Foreign::ALL.iter().map(|kind| kind.group_version().api_version()).collect();
    let mut served = BTreeSet::new();
    for version in versions {
        let list = match client.list_api_group_resources(&version).await {
            Ok(list) => list,
            Err(kube::Error::Api(status)) if status.code == 404 => continue,
            Err(error) => return Err(error),
        };
        let of_version =
            Foreign::ALL.into_iter().filter(|kind| kind.group_version().api_version() == version);
        served.extend(
            of_version.filter(|kind| list.resources.iter().any(|resource| resource.kind == kind.kind())),
        );
    }
    Ok(served)
}

/// Waits until the cluster serves other kinds than `known`.
pub(super) async fn change(client: &Client, known: &BTreeSet<Foreign>) {
    loop {
        tokio::time::sleep(ASK_EVERY).await;
        if ask(client).await.is_ok_and(|served| served != *known) {
            return;
        }
    }
}
