//! A new version that cannot be rolled out stops where it fails: the one before serves on, the status says why, and a resource
//! that is put right goes on from there.

use moviebooking_tests::buy;
use serde_json::{Value, json};

use crate::{
    commands::variable,
    shared::{Shared, shared},
};

/// Waits until a condition of the platform does not hold for this reason, and gives what it says.
fn stopped(cinema: &Shared, condition: &str, reason: &str, says: &str) {
    cinema.wait_until(&format!("{condition} does not tell of {reason}: {says}"), || {
        let platform = cinema.try_get("mbp/cinema");
        let conditions = platform["status"]["conditions"].as_array();
        conditions.into_iter().flatten().any(|it| {
            it["type"] == condition
                && it["status"] == "False"
                && it["reason"] == reason
                && it["observedGeneration"] == platform["metadata"]["generation"]
                && it["message"].as_str().is_some_and(|message| message.contains(says))
        })
    });
}

/// The versions of the services, in their order.
fn versions(cinema: &Shared) -> Vec<Value> {
    let services = cinema.get("mbp/cinema")["status"]["services"].clone();
    services.as_array().into_iter().flatten().map(|service| service["version"].clone()).collect()
}

fn sql(cinema: &Shared, database: &str, statement: &str) {
    let psql = ["psql", "--username=postgres", "--dbname", database, "--command", statement];
    cinema.kubectl(&[&["exec", "cinema-postgresql-0", "--"], &psql[..]].concat());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_rolled_out_stops_and_the_version_before_serves() {
    let cinema = shared().await;
    let (customer, showtime) = (cinema.system.new_customer().await, cinema.system.showtime().await);
    let (version, next) = (env!("CARGO_PKG_VERSION"), variable("MOVIEBOOKING_NEXT_VERSION"));
    let pods =
        || cinema.kubectl(&["get", "pods", "--selector=app.kubernetes.io/name=gateway", "--output=name"]);
    let before = pods();

    // Images that nobody has.
    cinema.patch(&json!({"spec": {"version": "0.0.0-missing"}}));
    stopped(&cinema, "MigrationsComplete", "ImagePullFailed", "0.0.0-missing");
    buy(&customer, &showtime).await.unwrap();
    cinema.patch(&json!({"spec": {"version": version}}));
    cinema.wait_until_settled();
    assert_eq!(pods(), before, "nothing had been touched");

    // A migration that fails: the services before it have the new version, it and all after it keep theirs.
    let later = "INSERT INTO schema_migrations VALUES (8999, 'of a later version', '', now())";
    sql(&cinema, "movies", later);
    cinema.patch(&json!({"spec": {"version": next}}));
    stopped(&cinema, "MigrationsComplete", "MigrationFailed", "movies");
    cinema.wait_until("users and theaters are not rolled out", || {
        let (next, version) = (json!(next), json!(version));
        let expected = [&next, &next, &version, &version, &version, &version, &version].map(Value::clone);
        versions(&cinema) == expected
    });
    buy(&customer, &showtime).await.unwrap();
    cinema.patch(&json!({"spec": {"version": version}}));
    cinema.wait_until_settled();
    sql(&cinema, "movies", "DELETE FROM schema_migrations WHERE version = 8999");

    // Pods that end at once.
    let wrong = json!([{"name": "MOVIEBOOKING_MAX_REQUESTS", "value": "none"}]);
    cinema.patch(&json!({"spec": {"services": {"gateway": {"env": wrong}}}}));
    stopped(&cinema, "RolloutComplete", "ProcessFailed", "exit code 64");
    buy(&customer, &showtime).await.unwrap();
    cinema.patch(&json!({"spec": {"services": null}}));
    cinema.wait_until_settled();
    assert_eq!(pods(), before, "the pod that served is the one that serves");
    buy(&customer, &showtime).await.unwrap();
}
