//! The life of a process: refusing to start, staying while its database and its peers come and go, and ending.

#[cfg(test)]
mod absence;
#[cfg(test)]
mod database;
#[cfg(test)]
mod drain;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod monitoring;
#[cfg(test)]
mod neighbours;
#[cfg(test)]
mod program;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod start;
#[cfg(test)]
mod traces;

#[cfg(test)]
use {
    moviebooking_launch::{GATEWAY, SERVICES},
    moviebooking_tests::Processes,
    std::{sync::LazyLock, time::Duration},
    tokio::sync::{Mutex, MutexGuard},
};

/// How long anything here may take that is not bounded by the processes themselves.
#[cfg(test)]
const PATIENCE: Duration = Duration::from_secs(60);

/// The platform, for one test at a time: each takes something of it away and puts it back.
#[cfg(test)]
async fn turn() -> MutexGuard<'static, Processes> {
    static PROCESSES: LazyLock<Mutex<Processes>> =
        LazyLock::new(|| Mutex::new(Processes::start().unwrap_or_else(|error| panic!("{error}"))));
    let mut processes = PROCESSES.lock().await;
    // A test that failed may have left something out.
    for name in SERVICES.into_iter().chain([GATEWAY]) {
        if processes.platform.id(name).is_none() {
            processes.platform.launch(name).unwrap();
        }
    }
    processes
}

/// Waits until `condition` holds.
#[cfg(test)]
async fn wait_until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(waited.await.is_ok(), "waited in vain: {what}");
}
