//! A database that goes away and comes back, under processes that stay.

use std::time::Duration;

use moviebooking_launch::{GATEWAY, SERVICES};
use reqwest::{Method, header::RETRY_AFTER};

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
    // Nobody waits for what is known to be gone.
    for _ in 0..30 {
        let request = visitor.request(Method::GET, "/theaters").timeout(Duration::from_secs(2));
        let refused = visitor.send(request).await;
        assert!(refused.headers.contains_key(RETRY_AFTER), "{:?}", refused.headers);
        refused.problem(503, "UNAVAILABLE");
    }
    assert!(platform.is_ready(GATEWAY), "it has no database, and keys that it knows");

    platform.postgres().resume().unwrap();
    for name in SERVICES {
        wait_until("a service is ready again", async || platform.is_ready(name)).await;
    }
    visitor.get("/theaters").await.ok();
    processes.system.new_customer().await.get("/tickets").await.ok();
    assert_eq!(ids(), before);
}
