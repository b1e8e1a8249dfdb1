//! What somebody deletes comes back, and what is interrupted is finished.

use std::{collections::BTreeMap, path::Path, process::Command};

use moviebooking_tests::{run, said};
use serde_json::{Value, json};

use crate::{
    commands::{kubectl, variable},
    load,
    operator::SYSTEM,
    shared::{Shared, shared},
};

/// Kinds of objects that a platform consists of.
const KINDS: &str = "serviceaccounts,secrets,services,networkpolicies,statefulsets,databaseclaims,jobs,\
                     poddisruptionbudgets,horizontalpodautoscalers,deployments,ingresses";
/// The operator's processes are killed so often while something is under way.
const KILLS: usize = 3;

/// An object that belongs to the platform.
struct Object {
    /// What it is to be: the digest of a Job's name, values of Secrets and addresses differ each time.
    wanted: Value,
    uid: String,
}

/// All that belongs to the platform or one of its claims, by kind and name.
fn objects(cinema: &Shared) -> BTreeMap<String, Object> {
    let selector = "--selector=app.kubernetes.io/managed-by=moviebooking-operator";
    let list = cinema.kubectl(&["get", KINDS, selector, "--output=json"]);
    let list: Value = serde_json::from_str(&list).unwrap();
    let items = list["items"].as_array().cloned().unwrap_or_default();
    items.into_iter().filter_map(|item| named(&item)).collect()
}

/// Nothing for what is on its way out or nobody owns, and for migrations: those that are done are needed no more.
fn named(item: &Value) -> Option<(String, Object)> {
    let (metadata, kind) = (&item["metadata"], item["kind"].as_str()?.to_lowercase());
    let name = metadata["name"].as_str()?;
    if !metadata["deletionTimestamp"].is_null() || metadata["ownerReferences"].is_null() {
        return None;
    }
    let mut wanted = json!({"labels": metadata["labels"]});
    let name = match kind.as_str() {
        "job" if name.contains("-migrate-") => return None,
        "job" => name.rsplit_once('-')?.0,
        "secret" => {
            wanted["keys"] = item["data"].as_object()?.keys().cloned().collect();
            name
        }
        _ => {
            wanted["spec"] = item["spec"].clone();
            if let Some(spec) = wanted["spec"].as_object_mut() {
                spec.retain(|field, _| !field.starts_with("clusterIP"));
            }
            // What it reads at its start has changed.
            if let Some(annotations) = wanted["spec"].pointer_mut("/template/metadata/annotations") {
                annotations.take();
            }
            name
        }
    };
    let uid = metadata["uid"].as_str()?.to_owned();
    Some((format!("{kind}/{name}"), Object { wanted, uid }))
}

/// Whether everything that was there before is there again, and as before.
fn is_back(cinema: &Shared, before: &BTreeMap<String, Object>) -> bool {
    let now = objects(cinema);
    let same = |(name, object): (&String, &Object)| {
        now.get(name).is_some_and(|again| again.uid != object.uid && again.wanted == object.wanted)
    };
    before.iter().all(same)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_object_that_is_deleted_is_back() {
    let mut cinema = shared().await;
    let ticket = cinema.sells_again().await;

    let before = objects(&cinema);
    println!("{} objects", before.len());
    let names: Vec<&str> =
        before.keys().filter(|name| !name.starts_with("job/")).map(String::as_str).collect();
    for name in &names {
        let uid = &before[*name].uid;
        // What belongs to another that was deleted is another one by now.
        if cinema.try_get(name)["metadata"]["uid"] != **uid {
            continue;
        }
        cinema.kubectl(&["delete", name, "--wait=false"]);
        cinema.wait_until(&format!("{name} is not back"), || {
            let again = &cinema.try_get(name)["metadata"];
            again["uid"].is_string() && again["uid"] != **uid && again["deletionTimestamp"].is_null()
        });
    }
    cinema.wait_until_settled();
    cinema.wait_until("they are not what they were", || {
        let now = objects(&cinema);
        names.iter().all(|name| now.get(*name).is_some_and(|again| again.wanted == before[*name].wanted))
    });

    // All at once; a Job is found by its name.
    let before = objects(&cinema);
    let selector = "--selector=app.kubernetes.io/managed-by=moviebooking-operator";
    cinema.kubectl(&[
        "delete",
        KINDS,
        selector,
        "--field-selector=metadata.name!=cinema-postgresql-superuser",
        "--wait=false",
    ]);
    cinema.wait_until("not everything is back", || is_back(&cinema, &before));
    cinema.wait_until_settled();
    cinema.sells_again().await;
    let staff = cinema.system.admin().await;
    assert_eq!(staff.get(&format!("/tickets/{ticket}")).await.ok()["state"], "VALID");
}

/// Kills all of the operator's processes.
fn kill_operator() {
    let kill = ["delete", "pods", "--all", "--force", "--grace-period=0", "--wait=false"];
    kubectl(&[&["--namespace", SYSTEM], &kill[..]].concat());
}

/// Kills them whenever the platform's status has changed, some times, and waits until `done`.
fn kill_operator_until(cinema: &Shared, what: &str, done: impl Fn(&Value) -> bool) {
    let (mut kills, mut seen) = (0, Value::Null);
    cinema.wait_until(what, || {
        let platform = cinema.try_get("mbp/cinema");
        let status = platform["status"].clone();
        if kills < KILLS && status != seen && !done(&platform) {
            kills += 1;
            seen = status;
            kill_operator();
        }
        done(&platform)
    });
    println!("{what}: killed {kills} times");
}

fn is_ready_at(platform: &Value, version: &str) -> bool {
    let conditions = platform["status"]["conditions"].as_array();
    platform["status"]["version"] == version
        && conditions.into_iter().flatten().any(|condition| {
            condition["type"] == "Ready"
                && condition["status"] == "True"
                && condition["observedGeneration"] == platform["metadata"]["generation"]
        })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_that_is_killed_finishes_what_it_had_begun() {
    let mut cinema = shared().await;
    let (version, next) = (env!("CARGO_PKG_VERSION"), variable("MOVIEBOOKING_NEXT_VERSION"));
    cinema.patch(&json!({"spec": {"version": next}}));
    kill_operator_until(&cinema, "the upgrade is not finished", |platform| is_ready_at(platform, &next));

    cinema.kubectl(&["delete", "mbp/cinema", "--wait=false"]);
    kill_operator();
    cinema.wait_until("pods are left", || {
        cinema.try_get("pods")["items"].as_array().is_some_and(Vec::is_empty)
    });
    assert_eq!(objects(&cinema).len(), 0, "nothing that it owned is left");

    cinema.apply();
    kill_operator_until(&cinema, "the installation is not finished", |platform| {
        is_ready_at(platform, version)
    });
    cinema.wait_until_settled();
    cinema.sells_again().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_server_that_is_killed_is_missed_by_nobody() {
    let Some(folder) = std::env::var_os("MOVIEBOOKING_TEST_CLUSTER") else {
        return println!("not run: MOVIEBOOKING_TEST_CLUSTER does not name a cluster of this machine");
    };
    let mut cinema = shared().await;
    let load = load::crowd(&mut cinema).await;
    load.flows().await;
    let id = std::fs::read_to_string(Path::new(&folder).join("kube-apiserver.pid")).unwrap();
    said(&run(Command::new("kill").args(["-KILL", id.trim()]), b""), "kill");
    load.flows().await;
    cinema.wait_until("the API server is not back", || !cinema.try_get("mbp/cinema").is_null());
    load.flows().await;
    load.end().await;

    // The operator watches again.
    let uid = cinema.get("networkpolicy/cinema-users")["metadata"]["uid"].clone();
    cinema.kubectl(&["delete", "networkpolicy/cinema-users", "--wait=false"]);
    cinema.wait_until("the operator does not watch", || {
        let again = cinema.try_get("networkpolicy/cinema-users")["metadata"]["uid"].clone();
        again.is_string() && again != uid
    });
}
