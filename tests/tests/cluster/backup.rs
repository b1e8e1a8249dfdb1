//! A platform is copied while it sells, and the copy becomes another platform, as docs/backup.md says word for word: everything
//! in it is as of one moment.

use moviebooking_tests::{System, buy};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{
    cinema::{Cinema, NAMESPACE},
    commands::{images, kubectl_with, variable},
    databases,
    shared::{Shared, shared},
};

/// What people read.
const PAGE: &str = include_str!("../../../docs/backup.md");

/// Who buys at once while the copy is made.
const BUYERS: usize = 4;

/// A part of the page: the indented lines from the first that begins with these words to the last before `end`.
fn part(first: &str, end: &str) -> String {
    let lines = PAGE.lines().skip_while(|line| line.trim_start() != first);
    let lines = lines.map_while(|line| line.strip_prefix("    ")).take_while(|line| *line != end);
    let part: String = lines.map(|line| format!("{line}\n")).collect();
    assert!(!part.is_empty(), "docs/backup.md has no line {first}");
    part
}

fn apply(manifest: &str) {
    kubectl_with(&["apply", "--namespace", NAMESPACE, "--filename=-"], manifest.as_bytes());
}

/// The platform of the page, with another name than that which was copied, and the images under test.
fn apply_restored(second: &Cinema, backup: &str) {
    let page = part("apiVersion: moviebooking.dev/v1alpha1", "");
    let replaced = [
        ("name: cinema\n", format!("name: {}\n", second.0)),
        ("cinema-backup-29401290", backup.to_owned()),
        ("docker.io/library/postgres:17", variable("MOVIEBOOKING_POSTGRES_IMAGE")),
        ("spec:\n", format!("spec:\n  images: {{ repository: {} }}\n  replicas: 1\n", images())),
    ];
    let manifest = replaced.iter().fold(page, |manifest, (old, new)| {
        assert!(manifest.contains(old), "docs/backup.md does not say {old}");
        manifest.replace(old, new)
    });
    apply(&manifest);
}

/// Makes a copy at once, while people buy.
async fn back_up_under_sales(cinema: &Shared, name: &str) {
    let (system, stop) = (&cinema.system, CancellationToken::new());
    let mut buyers = Vec::new();
    for _ in 0..BUYERS {
        let (buyer, showtime, stop) = (system.new_customer().await, system.showtime().await, stop.clone());
        buyers.push(tokio::spawn(async move {
            let mut bought = 0;
            while !stop.is_cancelled() && buy(&buyer, &showtime).await.is_ok() {
                bought += 1;
            }
            bought
        }));
    }
    cinema.kubectl(&["create", "job", "--from=cronjob/cinema-backup", name]);
    cinema.wait_until("the backup is not told", || {
        let platform = cinema.resource();
        let conditions = platform["status"]["conditions"].as_array();
        platform["status"]["backup"]["lastName"] == name
            && conditions
                .into_iter()
                .flatten()
                .any(|it| it["type"] == "BackupSucceeded" && it["status"] == "True")
    });
    stop.cancel();
    let mut bought = 0;
    for buyer in buyers {
        bought += buyer.await.unwrap();
    }
    assert!(bought > 0, "nothing was sold while the copy was made");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_made_under_sales_becomes_a_platform_that_agrees_with_itself() {
    let cinema = shared().await;
    let (customer, showtime) = (cinema.system.customer().await, cinema.system.showtime().await);
    let before = buy(&customer, &showtime).await.unwrap();

    apply(&part("apiVersion: v1", "END"));
    let patch = part("kubectl --namespace cinema patch mbp cinema --type=merge --patch \\", "");
    let patch = patch.split('\'').nth(1).unwrap();
    cinema.kubectl(&["patch", "mbp", "cinema", "--type=merge", "--patch", patch]);
    cinema.wait_until("there is no schedule", || !cinema.try_get("cronjob/cinema-backup").is_null());
    back_up_under_sales(&cinema, "before-upgrade").await;
    let after = buy(&customer, &cinema.system.showtime().await).await.unwrap();

    // A name that no backup has is told with those that there are.
    let second = Cinema("second");
    apply_restored(&second, "no-such");
    cinema.wait_until("it is not said that there is no such backup", || {
        let described = cinema.kubectl(&["describe", "dbclaim"]);
        described.contains("there is no backup no-such on the volume. There are: before-upgrade")
    });
    apply_restored(&second, "before-upgrade");
    // Its pod is not replaced by itself, and before the StatefulSet is corrected it would be by one that is like it.
    cinema.wait_until("the server is not corrected", || {
        let server = cinema.get("statefulset/second-postgresql");
        server["spec"].to_string().contains("before-upgrade")
            && server["status"]["observedGeneration"] == server["metadata"]["generation"]
    });
    cinema.kubectl(&["delete", "pod", "second-postgresql-0"]);
    second.wait_until_ready();

    let restored = System::at(second.address(), cinema.system.accounts.clone());
    let customer = restored.customer().await;
    assert_eq!(customer.get(&format!("/tickets/{before}")).await.ok()["state"], "VALID");
    customer.get(&format!("/tickets/{after}")).await.problem(404, "TICKET_NOT_FOUND");
    databases::agree(&second).await;
    buy(&customer, &restored.showtime().await).await.unwrap();
    databases::agree(&second).await;

    cinema.kubectl(&["delete", "mbp/second", "pvc/data-second-postgresql-0", "--wait=false"]);
    let pods = ["get", "pods", "--selector=app.kubernetes.io/instance=second", "--output=name"];
    cinema.wait_until("pods of the second are left", || cinema.kubectl(&pods).trim().is_empty());
    cinema.patch(&json!({"spec": {"backup": null}}));
    cinema.kubectl(&["delete", "job/before-upgrade", "pvc/backups", "--ignore-not-found", "--wait=false"]);
}
