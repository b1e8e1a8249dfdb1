//! Replicas that come get their share of the calls from clients that run already, and those that go get none.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use moviebooking_launch::wait_until;
use moviebooking_tests::{Load, Rest};
use serde_json::json;

use crate::shared::{Shared, shared};

/// Within this time a new replica is called: some seconds, unless the machine has other things to do.
const FOUND: Duration = Duration::from_secs(20);
/// After this time one that goes is left alone: it lingers for two seconds more.
const LEFT_ALONE: Duration = Duration::from_secs(8);
/// Calls that are counted to see the shares.
const CALLS: u64 = 300;

/// A pod of the service: its name, its address, and whether it is to end.
struct Replica {
    name: String,
    address: String,
    ends: bool,
}

fn replicas(cinema: &Shared) -> Vec<Replica> {
    let pods = cinema.get("pods");
    let of_movies = pods["items"].as_array().into_iter().flatten().filter(|pod| {
        pod["metadata"]["labels"]["app.kubernetes.io/name"] == "movies" && pod["status"]["podIP"].is_string()
    });
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    of_movies
        .map(|pod| Replica {
            name: text(&pod["metadata"]["name"]),
            address: text(&pod["status"]["podIP"]),
            ends: !pod["metadata"]["deletionTimestamp"].is_null(),
        })
        .collect()
}

/// How many calls a pod has answered, by its own account; nothing when it has ended.
async fn answered(address: &str) -> Option<u64> {
    let answer = reqwest::get(format!("http://{address}:9464/metrics")).await.ok()?;
    let text = answer.text().await.ok()?;
    let counts =
        text.lines().filter(|line| line.starts_with("moviebooking_rpc_server_duration_seconds_count"));
    Some(counts.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() as u64)
}

async fn counts(replicas: &[Replica]) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for replica in replicas {
        counts.insert(replica.name.clone(), answered(&replica.address).await.unwrap_or_default());
    }
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_share_the_calls_as_they_come_and_go() {
    let cinema = shared().await;
    let mut load = Load::new();
    for _ in 0..3 {
        let visitor = cinema.system.rest();
        load.client(move |_| look(visitor.clone()));
    }
    load.flows().await;

    cinema.patch(&json!({"spec": {"services": {"movies": {"replicas": 3}}}}));
    cinema.wait_until("there are no three replicas", || {
        cinema.get("deployment/cinema-movies")["status"]["readyReplicas"] == 3
    });
    let (ready, all) = (Instant::now(), replicas(&cinema));
    let first = counts(&all).await;
    let mut now = first.clone();
    while !all.iter().all(|replica| now[&replica.name] >= first[&replica.name] + 5) {
        assert!(ready.elapsed() < FOUND, "{first:?}, then {now:?}");
        now = counts(&all).await;
    }
    println!("three replicas are called after {:?}", ready.elapsed());
    let (first, mut now) = (now.clone(), now);
    let total = |counts: &BTreeMap<String, u64>| counts.values().sum::<u64>();
    while total(&now) < total(&first) + CALLS {
        now = counts(&all).await;
    }
    let shares: Vec<u64> = all.iter().map(|replica| now[&replica.name] - first[&replica.name]).collect();
    println!("their shares: {shares:?}");
    let fair = (total(&now) - total(&first)) / 3;
    assert!(shares.iter().all(|share| *share * 10 > fair * 7), "{shares:?}");

    cinema.patch(&json!({"spec": {"services": {"movies": {"replicas": 1}}}}));
    let mut going = Vec::new();
    wait_until(Duration::from_secs(60), "two replicas are to go", || {
        going = replicas(&cinema).into_iter().filter(|replica| replica.ends).collect();
        Ok(going.len() == 2)
    })
    .unwrap();
    let told = Instant::now();
    for replica in &going {
        let (mut settled, mut last) = (None, 0);
        while let Some(count) = answered(&replica.address).await {
            last = count;
            if told.elapsed() >= LEFT_ALONE {
                settled.get_or_insert(count);
            }
            tokio::task::yield_now().await;
        }
        println!("{} has answered {last} calls, and {settled:?} when it was left alone", replica.name);
        assert!(settled.is_none_or(|settled| settled == last), "{settled:?}, and {last} in the end");
    }
    load.flows().await;
    load.end().await;
}

async fn look(visitor: Rest) -> Result<(), String> {
    let answer = visitor.get("/movies?pageSize=1").await;
    if answer.status.is_success() { Ok(()) } else { Err(format!("{}: {}", answer.status, answer.json)) }
}
