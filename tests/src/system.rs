//! A platform that runs for as long as the tests of one program do.

use std::{
    net::SocketAddr,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use clap::Parser as _;
use moviebooking_domain::clock::{Clock as _, SharedClock, SystemClock};
use moviebooking_serve::{Server, bind, install_crypto_provider};
use moviebooking_standalone::{Account, Accounts, Platform, Storage, args::Cli, seed};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::{Grpc, Rest, key};

/// The platform under test, on a port of its own.
pub struct System {
    /// Where the gateway listens.
    pub address: SocketAddr,
    /// The demo's accounts.
    pub accounts: Accounts,
    admin: Session,
    staff: Session,
    next_showtime: AtomicUsize,
}

impl System {
    /// The platform that all tests of a program share: the one-process edition with the demo cinema, started once on a
    /// runtime of its own, since each test's runtime ends with it.
    pub fn one_process() -> &'static Self {
        static SYSTEM: OnceLock<System> = OnceLock::new();
        SYSTEM.get_or_init(Self::start)
    }

    /// A platform of one's own, for a test that others would not want to share one with.
    pub fn start() -> Self {
        Self::start_by(SystemClock::shared())
    }

    /// A platform of one's own that tells the time by this clock.
    pub fn start_by(clock: SharedClock) -> Self {
        let (ready, started) = mpsc::channel();
        thread::spawn(move || {
            install_crypto_provider();
            let data = tempfile::tempdir().expect("a folder for the data");
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            runtime.block_on(async {
                let folder = data.path().to_str().expect("a path in UTF-8");
                let settings = ["--listen", "127.0.0.1:0", "--webhooks-allow-local", "--data", folder];
                let cli = Cli::parse_from(["moviebooking"].into_iter().chain(settings));
                let storage = Storage::open(&cli.data).expect("the data folder");
                let listener = bind(cli.serve.listen, "--listen").await.expect("a port");
                let accounts = Accounts::create(storage.folder().path()).expect("the demo's accounts");
                let platform = Platform::open(&storage, &cli.serve, clock).await.expect("the platform");
                seed(&platform, &accounts).await.expect("the demo cinema");
                let address = listener.local_addr().expect("an address");
                let system = Self::at(address, accounts);
                ready.send(system).expect("a test that waits");
                let forever = CancellationToken::new();
                let server = Server::new(platform.router());
                tokio::join!(server.run(listener, forever.clone()), platform.run_background(forever));
            });
        });
        started.recv().expect("the platform to start")
    }

    /// The platform that listens here, with the demo cinema.
    pub fn at(address: SocketAddr, accounts: Accounts) -> Self {
        Self {
            address,
            accounts,
            admin: Session::default(),
            staff: Session::default(),
            next_showtime: AtomicUsize::new(0),
        }
    }

    /// A REST client that nobody is signed in to.
    pub fn rest(&self) -> Rest {
        Rest::new(self.address)
    }

    /// A gRPC client that nobody is signed in to.
    pub async fn grpc(&self) -> Grpc {
        Grpc::connect(self.address).await
    }

    /// Signed in as the demo's customer.
    pub async fn customer(&self) -> Rest {
        self.rest().sign_in(&self.accounts.customer.email, &self.accounts.customer.password).await
    }

    /// Signed in as staff of the demo's first theater.
    pub async fn staff(&self) -> Rest {
        self.staff.of(self.rest(), &self.accounts.staff).await
    }

    /// Signed in as the demo's admin.
    pub async fn admin(&self) -> Rest {
        self.admin.of(self.rest(), &self.accounts.admin).await
    }

    /// A new customer, signed in.
    pub async fn new_customer(&self) -> Rest {
        let account = self.register().await;
        self.rest().sign_in(&account.email, &account.password).await
    }

    /// A new customer's account.
    pub async fn register(&self) -> Account {
        let (email, password) = (format!("{}@buyers.example", key()), "a long enough password".to_owned());
        self.rest()
            .post("/users/register", json!({"email": email, "password": password, "displayName": "A Buyer"}))
            .await
            .ok();
        Account { email, password }
    }

    /// The id of a showtime that is on sale, hours from now, in the demo's first theater.
    pub async fn showtime(&self) -> String {
        let theaters = self.rest().get("/theaters").await.ok();
        let theater = theaters["theaters"]
            .as_array()
            .and_then(|all| all.iter().find(|theater| theater["timeZone"] == "Europe/Berlin"))
            .and_then(|theater| theater["id"].as_str())
            .expect("the demo's first theater")
            .to_owned();
        let path = format!("{}&theaterId={theater}", later_showtimes());
        let all = ids(&self.rest().get(&path).await.ok());
        // Another one for each who asks, so that tests do not buy each other's seats.
        let number = self.next_showtime.fetch_add(1, Ordering::Relaxed);
        all[number % all.len()].clone()
    }

    /// The ids of all showtimes that start in a day or later, which are on sale for as long as a test takes, by their time.
    pub async fn showtimes(&self) -> Vec<String> {
        ids(&self.rest().get(&later_showtimes()).await.ok())
    }
}

fn later_showtimes() -> String {
    let now = SystemClock.now();
    let from = now.checked_add(Duration::from_secs(24 * 3600)).unwrap_or(now);
    format!("/showtimes?pageSize=200&startTimeFrom={from}")
}

fn ids(listed: &Value) -> Vec<String> {
    let listed = listed["showtimes"].as_array().expect("showtimes");
    listed.iter().map(|showtime| showtime["id"].as_str().expect("an id").to_owned()).collect()
}

/// An access token that tests have one after another, because hashing passwords takes time.
#[derive(Default)]
struct Session(Mutex<Option<(Instant, String)>>);

impl Session {
    /// How long a token is used: some minutes less than it is good for.
    const LASTS: Duration = Duration::from_secs(600);

    /// This client, signed in as this account.
    async fn of(&self, client: Rest, account: &Account) -> Rest {
        let mut known = self.0.lock().await;
        match &*known {
            Some((begun, token)) if begun.elapsed() < Self::LASTS => client.with_token(token.clone()),
            _ => {
                let signed_in = client.sign_in(&account.email, &account.password).await;
                *known = signed_in.token().map(|token| (Instant::now(), token.to_owned()));
                signed_in
            }
        }
    }
}
