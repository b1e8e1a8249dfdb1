//! A PostgreSQL server of one's own: in a folder of its own, gone when its owner is, however that ends.

mod account;
mod programs;

use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::Context as _;

use crate::{command, free_ports, wait_until};
use account::Account;
pub use programs::{OLDEST, find};

/// Waits until its standard input ends, then stops the server and removes its folder.
const SUPERVISOR: &str = r#"
trap '' HUP INT TERM
folder=$1
shift
read -r _
"$@" >/dev/null 2>&1
rm -rf "$folder"
"#;

/// How long a server that has crashed may take to be startable.
const RECOVERY_BOUND: Duration = Duration::from_secs(30);

/// What the server's data survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The end of the server's processes: enough for tests, and fast.
    Process,
    /// A crash of the machine, as PostgreSQL's defaults have it: what is measured must wait for the disk.
    Machine,
}

impl Durability {
    /// The server's settings for it.
    fn settings(self) -> &'static str {
        match self {
            Self::Process => "-c fsync=off -c synchronous_commit=off -c full_page_writes=off",
            Self::Machine => "-c shared_buffers=1GB -c recovery_init_sync_method=syncfs",
        }
    }
}

/// A running server; dropping it stops the server and removes its data.
pub struct PrivatePostgres {
    account: Account,
    durability: Durability,
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    supervisor: Child,
}

impl PrivatePostgres {
    /// Makes a database cluster in a temporary folder and serves it on a free port of the loopback address.
    ///
    /// The cluster trusts local connections and does not survive a crash of the machine: it is for tests only. PostgreSQL
    /// refuses to run as root, so root starts it as the user `postgres` or, failing that, `nobody`.
    ///
    /// # Errors
    /// When PostgreSQL is not installed, or what its programs said.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_with(Durability::Process)
    }

    /// The same with data that survive what `durability` says.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(durability: Durability) -> anyhow::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let programs = find().with_context(|| {
            format!("no server programs of PostgreSQL {OLDEST} or newer: the Debian package is `postgresql`")
        })?;
        let account = Account::choose()?;
        let name =
            format!("moviebooking-postgres-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let mut stop = account.command(&programs.join("pg_ctl"));
        stop.arg("-D").arg(folder.join("data")).args(["-m", "immediate", "stop"]);
        let supervisor = Command::new("sh")
            .args(["-c", SUPERVISOR, "supervisor"])
            .arg(&folder)
            .arg(stop.get_program())
            .args(stop.get_args())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Out of reach of a Ctrl-C, which the terminal sends to its whole foreground group.
            .process_group(0)
            .spawn()
            .context("cannot start sh")?;
        let [port] = free_ports()?;
        let server = Self { account, durability, programs, folder, port, supervisor };
        server.account.own(&server.folder)?;
        command::output(server.program("initdb").args([
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ]))?;
        server.resume()?;
        Ok(server)
    }

    /// Where the server's superuser connects.
    pub fn url(&self) -> String {
        self.database_url("postgres")
    }

    /// Where the superuser connects to the database of this name.
    pub fn database_url(&self, name: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{name}", self.port)
    }

    /// Makes empty databases.
    ///
    /// # Errors
    /// When there is one of that name.
    pub fn create_databases<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> anyhow::Result<()> {
        for name in names {
            self.query("postgres", &format!("CREATE DATABASE {name}"))?;
        }
        Ok(())
    }

    /// Asks the role for its password from now on; all others are trusted as before.
    ///
    /// # Errors
    /// When the server does not take it.
    pub fn demand_password(&self, role: &str) -> anyhow::Result<()> {
        let rules = self.folder.join("data/pg_hba.conf");
        let before =
            fs::read_to_string(&rules).with_context(|| format!("cannot read {}", rules.display()))?;
        // The first rule that fits counts. The file stays the server's own.
        fs::write(&rules, format!("host all {role} 127.0.0.1/32 scram-sha-256\n{before}"))?;
        command::output(self.program("pg_ctl").arg("reload")).map(drop)
    }

    /// What the statements print for the superuser, one row a line, the values of a row with `|` between them.
    ///
    /// # Errors
    /// What `psql` said.
    pub fn query(&self, database: &str, statements: &str) -> anyhow::Result<String> {
        let mut psql = self.client("psql");
        psql.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1"]);
        psql.arg(format!("--dbname={}", self.database_url(database))).args(["--command", statements]);
        command::output(&mut psql)
    }

    /// One of PostgreSQL's client programs, such as `pgbench`.
    pub fn client(&self, name: &str) -> Command {
        Command::new(self.programs.join(name))
    }

    /// The id of the server's first process, whose children are the others.
    ///
    /// # Errors
    /// When it does not run.
    pub fn id(&self) -> anyhow::Result<u32> {
        let text =
            fs::read_to_string(self.folder.join("data/postmaster.pid")).context("PostgreSQL does not run")?;
        text.lines()
            .next()
            .and_then(|id| id.trim().parse().ok())
            .context("PostgreSQL does not say its process id")
    }

    /// Stops the server, cutting off whoever is connected; its data stay.
    ///
    /// # Errors
    /// When it does not run.
    pub fn suspend(&self) -> anyhow::Result<()> {
        command::output(self.program("pg_ctl").args(["-w", "-m", "fast", "stop"])).map(drop)
    }

    /// Ends the server as a crash does: its first process is killed, and the others find that out.
    ///
    /// # Errors
    /// When it does not run.
    pub fn crash(&self) -> anyhow::Result<()> {
        command::output(Command::new("kill").args(["-KILL", &self.id()?.to_string()])).map(drop)
    }

    /// Starts the server that has crashed, as soon as nothing of it runs any more; it repairs its data first.
    ///
    /// # Errors
    /// What the server said when it still could not be started after half a minute.
    pub fn recover(&self) -> anyhow::Result<()> {
        let mut last = Ok(());
        let started = wait_until(RECOVERY_BOUND, "PostgreSQL does not start", || {
            last = self.resume();
            Ok(last.is_ok())
        });
        started.or(last)
    }

    /// Starts the server that was suspended, on its old port.
    ///
    /// # Errors
    /// What the server said.
    pub fn resume(&self) -> anyhow::Result<()> {
        let settings = format!(
            "-c listen_addresses=127.0.0.1 -c port={} -c unix_socket_directories={} -c max_connections=300 {}",
            self.port,
            self.folder.display(),
            self.durability.settings()
        );
        let log = self.folder.join("log");
        let mut start = self.program("pg_ctl");
        start.args(["-w", "-t", "60", "-l"]).arg(&log).args(["-o", &settings, "start"]);
        command::output(&mut start).map(drop).with_context(|| {
            let log = fs::read_to_string(&log).unwrap_or_default();
            format!("PostgreSQL did not start: {}", log.trim_end())
        })
    }

    /// One of PostgreSQL's programs, to work on the server's data.
    fn program(&self, name: &str) -> Command {
        let mut command = self.account.command(&self.programs.join(name));
        command.arg("-D").arg(self.folder.join("data")).current_dir(&self.folder);
        command
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        // If it cannot be waited for, it has ended.
        let _ = self.supervisor.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::PrivatePostgres;

    #[test]
    fn a_server_answers_while_it_lives_and_leaves_nothing_behind() {
        let server = PrivatePostgres::start().unwrap();
        let (address, folder) = (("127.0.0.1", server.port), server.folder.clone());
        server.create_databases(["one", "two"]).unwrap();
        assert_eq!(server.query("two", "SELECT current_database()").unwrap().trim(), "two");
        assert!(server.create_databases(["two"]).is_err());
        server.suspend().unwrap();
        assert!(TcpStream::connect(address).is_err());
        server.resume().unwrap();
        TcpStream::connect(address).unwrap();
        drop(server);
        TcpListener::bind(address).unwrap();
        assert!(!folder.exists());
    }
}
