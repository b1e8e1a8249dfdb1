//! A database that goes away and comes back, under processes that stay.

use moviebooking_launch::{GATEWAY, SERVICES};
use reqwest::header::RETRY_AFTER;

use crate::{turn, wait_until};

#[tokio::test]
async fn a_database_that_restarts_is_reconnected_to_without_a_restart_of_ours() {
    let processes = turn().await;
    let (platform, visitor) = (&processes.platform, processes.system.rest());
    let ids = || SERVICES.map(|name| platform.id(name));
    let before = ids();
    visitor.get("/theaters").await.ok();

    platform.postgres().suspend().unwrap();
    for name in SERVICES {
        wait_until("a service without its database is not ready", async || !platform.is_ready(name)).await;
    }
    let refused = visitor.get("/theaters").await;
    assert!(refused.headers.contains_key(RETRY_AFTER), "{:?}", refused.headers);
    refused.problem(503, "UNAVAILABLE");
    assert!(platform.is_ready(GATEWAY), "it has no database, and keys that it knows");

    platform.postgres().resume().unwrap();
    for name in SERVICES {
        wait_until("a service is ready again", async || platform.is_ready(name)).await;
    }
    visitor.get("/theaters").await.ok();
    processes.system.new_customer().await.get("/tickets").await.ok();
    assert_eq!(ids(), before);
}
