//! The baseline: the same two calls as NestJS does them, one Node process for the gateway and for each of two services,
//! TypeORM on the same PostgreSQL. No authentication, idempotency or pricing: less work than the platform's.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::Context as _;
use moviebooking_launch::{Process, command, wait_until};

use crate::world::World;

/// The services behind the gateway, which starts last.
const NAMES: [&str; 3] = ["users", "reservations", "gateway"];

/// The three processes; dropping it stops them.
pub(crate) struct Nest {
    processes: Vec<(&'static str, Process)>,
    gateway: SocketAddr,
}

impl Nest {
    /// Whether there is what it needs, or what is missing.
    pub(crate) fn find() -> Result<(), &'static str> {
        let missing = ["node", "npm", "wrk"].into_iter().find(|name| command::on_path(name).is_none());
        missing.map_or(Ok(()), Err)
    }

    /// Installs and builds it in the world's folder, with npm, and starts it on databases of its own.
    pub(crate) fn start(world: &World) -> anyhow::Result<Self> {
        let app = world.folder.join("nest");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("nest");
        command::output(Command::new("cp").arg("-r").arg(&source).arg(&app))?;
        let npm = |words: &[&str]| command::output(Command::new("npm").args(words).current_dir(&app));
        npm(&["ci", "--ignore-scripts", "--no-audit", "--no-fund"])?;
        npm(&["run", "--silent", "build"])?;
        let postgres = world.platform.postgres();
        postgres.create_databases(["nest_users", "nest_reservations"])?;
        let schema = fs::read_to_string(app.join("schema.sql"))?;
        let (users, reservations) =
            schema.split_once("-- reservations").context("schema.sql has another form")?;
        postgres.query("nest_users", users)?;
        postgres.query("nest_reservations", reservations)?;
        let mut ports = Vec::new();
        for _ in NAMES {
            ports.push(TcpListener::bind(("127.0.0.1", 0))?);
        }
        let addresses = ports.iter().map(TcpListener::local_addr).collect::<Result<Vec<_>, _>>()?;
        drop(ports);
        let node = command::on_path("node").context("node is not in PATH")?;
        let mut nest = Self { processes: Vec::new(), gateway: addresses[2] };
        for (name, address) in NAMES.into_iter().zip(&addresses) {
            let mut process = Command::new(&node);
            process
                .arg(main(&app, name))
                .env("NODE_ENV", "production")
                .env("PORT", address.port().to_string());
            process
                .env("USERS_URL", addresses[0].to_string())
                .env("RESERVATIONS_URL", addresses[1].to_string());
            process.env("DATABASE_URL", postgres.database_url(&format!("nest_{name}")));
            let process = Process::start(&process, &app.join(format!("{name}.log")))?;
            wait_until(Duration::from_secs(30), &format!("the baseline's {name} does not listen"), || {
                Ok(TcpStream::connect(address).is_ok())
            })
            .with_context(|| process.last_words())?;
            nest.processes.push((name, process));
        }
        Ok(nest)
    }

    /// Where its gateway answers.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.gateway)
    }

    /// Its processes.
    pub(crate) fn ids(&self) -> Vec<(&'static str, u32)> {
        self.processes.iter().map(|(name, process)| (*name, process.id())).collect()
    }
}

fn main(app: &Path, name: &str) -> PathBuf {
    app.join("dist").join(name).join("main.js")
}
