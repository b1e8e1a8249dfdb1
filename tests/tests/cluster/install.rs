//! From nothing to a ticket, by each way to install; and what stays when the operator and the platform go.

use std::time::Duration;

use moviebooking_launch::wait_until;
use moviebooking_tests::{Rest, System, buy};

use crate::{
    cinema::Cinema,
    commands::{helm, images, kubectl, kubectl_with},
};

const SYSTEM: &str = "moviebooking-system";

/// How long the platform may take to be as it should again.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test]
async fn a_ticket_is_bought_and_outlives_the_operator_and_the_platform() {
    install_chart();
    let cinema = Cinema::new();
    cinema.apply();
    cinema.wait_until_ready();
    let system = cinema.furnish();
    let (customer, showtime) = (system.customer().await, system.showtime().await);
    let ticket = buy(&customer, &showtime).await.unwrap();

    // What somebody deletes comes back, and the platform sells on.
    cinema.kubectl(&["delete", "deployment/cinema-movies", "service/cinema-tickets", "--wait=true"]);
    wait_until(PATIENCE, "the deployment is there again", || {
        let ready = [
            "get",
            "deployment/cinema-movies",
            "--ignore-not-found",
            "--output=jsonpath={.status.readyReplicas}",
        ];
        Ok(cinema.kubectl(&ready).trim() == "1")
    })
    .unwrap();
    buy_at_last(&customer, &showtime).await;

    // Without the operator the platform runs on; its resource and the definitions stay.
    helm(&["uninstall", "moviebooking", "--namespace", SYSTEM, "--wait"]);
    buy(&customer, &showtime).await.unwrap();
    assert_eq!(cinema.get("mbp/cinema")["status"]["version"], env!("CARGO_PKG_VERSION"));

    // The operator comes back by the other way to install, and takes over what it finds.
    apply_manifests();
    cinema.wait_until_ready();
    buy(&customer, &showtime).await.unwrap();

    // The platform goes, its data stay, and a platform of the same name has them.
    cinema.kubectl(&["delete", "mbp/cinema", "--wait=true", "--timeout=120s"]);
    let gone = || Ok(cinema.kubectl(&["get", "pods", "--output=name"]).trim().is_empty());
    wait_until(PATIENCE, "the pods are gone", gone).unwrap();
    cinema.apply();
    cinema.wait_until_ready();
    let again = System::at(cinema.address(), system.accounts);
    let customer = again.customer().await;
    assert_eq!(customer.get(&format!("/tickets/{ticket}")).await.ok()["state"], "VALID");
    buy(&customer, &showtime).await.unwrap();
}

fn install_chart() {
    helm(&[
        "install",
        "moviebooking",
        "charts/moviebooking",
        "--namespace",
        SYSTEM,
        "--create-namespace",
        "--set",
        &format!("image.repository={}", images()),
        "--wait",
        "--timeout=3m",
    ]);
}

/// Applies what manifests/ has, with the images under test.
fn apply_manifests() {
    let manifests = include_str!("../../../manifests/operator.yaml");
    let image = |repository: &str| format!("image: {repository}/operator:{}", env!("CARGO_PKG_VERSION"));
    assert!(manifests.contains(&image("moviebooking")));
    let manifests = manifests.replace(&image("moviebooking"), &image(&images()));
    let apply = ["apply", "--server-side", "--force-conflicts", "--validate=strict", "--filename=-"];
    kubectl_with(&apply, manifests.as_bytes());
    kubectl(&[
        "rollout",
        "status",
        "deployment/moviebooking-operator",
        "--namespace",
        SYSTEM,
        "--timeout=180s",
    ]);
}

/// Buys as soon as the platform can sell again, as somebody does who tries again on a 503.
async fn buy_at_last(customer: &Rest, showtime: &str) {
    let bought = tokio::time::timeout(PATIENCE, async {
        while let Err(answer) = buy(customer, showtime).await {
            assert_eq!(answer.status, 503, "{}", answer.json);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    assert!(bought.await.is_ok(), "nothing is sold within {PATIENCE:?}");
}
