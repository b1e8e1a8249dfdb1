//! What changes a platform while it is in use fails no request: `load` says what that means.

use std::time::Instant;

use serde_json::{Value, json};

use crate::{
    commands::{try_kubectl, variable},
    load,
    shared::{Shared, shared},
};

/// The databases of the platform.
const DATABASES: [&str; 7] = ["users", "theaters", "movies", "reservations", "tickets", "payments", "bank"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_the_platform_changes() {
    let mut cinema = shared().await;
    cinema.patch(&json!({"spec": {"replicas": 2}}));
    cinema.wait_until_settled();
    let load = load::crowd(&mut cinema).await;
    load.flows().await;

    type Change = (&'static str, fn(&Shared));
    let changes: [Change; 6] = [
        ("a new version", |cinema| {
            cinema.patch(&json!({"spec": {"version": variable("MOVIEBOOKING_NEXT_VERSION")}}));
        }),
        ("other settings", |cinema| {
            let log = json!({"env": [{"name": "MOVIEBOOKING_LOG", "value": "info,h2=warn"}]});
            cinema.patch(&json!({"spec": {"services": {"reservations": log, "gateway": log}}}));
        }),
        ("other passwords of all databases", |cinema| {
            let secrets = DATABASES.map(|name| format!("secret/cinema-{name}-credentials"));
            let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
            cinema.kubectl(&[&["delete"], &secrets[..]].concat());
        }),
        ("every pod evicted", evict_all),
        ("three replicas", |cinema| cinema.patch(&json!({"spec": {"replicas": 3, "services": null}}))),
        ("one replica", |cinema| cinema.patch(&json!({"spec": {"replicas": 1}}))),
    ];
    for (what, change) in changes {
        let (begun, answers, failures) = (Instant::now(), load.answers(), load.failures().len());
        change(&cinema);
        cinema.wait_until_settled();
        load.flows().await;
        let (answers, failed) = (load.answers() - answers, load.failures().split_off(failures));
        println!("{what}: {:?}, {answers} answers, {} failed", begun.elapsed(), failed.len());
        for failure in failed.iter().take(10) {
            println!("    {failure}");
        }
    }
    load.end().await;
}

/// Asks for the eviction of each pod of the services and the gateway, as draining a node does, until the budget allows it.
fn evict_all(cinema: &Shared) {
    let pods = cinema.get("pods");
    let names = pods["items"].as_array().into_iter().flatten().filter_map(name_of_serving_pod);
    for name in names {
        let eviction = json!({
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name, "namespace": "cinema"},
        });
        let path = format!("/api/v1/namespaces/cinema/pods/{name}/eviction");
        cinema.wait_until("a pod cannot be evicted", || {
            let evict = ["create", "--raw", &path, "--filename=-"];
            let evicted = try_kubectl(&evict, eviction.to_string().as_bytes());
            // One that was ending already may have ended.
            evicted.status.success() || String::from_utf8_lossy(&evicted.stderr).contains("NotFound")
        });
    }
}

/// The name of a pod of a Deployment.
fn name_of_serving_pod(pod: &Value) -> Option<&str> {
    let owner = &pod["metadata"]["ownerReferences"][0]["kind"];
    (owner == "ReplicaSet").then(|| pod["metadata"]["name"].as_str()).flatten()
}
