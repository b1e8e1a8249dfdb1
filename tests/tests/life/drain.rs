//! The end of a process that is in use: no request fails, no stream keeps it.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use moviebooking_launch::{GATEWAY, Process};
use moviebooking_standalone::Account;
use reqwest::{Client, Response, StatusCode};
use serde_json::json;

use crate::{program::nobodys_address, turn, wait_until};

/// Clients at once, half of whom read and half of whom sign in, which takes the platform longer.
const CLIENTS: usize = 6;
/// Requests answered before and after.
const REQUESTS: usize = 60;

/// What the clients have seen.
#[derive(Default)]
struct Seen {
    /// Answers of the process that ends, and of the one that stays.
    answers: [AtomicUsize; 2],
    failures: Mutex<Vec<String>>,
    enough: AtomicBool,
}

/// Asks the first of two gateways, as a load balancer does, until it takes no connection any more; then the second.
async fn ask(gateways: [SocketAddr; 2], account: Option<Account>, seen: Arc<Seen>) {
    // Over HTTP/2, whose GOAWAY tells a client which of its requests were taken.
    let client = Client::builder().http2_prior_knowledge().build().unwrap();
    let mut turn = 0;
    while !seen.enough.load(Ordering::Relaxed) {
        let base = format!("http://{}", gateways[turn]);
        let answer = match &account {
            None => client.get(format!("{base}/theaters")).send().await,
            Some(Account { email, password }) => {
                let body = json!({"email": email, "password": password});
                client.post(format!("{base}/users/login")).json(&body).send().await
            }
        };
        match read(answer).await {
            Ok(StatusCode::OK) => _ = seen.answers[turn].fetch_add(1, Ordering::Relaxed),
            Err(error) if error.is_connect() && turn == 0 => turn = 1,
            outcome => seen.failures.lock().unwrap().push(format!("gateway {turn}: {outcome:?}")),
        }
    }
}

/// The status of an answer that came whole.
async fn read(answer: reqwest::Result<Response>) -> reqwest::Result<StatusCode> {
    let answer = answer?;
    let status = answer.status();
    answer.bytes().await.map(|_| status)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_is_told_to_stop_finishes_what_it_has_begun() {
    let mut processes = turn().await;
    let (system, platform) = (&processes.system, &processes.platform);
    let other = nobodys_address();
    let mut second = platform.command(GATEWAY);
    second.env("MOVIEBOOKING_LISTEN", &other).env_remove("MOVIEBOOKING_METRICS_LISTEN");
    let _second = Process::start(&second, &platform.folder().join("second-gateway.log")).unwrap();
    wait_until("the second gateway is ready", async || {
        reqwest::get(format!("http://{other}/readyz")).await.is_ok_and(|answer| answer.status() == 200)
    })
    .await;

    let path = format!("/showtimes/{}/seats/watch", system.showtime().await);
    let mut watched = system.rest().request(reqwest::Method::GET, &path).send().await.unwrap();
    assert!(watched.chunk().await.unwrap().is_some(), "a stream that never ends by itself has begun");

    let seen = Arc::new(Seen::default());
    let gateways = [system.address, other.parse().unwrap()];
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let account = (number % 2 == 0).then(|| system.accounts.customer.clone());
            tokio::spawn(ask(gateways, account, Arc::clone(&seen)))
        })
        .collect();
    let answered = |gateway: usize| seen.answers[gateway].load(Ordering::Relaxed) >= REQUESTS;
    wait_until("the first gateway is in use", async || answered(0)).await;

    // Asking it to end waits until it has.
    let ended = tokio::task::block_in_place(|| processes.platform.stop(GATEWAY)).unwrap();
    assert_eq!(ended, Some(0));
    while let Ok(Some(_)) = watched.chunk().await {}
    wait_until("the second gateway has taken over", async || answered(1)).await;
    seen.enough.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    processes.platform.launch(GATEWAY).unwrap();
    assert_eq!(*seen.failures.lock().unwrap(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_lingers_ends_each_connection_with_its_next_answer() {
    let processes = turn().await;
    let platform = &processes.platform;
    let address = nobodys_address();
    let mut gateway = platform.command(GATEWAY);
    gateway
        .env("MOVIEBOOKING_LISTEN", &address)
        .env("MOVIEBOOKING_LINGER_SECONDS", "15")
        .env_remove("MOVIEBOOKING_METRICS_LISTEN");
    let gateway = Process::start(&gateway, &platform.folder().join("lingering-gateway.log")).unwrap();
    let client = Client::new();
    let get = async |path: &str| client.get(format!("http://{address}{path}")).send().await;
    wait_until("it is ready", async || {
        get("/readyz").await.is_ok_and(|answer| answer.status() == StatusCode::OK)
    })
    .await;
    assert!(!get("/theaters").await.unwrap().headers().contains_key("connection"));

    let ended = tokio::task::spawn_blocking(move || gateway.stop());
    wait_until("it is not ready", async || {
        get("/readyz").await.is_ok_and(|answer| answer.status() == StatusCode::SERVICE_UNAVAILABLE)
    })
    .await;
    let answer = get("/theaters").await.unwrap();
    assert_eq!(
        (answer.status(), &answer.headers()["connection"]),
        (StatusCode::OK, &"close".parse().unwrap())
    );
    assert_eq!(ended.await.unwrap().unwrap(), Some(0));
}
