//! A PostgreSQL server for one test run: in a folder of its own, gone when the run ends, however it ends.

use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, bail};

use crate::command;

/// Waits until its standard input ends, then stops the server and removes its folder. The input is a pipe whose other end
/// only this process holds, so that the server stops also when this process is interrupted, terminated or killed.
const SUPERVISOR: &str = r#"
trap '' HUP INT TERM
folder=$1
shift
read -r _
"$@" >/dev/null 2>&1
rm -rf "$folder"
"#;

/// A running server; dropping it stops the server and removes its data.
pub(crate) struct PrivatePostgres {
    url: String,
    supervisor: Child,
}

impl PrivatePostgres {
    /// Makes a database cluster in a temporary folder and serves it on a free port of the loopback address.
    ///
    /// The cluster trusts local connections and does not survive a crash of the machine: it is for tests only. PostgreSQL
    /// refuses to run as root, so root starts it as the user `postgres` or, failing that, `nobody`.
    ///
    /// # Errors
    /// What the server programs said.
    pub(crate) fn start(programs: &Path) -> anyhow::Result<Self> {
        let user = Account::choose()?;
        let folder = std::env::temp_dir().join(format!("moviebooking-postgres-{}", std::process::id()));
        std::fs::create_dir(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let data = folder.join("data");

        let mut stop =
            vec!["sh".into(), "-c".into(), SUPERVISOR.into(), "supervisor".into(), folder.clone().into()];
        stop.extend(user.prefix());
        stop.push(programs.join("pg_ctl").into_os_string());
        stop.extend(["-D".into(), data.clone().into(), "-m".into(), "immediate".into(), "stop".into()]);
        let supervisor = Command::new(&stop[0])
            .args(&stop[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Out of reach of a Ctrl-C, which the terminal sends to its whole foreground group.
            .process_group(0)
            .spawn()
            .context("cannot start sh")?;
        let port = free_port()?;
        let server = Self { url: format!("postgres://postgres@127.0.0.1:{port}/postgres"), supervisor };

        if let Account::Other { uid, gid, .. } = user {
            std::os::unix::fs::chown(&folder, Some(uid), Some(gid)).context("cannot give the folder away")?;
        }
        let program = |name: &str| {
            let mut words = user.prefix();
            words.push(programs.join(name).into_os_string());
            let mut command = Command::new(&words[0]);
            command.args(&words[1..]).arg("-D").arg(&data).current_dir(&folder);
            command
        };
        command::output(program("initdb").args([
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ]))?;
        let settings = format!(
            "-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={} -c max_connections=300 \
             -c fsync=off -c synchronous_commit=off -c full_page_writes=off",
            folder.display()
        );
        let log = folder.join("log");
        command::output(
            program("pg_ctl").args(["-w", "-t", "60", "-l"]).arg(&log).args(["-o", &settings, "start"]),
        )
        .with_context(|| {
            format!(
                "PostgreSQL did not start: {}",
                std::fs::read_to_string(&log).unwrap_or_default().trim_end()
            )
        })?;
        Ok(server)
    }

    /// Where the server's superuser connects.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        if let Err(error) = self.supervisor.wait() {
            eprintln!("cannot wait for PostgreSQL to stop: {error}");
        }
    }
}

/// Under which account the server runs.
enum Account {
    Own,
    Other { setpriv: PathBuf, uid: u32, gid: u32 },
}

impl Account {
    fn choose() -> anyhow::Result<Self> {
        if !command::is_root()? {
            return Ok(Self::Own);
        }
        let setpriv =
            command::on_path("setpriv").context("setpriv is missing: install the package util-linux")?;
        for name in ["postgres", "nobody"] {
            let id = |flag| command::output(Command::new("id").args([flag, name]));
            if let (Ok(uid), Ok(gid)) = (id("-u"), id("-g")) {
                let (uid, gid) = (uid.trim().parse()?, gid.trim().parse()?);
                return Ok(Self::Other { setpriv, uid, gid });
            }
        }
        bail!("PostgreSQL refuses to run as root, and there is neither a user postgres nor a user nobody")
    }

    /// The words that go before a command line to run it under the account.
    fn prefix(&self) -> Vec<std::ffi::OsString> {
        match self {
            Self::Own => vec![],
            Self::Other { setpriv, uid, gid } => vec![
                setpriv.clone().into_os_string(),
                format!("--reuid={uid}").into(),
                format!("--regid={gid}").into(),
                "--clear-groups".into(),
            ],
        }
    }
}

/// A port that was free a moment ago.
fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("cannot bind to the loopback address")?;
    Ok(listener.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::PrivatePostgres;
    use crate::tools::postgres::find;

    #[test]
    fn a_server_answers_while_it_lives_and_leaves_nothing_behind() {
        let programs =
            find().expect("PostgreSQL 15 or newer must be installed: the Debian package is `postgresql`");
        let server = PrivatePostgres::start(&programs).unwrap();
        let address =
            server.url().trim_start_matches("postgres://postgres@").trim_end_matches("/postgres").to_owned();
        TcpStream::connect(&address).unwrap();
        drop(server);
        TcpListener::bind(&address).unwrap();
        let folder = std::env::temp_dir().join(format!("moviebooking-postgres-{}", std::process::id()));
        assert!(!folder.exists());
    }
}
