//! The platform that tests share: to install one takes as long as most tests.

use std::{ops::Deref, time::Duration};

use moviebooking_tests::{System, buy};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard, OnceCell};

use crate::{
    cinema::{Cinema, PATIENCE},
    operator::install_chart,
};

/// How long somebody waits before trying again.
const PAUSE: Duration = Duration::from_millis(200);

/// A platform with the demo cinema, installed by the chart.
pub(crate) struct Shared {
    cinema: Cinema,
    /// What clients need.
    pub(crate) system: System,
    /// How often it was tried whether it sells.
    sold: usize,
}

impl Deref for Shared {
    type Target = Cinema;

    fn deref(&self) -> &Cinema {
        &self.cinema
    }
}

impl Shared {
    /// Buys a ticket as soon as the platform can sell again, as somebody does who tries again, and gives its id.
    pub(crate) async fn sells_again(&mut self) -> String {
        // A Service that was made anew has another address.
        self.system.address = self.cinema.address();
        self.sold += 1;
        let bought = tokio::time::timeout(PATIENCE, async {
            loop {
                if let Some(ticket) = self.buys().await {
                    return ticket;
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
        bought.await.expect("nothing is sold")
    }

    async fn buys(&self) -> Option<String> {
        let (client, base) = (reqwest::Client::new(), format!("http://{}", self.system.address));
        let listed = client.get(format!("{base}/showtimes?pageSize=200")).send().await.ok()?;
        let listed: Value = listed.json().await.ok()?;
        // Another one each time, because nobody may have many seats of one.
        let showtime = listed["showtimes"].as_array()?.iter().nth_back(self.sold)?["id"].as_str()?;
        let account = &self.system.accounts.customer;
        let credentials = json!({"email": account.email, "password": account.password});
        let session = client.post(format!("{base}/users/login")).json(&credentials).send().await.ok()?;
        let session: Value = session.json().await.ok()?;
        let customer = self.system.rest().with_token(session["accessToken"].as_str()?.to_owned());
        buy(&customer, showtime).await.ok()
    }
}

/// The platform for one test at a time, which finds it ready and with one replica of everything.
pub(crate) async fn shared() -> MutexGuard<'static, Shared> {
    static SHARED: OnceCell<Mutex<Shared>> = OnceCell::const_new();
    let shared = SHARED.get_or_init(async || {
        install_chart();
        let cinema = Cinema::new();
        cinema.apply();
        cinema.wait_until_ready();
        let system = cinema.furnish();
        Mutex::new(Shared { cinema, system, sold: 0 })
    });
    let mut shared = shared.await.lock().await;
    shared.cinema.reset();
    shared.cinema.wait_until_settled();
    // A Service that was made anew has another address.
    shared.system.address = shared.cinema.address();
    shared
}
