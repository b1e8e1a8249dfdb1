//! The databases of a platform's own server, looked into as auditors do.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use moviebooking_audit::{Databases, audit};
use moviebooking_store::{Db, PoolOptions};

use crate::cinema::Cinema;

/// How long what was under way may take to be finished or turned round.
const SETTLED: Duration = Duration::from_secs(120);
/// How long it is waited between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// Waits until all agree with each other, to the seat and to the cent.
///
/// # Panics
/// With what they do not agree about.
pub(crate) async fn agree(cinema: &Cinema) {
    let databases = open(cinema).await;
    let mut found = audit(&databases).await.unwrap();
    let settled = tokio::time::timeout(SETTLED, async {
        while !found.is_empty() {
            tokio::time::sleep(PAUSE).await;
            found = audit(&databases).await.unwrap();
        }
    });
    assert!(settled.await.is_ok(), "{found:#?}");
}

/// As the server's superuser sees them.
async fn open(cinema: &Cinema) -> Databases {
    let server = format!("{}-postgresql", cinema.0);
    let secret = cinema.get(&format!("secret/{server}-superuser"));
    let password = STANDARD.decode(secret["data"]["password"].as_str().unwrap()).unwrap();
    let password = String::from_utf8(password).unwrap();
    let host = cinema.get(&format!("pod/{server}-0"))["status"]["podIP"].as_str().unwrap().to_owned();
    let options = PoolOptions { application_name: "audit", max_connections: Some(2) };
    let open = async |name: &str| {
        let url = format!("postgres://postgres:{password}@{host}/{name}").parse().unwrap();
        Db::connect(&url, &options).await.unwrap()
    };
    Databases {
        reservations: open("reservations").await,
        payments: open("payments").await,
        tickets: open("tickets").await,
        bank: open("bank").await,
    }
}
