//! Pods are killed while buyers book: no seat is sold twice, and whoever paid has tickets or the money back.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use moviebooking_tests::{Load, Rest, key};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::{
    cinema::PATIENCE,
    commands::try_kubectl,
    databases,
    shared::{Shared, shared},
};

/// What is killed, one after another.
const VICTIMS: [&str; 8] =
    ["payments", "reservations", "postgresql", "tickets", "gateway", "payments", "movies", "users"];
/// How long a buyer waits before asking again.
const PAUSE: Duration = Duration::from_millis(200);

/// Tickets that were answered to buyers.
type Bought = Arc<Mutex<Vec<String>>>;

/// Asks until there is a final answer, always with the same key.
async fn persist(buyer: &Rest, path: &str, body: &Value) -> Result<Value, String> {
    let key = key();
    let answered = tokio::time::timeout(PATIENCE, async {
        loop {
            let request = buyer.request(Method::POST, path).header("idempotency-key", &key).json(body);
            if let Ok(answer) = request.send().await {
                let status = answer.status();
                if let Ok(json) = answer.json::<Value>().await
                    && !status.is_server_error()
                    && json["reason"] != "REQUEST_IN_FLIGHT"
                {
                    return json;
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    });
    answered.await.map_err(|_| format!("{path}: no final answer in {PATIENCE:?}"))
}

/// Books two seats, whatever it takes, unless they cannot be had.
async fn book(buyer: Rest, showtime: String, bought: Bought) -> Result<(), String> {
    let wanted = json!({"showtimeId": showtime, "bestAvailable": {"count": 2}});
    let hold = persist(&buyer, "/reservations", &wanted).await?;
    if hold["id"].is_null() {
        // Others were faster, or the buyer has as many as one may have.
        let reasons = ["NOT_ENOUGH_SEATS", "SEAT_UNAVAILABLE", "SEAT_LIMIT"];
        let is_refused = reasons.iter().any(|reason| hold["reason"] == *reason);
        return if is_refused { Ok(()) } else { Err(format!("no seats: {hold}")) };
    }
    let charge = json!({"reservationId": hold["id"], "amount": hold["total"], "paymentToken": "tok_approve"});
    let paid = persist(&buyer, "/payments/charge", &charge).await?;
    match paid["ticketIds"][0].as_str() {
        Some(ticket) => bought.lock().await.push(ticket.to_owned()),
        // It took longer than the seats were held for, or was given back.
        None if paid["reason"].is_string() => {}
        None => return Err(format!("neither paid nor refused: {paid}")),
    }
    Ok(())
}

/// Ends a component as a crash does.
fn kill(cinema: &Shared, victim: &str) {
    if victim == "postgresql" {
        // An immediate shutdown. Another pod must not begin with its files while this one may still write.
        // What runs beside it ends as well, the messenger included.
        let kill = ["exec", "cinema-postgresql-0", "--namespace=cinema", "--", "sh", "-c", "kill -QUIT 1"];
        drop(try_kubectl(&kill, b""));
    } else {
        let selector = format!("--selector=app.kubernetes.io/name={victim}");
        cinema.kubectl(&["delete", "pods", &selector, "--force", "--grace-period=0", "--wait=false"]);
    }
}

/// What tells the containers of a component that are ready from those that they were before.
fn ready_pods(cinema: &Shared, component: &str) -> BTreeSet<String> {
    let pods = cinema.try_get("pods");
    let pods = pods["items"].as_array().into_iter().flatten().filter(|pod| {
        pod["metadata"]["labels"]["app.kubernetes.io/name"] == component
            && pod["status"]["containerStatuses"][0]["ready"] == true
    });
    pods.map(|pod| {
        format!("{} {}", pod["metadata"]["uid"], pod["status"]["containerStatuses"][0]["restartCount"])
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_sold_twice_or_lost_when_pods_are_killed() {
    let cinema = shared().await;
    let system = &cinema.system;
    let mut showtimes = Vec::new();
    for _ in 0..24 {
        showtimes.push(system.showtime().await);
    }
    let (mut load, bought) = (Load::new(), Bought::default());
    for _ in 0..6 {
        let buyers = [system.new_customer().await, system.new_customer().await, system.new_customer().await];
        let (showtimes, bought) = (showtimes.clone(), Arc::clone(&bought));
        load.client(move |number| {
            let buyer = buyers[number % buyers.len()].clone();
            // All want seats of the same showtime until it is sold out, and each may have five pairs of it.
            let showtime = showtimes[number / 10 % showtimes.len()].clone();
            book(buyer, showtime, Arc::clone(&bought))
        });
    }
    for victim in VICTIMS {
        let killed = ready_pods(&cinema, victim);
        kill(&cinema, victim);
        cinema.wait_until(&format!("{victim} is not back"), || {
            let now = ready_pods(&cinema, victim);
            !now.is_empty() && now.is_disjoint(&killed)
        });
        let before = load.answers();
        cinema.wait_until(&format!("no bookings after {victim} is back"), || load.answers() > before + 6);
    }
    cinema.wait_until_settled();
    load.end().await;

    databases::agree(&cinema).await;
    let (admin, bought) = (system.admin().await, bought.lock().await);
    println!("{} bookings while {} pods were killed", bought.len(), VICTIMS.len());
    for ticket in bought.iter() {
        assert_eq!(admin.get(&format!("/tickets/{ticket}")).await.ok()["state"], "VALID");
    }
}
