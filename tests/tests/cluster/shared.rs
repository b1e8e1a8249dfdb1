//! The platform that tests share: to install one takes as long as most tests.

use std::{
    ops::{Deref, DerefMut},
    time::{Duration, Instant},
};

use moviebooking_standalone::Account;
use moviebooking_tests::{System, buy};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard, OnceCell};

use crate::{
    cinema::{Cinema, NAMESPACE, PATIENCE, make_namespace},
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
    /// Accounts of customers that tests have one after another: an address may not make many in a quarter of an hour.
    customers: Vec<Account>,
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
        let bought = tokio::time::timeout(PATIENCE, async {
            loop {
                self.sold += 1;
                if let Some(ticket) = self.buys().await {
                    return ticket;
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
        bought.await.expect("nothing is sold")
    }

    /// The access tokens of so many customers.
    pub(crate) async fn sign_in(&mut self, customers: usize) -> Vec<String> {
        while self.customers.len() < customers {
            self.customers.push(self.system.register().await);
        }
        let mut tokens = Vec::new();
        for account in &self.customers[..customers] {
            let customer = self.system.rest().sign_in(&account.email, &account.password).await;
            tokens.push(customer.token().expect("a token").to_owned());
        }
        tokens
    }

    async fn buys(&self) -> Option<String> {
        let (client, base) = (reqwest::Client::new(), format!("http://{}", self.system.address));
        let listed = client.get(format!("{base}/showtimes?pageSize=200")).send().await.ok()?;
        let listed: Value = listed.json().await.ok()?;
        let listed = listed["showtimes"].as_array()?;
        // Another one each time, because nobody may have many seats of one: what is held is not let go when paying fails.
        let showtime = listed.iter().nth_back(self.sold.checked_rem(listed.len())?)?["id"].as_str()?;
        let account = &self.system.accounts.customer;
        let credentials = json!({"email": account.email, "password": account.password});
        let session = client.post(format!("{base}/users/login")).json(&credentials).send().await.ok()?;
        let session: Value = session.json().await.ok()?;
        let customer = self.system.rest().with_token(session["accessToken"].as_str()?.to_owned());
        buy(&customer, showtime).await.ok()
    }
}

/// A test's turn with the platform. It tells how long that took.
pub(crate) struct Turn {
    shared: MutexGuard<'static, Shared>,
    begun: Instant,
}

impl Deref for Turn {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

impl DerefMut for Turn {
    fn deref_mut(&mut self) -> &mut Shared {
        &mut self.shared
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        println!("took {:.1} s", self.begun.elapsed().as_secs_f64());
    }
}

/// The platform for one test at a time, which finds it ready and with one replica of everything.
pub(crate) async fn shared() -> Turn {
    static SHARED: OnceCell<Mutex<Shared>> = OnceCell::const_new();
    let shared = SHARED.get_or_init(async || {
        let begun = Instant::now();
        install_chart();
        make_namespace(NAMESPACE);
        let cinema = Cinema("cinema");
        cinema.apply();
        cinema.wait_until_ready();
        let system = cinema.furnish();
        println!("installed in {:.1} s", begun.elapsed().as_secs_f64());
        Mutex::new(Shared { cinema, system, sold: 0, customers: Vec::new() })
    });
    let (mut shared, begun) = (shared.await.lock().await, Instant::now());
    shared.cinema.reset();
    shared.cinema.wait_until_settled();
    // A Service that was made anew has another address.
    shared.system.address = shared.cinema.address();
    Turn { shared, begun }
}
