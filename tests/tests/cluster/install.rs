//! From nothing to a ticket, by each way to install; and what stays when the operator goes.

use moviebooking_tests::buy;

use crate::{
    commands::helm,
    operator::{SYSTEM, apply_manifests},
    shared::shared,
};

#[tokio::test]
async fn a_ticket_is_bought_and_outlives_the_operator() {
    let mut cinema = shared().await;
    let (customer, showtime) = (cinema.system.customer().await, cinema.system.showtime().await);
    let ticket = buy(&customer, &showtime).await.unwrap();

    // What somebody deletes comes back, and the platform sells on.
    cinema.kubectl(&["delete", "deployment/cinema-movies", "service/cinema-tickets", "--wait=true"]);
    cinema.wait_until("the deployment is not there again", || {
        cinema.try_get("deployment/cinema-movies")["status"]["readyReplicas"] == 1
    });
    cinema.sells_again().await;

    // Without the operator the platform runs on; its resource and the definitions stay.
    helm(&["uninstall", "moviebooking", "--namespace", SYSTEM, "--wait"]);
    buy(&customer, &showtime).await.unwrap();
    assert_eq!(cinema.get("mbp/cinema")["status"]["version"], env!("CARGO_PKG_VERSION"));

    // The operator comes back by the other way to install, and takes over what it finds.
    apply_manifests();
    cinema.wait_until_ready();
    buy(&customer, &showtime).await.unwrap();
    let ticket = customer.get(&format!("/tickets/{ticket}")).await.ok();
    assert_eq!(ticket["state"], "VALID");
}
