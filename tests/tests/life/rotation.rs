//! Keys, passwords and secrets that are replaced while requests flow, without one failing.

use std::{fs, path::Path};

use moviebooking_launch::{Platform, Process, SERVICES};
use moviebooking_proto::theaters::v1::{ListTheatersRequest, theaters_service_client::TheatersServiceClient};
use moviebooking_tests::{Answer, Grpc, Load, Processes, Rest};
use serde_json::{Value, json};

use crate::{program::nobodys_address, turn, wait_until};

/// What is wrong with an answer that should be good.
fn good(answer: &Answer) -> Result<(), String> {
    if answer.status.is_success() { Ok(()) } else { Err(format!("{}: {}", answer.status, answer.json)) }
}

/// A client who buys a ticket, each for another showtime: all services but users take part.
async fn buy(customer: &Rest, showtime: &str) -> Result<(), String> {
    let seat = json!({"showtimeId": showtime, "bestAvailable": {"count": 1}});
    let hold = customer.post("/reservations", seat).await;
    good(&hold)?;
    let charge = json!({"reservationId": hold.json["id"], "amount": hold.json["total"], "paymentToken": "tok_approve"});
    good(&customer.post("/payments/charge", charge).await)
}

/// Clients who sign in, read what is theirs with the token, and buy.
async fn clients(processes: &Processes) -> Load {
    let system = &processes.system;
    let mut load = Load::new();
    for _ in 0..2 {
        let (visitor, account) = (system.rest(), system.accounts.customer.clone());
        load.client(move |_| {
            let (visitor, account) = (visitor.clone(), account.clone());
            async move {
                let body = json!({"email": account.email, "password": account.password});
                let session = visitor.post("/users/login", body).await;
                good(&session)?;
                let token = session.json["accessToken"].as_str().unwrap_or_default().to_owned();
                good(&visitor.with_token(token).get("/users/me").await)
            }
        });
    }
    let showtimes = system.showtimes().await;
    for first in [0, showtimes.len() / 2] {
        let (customer, all) = (system.new_customer().await, showtimes.clone());
        load.client(move |number| {
            let (customer, showtime) = (customer.clone(), all[(first + number) % all.len()].clone());
            async move { buy(&customer, &showtime).await }
        });
    }
    load
}

/// How often this stands in the log of a process.
fn logged(folder: &Path, process: &str, text: &str) -> usize {
    fs::read_to_string(folder.join(format!("{process}.log"))).unwrap_or_default().matches(text).count()
}

fn run(platform: &Platform, service: &str, arguments: &[&str]) {
    let output = platform.command(service).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

async fn published(system: &Rest, path: &str) -> usize {
    system.get(path).await.ok()["keys"].as_array().map_or(0, Vec::len)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keys_of_tokens_and_tickets_are_replaced() {
    let processes = turn().await;
    let (platform, visitor) = (&processes.platform, processes.system.rest());
    let load = clients(&processes).await;
    load.flows().await;

    let (tokens, tickets) = ("/.well-known/jwks.json", "/tickets/keys");
    let before = (published(&visitor, tokens).await, published(&visitor, tickets).await);
    run(platform, "users", &["rotate-keys"]);
    run(platform, "tickets", &["rotate-keys"]);
    wait_until("the new keys are published", async || {
        (published(&visitor, tokens).await, published(&visitor, tickets).await)
            == (before.0 + 1, before.1 + 1)
    })
    .await;
    load.flows().await;

    // As if the time had passed for which they are published before they sign.
    let postgres = platform.postgres();
    let pass = |table: &str, by: &str| {
        format!("UPDATE {table} SET signs_from = signs_from - INTERVAL '{by}' WHERE signs_from > now()")
    };
    postgres.query("users", &pass("signing_keys", "11 minutes")).unwrap();
    postgres.query("tickets", &pass("ticket_keys", "25 hours")).unwrap();
    let kid = "SELECT id FROM signing_keys ORDER BY signs_from DESC LIMIT 1";
    let kid = postgres.query("users", kid).unwrap();
    wait_until("the new key signs access tokens", async || {
        let account = &processes.system.accounts.customer;
        let signed_in = visitor.clone().sign_in(&account.email, &account.password).await;
        key_of(signed_in.token().unwrap_or_default()) == kid.trim()
    })
    .await;
    wait_until("the new key signs tickets", async || {
        let newest = "SELECT substr(code, 6, 3) FROM tickets ORDER BY id DESC LIMIT 1";
        let newest = postgres.query("tickets", newest).unwrap();
        // The id of the key is the first 16 bits in base32: 1 is AAAQ, 2 is AABA.
        newest.trim() == "AAB"
    })
    .await;
    load.flows().await;
    load.end().await;
}

/// The id of the key that signed an access token.
fn key_of(token: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap_or_default()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    header["kid"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_secret_that_services_know_each_other_by_is_replaced() {
    let processes = turn().await;
    let folder = processes.platform.folder();
    let file = folder.join("service-secret");
    let old = fs::read_to_string(&file).unwrap();
    let new = "f".repeat(64);
    let load = clients(&processes).await;
    load.flows().await;
    // First all must know it, then it is used, then the old one goes.
    for secrets in [format!("{old}\n{new}\n"), format!("{new}\n{old}\n"), new] {
        let before = SERVICES.map(|name| logged(folder, name, "files were read again"));
        fs::write(&file, secrets).unwrap();
        for (name, before) in SERVICES.into_iter().zip(before) {
            wait_until("a service has read the secret again", async || {
                logged(folder, name, "files were read again") > before
            })
            .await;
        }
        load.flows().await;
    }
    load.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_password_of_a_database_is_replaced_on_either_side_first() {
    let processes = turn().await;
    let (platform, postgres) = (&processes.platform, processes.platform.postgres());
    postgres.query("postgres", "CREATE ROLE rotated SUPERUSER LOGIN PASSWORD 'one'").unwrap();
    postgres.demand_password("rotated").unwrap();
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("uri");
    let set_file = |password: &str| {
        let url = postgres.database_url("theaters").replace("postgres@", &format!("rotated:{password}@"));
        fs::write(&file, url).unwrap();
    };
    let set_server = |password: &str| {
        postgres.query("postgres", &format!("ALTER ROLE rotated PASSWORD '{password}'")).unwrap();
    };
    set_file("one");
    let address = nobodys_address();
    let mut theaters = platform.command("theaters");
    theaters
        .env("MOVIEBOOKING_LISTEN", &address)
        .env("MOVIEBOOKING_DATABASE_URL_FILE", &file)
        .env_remove("MOVIEBOOKING_DATABASE_URL")
        .env_remove("MOVIEBOOKING_METRICS_LISTEN");
    let _theaters = Process::start(&theaters, &files.path().join("theaters.log")).unwrap();
    wait_until("it is ready", async || {
        reqwest::get(format!("http://{address}/readyz")).await.is_ok_and(|answer| answer.status() == 200)
    })
    .await;
    let channel = Grpc::connect(address.parse().unwrap()).await.channel();
    let mut load = Load::new();
    for _ in 0..6 {
        let client = TheatersServiceClient::new(channel.clone());
        load.client(move |_| {
            let mut client = client.clone();
            async move {
                let answer = client.list_theaters(ListTheatersRequest::default()).await;
                answer.map(drop).map_err(|status| status.to_string())
            }
        });
    }
    load.flows().await;
    let connections = || {
        let ids = "SELECT pid FROM pg_stat_activity WHERE usename = 'rotated'";
        postgres.query("postgres", ids).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let replaced = async |old: Vec<String>| {
        assert!(!old.is_empty());
        wait_until("there are new connections alone", async || {
            let now = connections();
            !now.is_empty() && now.iter().all(|id| !old.contains(id))
        })
        .await;
    };

    let old = connections();
    set_server("two");
    load.flows().await;
    set_file("two");
    replaced(old).await;
    load.flows().await;

    let old = connections();
    set_file("three");
    wait_until("the new password was tried", async || {
        logged(files.path(), "theaters", "does not work yet") > 0
    })
    .await;
    load.flows().await;
    set_server("three");
    replaced(old).await;
    load.flows().await;
    load.end().await;
    assert_eq!(logged(files.path(), "theaters", "three"), 0, "the log does not tell the password");
}
