//! A platform as a release of its chart: tested, upgraded, rolled back, uninstalled; its data stay.

use moviebooking_tests::buy;
use serde_json::{Value, json};

use crate::{
    cinema::{NAMESPACE, spec},
    commands::helm,
    shared::{Shared, shared},
};

const CHART: &str = "charts/moviebooking-platform";

/// Runs `helm` in the namespace.
fn release(words: &[&str]) -> String {
    helm(&[words, &["--namespace", NAMESPACE]].concat())
}

/// A web page that may use the platform.
const ORIGIN: &str = "https://tickets.example.com";

/// The web pages that may.
fn origins(cinema: &Shared) -> Value {
    cinema.resource()["spec"]["gateway"]["corsOrigins"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_is_tested_upgraded_and_rolled_back_and_its_data_outlive_it() {
    let mut cinema = shared().await;
    let (customer, showtime) = (cinema.system.customer().await, cinema.system.showtime().await);
    let ticket = buy(&customer, &showtime).await.unwrap();

    // Helm takes over the platform that is there.
    let values = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(values.path(), spec().to_string()).unwrap();
    let values = values.path().to_str().unwrap();
    let wait = ["--wait", "--timeout=5m"];
    let take = ["upgrade", "--install", "--take-ownership", "--force-conflicts", "--values", values];
    let notes = release(&[&take, &wait[..], &["cinema", CHART]].concat());
    assert!(notes.contains("kubectl --namespace cinema describe mbp cinema"), "{notes}");
    let tested = release(&["test", "cinema", "--timeout=3m"]);
    assert!(tested.contains("Succeeded"), "{tested}");

    // Another setting, and back.
    let set = format!("--set=gateway.corsOrigins={{{ORIGIN}}}");
    release(&[&["upgrade", "cinema", CHART, "--reuse-values", &set], &wait[..]].concat());
    assert_eq!(origins(&cinema), json!([ORIGIN]));
    cinema.wait_until_ready();
    release(&[&["rollback", "cinema", "1"], &wait[..]].concat());
    assert_ne!(origins(&cinema), json!([ORIGIN]));
    cinema.wait_until_settled();
    buy(&customer, &showtime).await.unwrap();

    // It goes, its data stay, and a platform of the same name has them.
    release(&[&["uninstall", "cinema"], &wait[..]].concat());
    cinema.wait_until("pods are left", || {
        cinema.try_get("pods")["items"].as_array().is_some_and(Vec::is_empty)
    });
    cinema.apply();
    cinema.wait_until_ready();
    cinema.sells_again().await;
    let customer = cinema.system.customer().await;
    assert_eq!(customer.get(&format!("/tickets/{ticket}")).await.ok()["state"], "VALID");
}
