//! The whole platform as processes on a private PostgreSQL.

mod disturbance;
mod one_process;

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, bail};

pub use one_process::ONE_PROCESS;

use crate::{PrivatePostgres, Process, free_ports, wait_until};

/// The services, each with a database of its own.
pub const SERVICES: [&str; 6] = ["users", "movies", "theaters", "reservations", "payments", "tickets"];
/// The process in front of them.
pub const GATEWAY: &str = "gateway";
/// The process that stands in for a payment provider.
pub const SANDBOX_BANK: &str = "sandbox-bank";
/// Its database.
const BANK: &str = "bank";

/// The file with the secret that the services share.
const SERVICE_SECRET: &str = "service-secret";
/// The file with the secret that payments and the sandbox bank share.
const BANK_SECRET: &str = "bank-secret";

/// A process becomes ready in this time, migrations included.
const READY_BOUND: Duration = Duration::from_secs(60);
/// What an answer about readiness may take.
const ANSWER_BOUND: Duration = Duration::from_secs(5);

/// What a person may set for all processes, in the environment of whoever starts the platform.
const PASSED_ON: [&str; 8] = [
    "MOVIEBOOKING_LOG",
    "MOVIEBOOKING_LOG_FORMAT",
    "MOVIEBOOKING_DATABASE_POOL_SIZE",
    "MOVIEBOOKING_MAX_REQUESTS",
    "MOVIEBOOKING_NATS_URL",
    // To programs alone that were built to be broken.
    "MOVIEBOOKING_SABOTAGE",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "TOKIO_WORKER_THREADS",
];

/// Where the sandbox bank is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SandboxBank {
    /// A process of its own, as a payment provider would be.
    #[default]
    Process,
    /// A part of the payments service.
    Embedded,
}

/// The processes and their databases; dropping it stops them all.
pub struct Platform {
    /// Ended before their databases are.
    processes: BTreeMap<&'static str, Process>,
    addresses: BTreeMap<&'static str, Addresses>,
    programs: PathBuf,
    folder: PathBuf,
    /// What is set for processes beside what they need.
    settings: Vec<(String, String)>,
    postgres: PrivatePostgres,
    bank: SandboxBank,
}

#[derive(Clone, Copy)]
struct Addresses {
    serving: SocketAddr,
    metrics: SocketAddr,
}

impl Platform {
    /// Starts the programs that are in the folder `programs`, on free ports of the loopback address, and waits until all
    /// of them are ready. Their logs, and the secrets that they share, are kept in `folder`.
    ///
    /// # Errors
    /// When something does not start: what it wrote.
    pub fn start(programs: &Path, folder: &Path) -> anyhow::Result<Self> {
        Self::start_on(PrivatePostgres::start()?, SandboxBank::default(), &[], programs, folder)
    }

    /// The same on a server that was started for it, with a sandbox bank of choice, and with these variables set for all
    /// processes besides what they need.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_on(
        postgres: PrivatePostgres,
        bank: SandboxBank,
        settings: &[(&str, &str)],
        programs: &Path,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        // The processes work in folders of their own.
        let (programs, folder) = (programs.canonicalize()?, folder.canonicalize()?);
        for secret in [SERVICE_SECRET, BANK_SECRET] {
            write_secret(&folder.join(secret), &random_text()?)?;
        }
        postgres.create_databases(SERVICES.into_iter().chain([BANK]))?;
        let ports: [u16; 2 * (SERVICES.len() + 2)] = free_ports()?;
        let addresses = all(bank).zip(ports.chunks_exact(2)).map(|(name, ports)| {
            let [serving, metrics] =
                [ports[0], ports[1]].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
            (name, Addresses { serving, metrics })
        });
        let mut addresses: BTreeMap<_, _> = addresses.collect();
        addresses.insert(ONE_PROCESS, addresses[GATEWAY]);
        let mut platform = Self {
            processes: BTreeMap::new(),
            addresses,
            programs,
            folder,
            settings: Vec::new(),
            postgres,
            bank,
        };
        platform.set(settings);
        platform.launch_all()?;
        Ok(platform)
    }

    /// Starts all processes and waits until they are ready.
    fn launch_all(&mut self) -> anyhow::Result<()> {
        // Users come first: nobody is ready without their keys.
        self.launch("users")?;
        for name in all(self.bank).skip(1) {
            self.begin(name)?;
        }
        for name in all(self.bank).skip(1) {
            self.wait_until_ready(name)?;
        }
        Ok(())
    }

    /// Starts a process that was stopped, and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn launch(&mut self, name: &'static str) -> anyhow::Result<()> {
        self.begin(name)?;
        self.wait_until_ready(name)
    }

    /// Sets these variables, and no others beside what processes need, for all that are started from now on.
    pub fn set(&mut self, settings: &[(&str, &str)]) {
        let owned = settings.iter().map(|(variable, value)| ((*variable).to_owned(), (*value).to_owned()));
        self.settings = owned.collect();
    }

    /// Asks a process to end and starts it again.
    ///
    /// # Errors
    /// When it does not run, does not end, or does not become ready.
    pub fn restart(&mut self, name: &'static str) -> anyhow::Result<()> {
        self.stop(name)?;
        self.launch(name)
    }

    /// Asks a process to end, and gives its exit code.
    ///
    /// # Errors
    /// When it does not run, or does not end.
    pub fn stop(&mut self, name: &str) -> anyhow::Result<Option<i32>> {
        self.take(name)?.stop()
    }

    /// Ends a process as a crash does.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self, name: &str) -> anyhow::Result<()> {
        self.take(name)?.kill()
    }

    /// The databases' server.
    pub fn postgres(&self) -> &PrivatePostgres {
        &self.postgres
    }

    /// Where a process listens.
    ///
    /// # Panics
    /// When there is no process of that name.
    pub fn address(&self, name: &str) -> SocketAddr {
        self.addresses[name].serving
    }

    /// Where a process shows its metrics: `/metrics`.
    ///
    /// # Panics
    /// When there is no process of that name.
    pub fn metrics_address(&self, name: &str) -> SocketAddr {
        self.addresses[name].metrics
    }

    /// The id of a process.
    pub fn id(&self, name: &str) -> Option<u32> {
        self.processes.get(name).map(Process::id)
    }

    /// Whether a process says that it is ready.
    pub fn is_ready(&self, name: &str) -> bool {
        // Nobody who listens is not ready either.
        asked_whether_ready(self.address(name)).unwrap_or(false)
    }

    /// Where the processes' logs are, one file each, and what else the platform keeps.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The program of a process in the environment that it runs in, for one of its commands or for a second one of it
    /// (which needs a port of its own).
    pub fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.program(name));
        command.env_clear().envs(self.environment(name)).current_dir(&self.folder);
        command
    }

    /// The program of a process: `moviebooking-users`, and `moviebooking` of the one process.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        let file =
            if name == ONE_PROCESS { "moviebooking".to_owned() } else { format!("moviebooking-{name}") };
        self.programs.join(file)
    }

    /// Starts a process that does not run, and does not wait until it is ready.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn begin(&mut self, name: &'static str) -> anyhow::Result<()> {
        let log = self.folder.join(format!("{name}.log"));
        let process = Process::start(&self.command(name), &log)?;
        self.processes.insert(name, process);
        Ok(())
    }

    fn wait_until_ready(&mut self, name: &str) -> anyhow::Result<()> {
        let address = self.address(name);
        let process = self.processes.get_mut(name).with_context(|| format!("{name} does not run"))?;
        wait_until(READY_BOUND, &format!("{name} is not ready"), || {
            if let Some(status) = process.ended()? {
                bail!("{name} has ended ({status}):\n{}", process.last_words());
            }
            Ok(asked_whether_ready(address).unwrap_or(false))
        })
        .with_context(|| format!("the log of {name} ends with:\n{}", process.last_words()))
    }

    fn process(&self, name: &str) -> anyhow::Result<&Process> {
        self.processes.get(name).with_context(|| format!("{name} does not run"))
    }

    fn take(&mut self, name: &str) -> anyhow::Result<Process> {
        self.processes.remove(name).with_context(|| format!("{name} does not run"))
    }

    fn environment(&self, name: &str) -> Vec<(String, String)> {
        let Addresses { serving, metrics } = self.addresses[name];
        let mut environment = vec![
            set("LISTEN", serving.to_string()),
            set("METRICS_LISTEN", metrics.to_string()),
            set("LOG_FORMAT", "text".to_owned()),
        ];
        if name == ONE_PROCESS {
            environment.extend(self.of_one_process());
        } else {
            environment.extend(self.of_separate_process(name));
        }
        for variable in PASSED_ON {
            environment.extend(std::env::var(variable).ok().map(|value| (variable.to_owned(), value)));
        }
        environment.extend(self.settings.iter().cloned());
        environment
    }

    /// What a process needs to know that has its service or the gateway alone.
    fn of_separate_process(&self, name: &str) -> Vec<(String, String)> {
        let mut environment = Vec::new();
        for peer in SERVICES {
            let variable = format!("{}_URL", peer.to_uppercase());
            environment.push(set(&variable, format!("http://{}", self.address(peer))));
        }
        if name != GATEWAY {
            let database = if name == SANDBOX_BANK { BANK } else { name };
            environment.push(set("DATABASE_URL", self.postgres.database_url(database)));
            environment.push(set("MIGRATE", "true".to_owned()));
        }
        if name == "users" {
            // On one machine receivers are on loopback.
            environment.push(set("WEBHOOKS_ALLOW_LOCAL", "true".to_owned()));
        }
        let secret = |file: &str| self.folder.join(file).display().to_string();
        if SERVICES.contains(&name) {
            environment.push(set("SERVICE_SECRET_FILE", secret(SERVICE_SECRET)));
        }
        match (name, self.bank) {
            ("payments", SandboxBank::Embedded) => {
                environment.push(set("BANK_DATABASE_URL", self.postgres.database_url(BANK)));
            }
            ("payments", SandboxBank::Process) => {
                environment.push(set("SANDBOX_URL", format!("http://{}", self.address(SANDBOX_BANK))));
                environment.push(set("SANDBOX_SECRET_FILE", secret(BANK_SECRET)));
            }
            (SANDBOX_BANK, _) => {
                let webhooks = format!("http://{}/payments/webhooks/sandbox", self.address(GATEWAY));
                let pages = format!("http://{}", self.address(SANDBOX_BANK));
                environment.push(set("SANDBOX_PUBLIC_URL", pages));
                environment.push(set("SANDBOX_WEBHOOK_URL", webhooks));
                environment.push(set("SANDBOX_SECRET_FILE", secret(BANK_SECRET)));
            }
            _ => {}
        }
        environment
    }
}

/// A setting of the platform's programs.
fn set(variable: &str, value: String) -> (String, String) {
    (format!("MOVIEBOOKING_{variable}"), value)
}

fn all(bank: SandboxBank) -> impl Iterator<Item = &'static str> {
    let bank = (bank == SandboxBank::Process).then_some(SANDBOX_BANK);
    SERVICES.into_iter().chain([GATEWAY]).chain(bank)
}

/// 32 random bytes as text.
pub(crate) fn random_text() -> anyhow::Result<String> {
    let mut bytes = [0; 32];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes).context("cannot read random bytes")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Writes a file that only its owner can read.
pub(crate) fn write_secret(path: &Path, secret: &str) -> anyhow::Result<()> {
    let mut options = fs::File::options();
    options.create(true).truncate(true).write(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(file.write_all(secret.as_bytes())?)
}

fn asked_whether_ready(address: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_BOUND)?;
    stream.set_read_timeout(Some(ANSWER_BOUND))?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.starts_with("HTTP/1.1 200 "))
}
