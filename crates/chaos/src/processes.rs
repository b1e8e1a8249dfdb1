//! Everything that is killed and paused: the platform's processes, and the broker and the databases under them.

use std::{net::SocketAddr, time::Duration};

use anyhow::bail;
use moviebooking_launch::{NatsServer, Platform, PrivatePostgres, SandboxBank};
use tokio::{net::TcpStream, time::sleep};

use crate::Options;

/// The databases' server.
pub(crate) const POSTGRES: &str = "PostgreSQL";
/// The broker that events are published to.
pub(crate) const NATS: &str = "NATS";

/// How long a hold lasts: so short that many end while the campaign lasts.
pub(crate) const HOLD: Duration = Duration::from_secs(20);
/// What else processes are told besides what they need: hashing passwords is not what the campaign is about.
const SETTINGS: [(&str, &str); 2] =
    [("MOVIEBOOKING_PASSWORD_HASH_MEMORY_KIB", "8"), ("MOVIEBOOKING_PASSWORD_HASH_ITERATIONS", "1")];
/// Between two looks whether a process is ready.
const PAUSE: Duration = Duration::from_millis(20);
/// What an answer about that may take.
const ANSWER: Duration = Duration::from_secs(1);

/// The processes; dropping them ends them.
pub(crate) struct Processes {
    pub(crate) platform: Platform,
    nats: NatsServer,
    client: reqwest::Client,
}

impl Processes {
    /// Starts all of them.
    ///
    /// # Errors
    /// When one does not start, or one that is to be disturbed does not exist.
    pub(crate) fn start(options: &Options) -> anyhow::Result<Self> {
        let nats = NatsServer::start(&options.folder)?;
        let postgres = PrivatePostgres::start_with(options.durability)?;
        let (nats_url, hold) = (nats.url(), HOLD.as_secs().to_string());
        let mut settings = SETTINGS.to_vec();
        settings.extend([("MOVIEBOOKING_NATS_URL", nats_url.as_str()), ("MOVIEBOOKING_HOLD_SECONDS", &hold)]);
        let (programs, folder) = (&options.programs, &options.folder);
        let platform = Platform::start_on(postgres, SandboxBank::Process, &settings, programs, folder)?;
        let processes = Self { platform, nats, client: reqwest::Client::new() };
        let mut known = processes.names();
        known.push(POSTGRES);
        if let Some(unknown) = options.only.iter().find(|only| !known.contains(&only.as_str())) {
            bail!("--only {unknown}: there is no such process; name one of {}", known.join(", "));
        }
        Ok(processes)
    }

    /// Those that are looked after one by one: all but PostgreSQL.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.platform.names().chain([NATS]).collect()
    }

    /// Whether it runs; one that has ended by itself is forgotten.
    pub(crate) fn is_running(&mut self, name: &str) -> anyhow::Result<bool> {
        if name == NATS { self.nats.is_running() } else { self.platform.is_running(name) }
    }

    pub(crate) fn kill(&mut self, name: &str) -> anyhow::Result<()> {
        if name == NATS { self.nats.kill() } else { self.platform.kill(name) }
    }

    pub(crate) fn begin(&mut self, name: &'static str) -> anyhow::Result<()> {
        if name == NATS { self.nats.restart() } else { self.platform.begin(name) }
    }

    pub(crate) fn pause(&self, name: &str) -> anyhow::Result<()> {
        if name == NATS { self.nats.process()?.pause() } else { self.platform.pause(name) }
    }

    pub(crate) fn unpause(&self, name: &str) -> anyhow::Result<()> {
        if name == NATS { self.nats.process()?.unpause() } else { self.platform.unpause(name) }
    }

    /// Kills PostgreSQL and starts it again at once: nothing works without it.
    pub(crate) fn crash_postgres(&self) -> anyhow::Result<()> {
        self.platform.postgres().crash()?;
        self.platform.postgres().recover()
    }

    /// Where events are published to.
    pub(crate) fn nats_url(&self) -> String {
        self.nats.url()
    }

    /// Waits until it is ready.
    pub(crate) fn ready(&self, name: &str) -> impl Future<Output = ()> + Send + 'static {
        let (broker, address) =
            if name == NATS { (true, self.nats.address()) } else { (false, self.platform.address(name)) };
        // Making a client costs far more than asking.
        let client = self.client.clone();
        async move {
            while !(if broker { accepts(address).await } else { says_ready(&client, address).await }) {
                sleep(PAUSE).await;
            }
        }
    }
}

async fn accepts(address: SocketAddr) -> bool {
    TcpStream::connect(address).await.is_ok()
}

async fn says_ready(client: &reqwest::Client, address: SocketAddr) -> bool {
    let answer = client.get(format!("http://{address}/readyz")).timeout(ANSWER).send().await;
    answer.is_ok_and(|answer| answer.status().is_success())
}
