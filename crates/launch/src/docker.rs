//! A Docker daemon: the machine's, or one of one's own in a network of its own, gone when its owner is, however that
//! ends.

use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::{Context as _, bail};

use crate::{command, wait_until};

/// A daemon answers within this time of its start.
const READY_BOUND: Duration = Duration::from_secs(60);

/// Runs the daemon until its standard input ends, then ends it with its containers and removes what it leaves: mounts,
/// the network namespace, the folder. The daemon and its containers get the signals that the supervisor ignores.
const SUPERVISOR: &str = r#"
trap '' HUP INT TERM
namespace=$1 folder=$2
(
    trap - HUP INT TERM
    exec nsenter --net="/run/netns/$namespace" dockerd --data-root "$folder/data" --exec-root "$folder/exec" \
        --pidfile "$folder/pid" --host "unix://$folder/socket" --shutdown-timeout 5
) >"$folder/log" 2>&1 </dev/null &
daemon=$!
read -r _
kill "$daemon"
wait "$daemon"
awk -v folder="$folder/" 'index($2, folder) == 1 { print $2 }' /proc/mounts | sort -r | while read -r mount; do
    umount "$mount"
done
ip netns del "$namespace"
rm -rf "$folder"
"#;

/// A daemon to work with. Dropping it ends one that was started here, with its containers, images and volumes.
pub enum Docker {
    /// The one that the environment's `docker` talks to.
    OfTheMachine,
    /// One that was started here.
    Private(PrivateDocker),
}

impl Docker {
    /// The machine's daemon if it answers, else one of one's own.
    ///
    /// # Errors
    /// When neither can be had.
    pub fn start() -> anyhow::Result<Self> {
        if machine_has_docker() {
            return Ok(Self::OfTheMachine);
        }
        PrivateDocker::start().map(Self::Private)
    }

    /// Lets the command talk to this daemon.
    pub fn used_by(&self, command: &mut Command) {
        if let Self::Private(docker) = self {
            command.env("DOCKER_HOST", docker.host());
        }
    }

    /// The command line of `program`, run where the ports that containers publish can be reached: add its arguments.
    pub fn beside(&self, program: &str) -> Command {
        let mut command = match self {
            Self::OfTheMachine => Command::new(program),
            Self::Private(docker) => {
                let mut command = Command::new("nsenter");
                command.arg(format!("--net={}", docker.namespace_file().display())).arg(program);
                command
            }
        };
        self.used_by(&mut command);
        command
    }
}

/// Whether the environment's `docker` finds a daemon.
pub fn machine_has_docker() -> bool {
    command::output(Command::new("docker").args(["version", "--format", "{{.Server.Version}}"])).is_ok()
}

/// A daemon in a network namespace of its own, which has no way out, with its data in a temporary folder.
pub struct PrivateDocker {
    namespace: String,
    folder: PathBuf,
    supervisor: Child,
}

impl PrivateDocker {
    fn start() -> anyhow::Result<Self> {
        if !command::is_root()? {
            bail!("no Docker daemon answers, and only root can start one");
        }
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let namespace = format!("moviebooking-docker-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(&namespace);
        fs::create_dir(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        command::output(Command::new("ip").args(["netns", "add", &namespace]))?;
        let supervisor = Command::new("sh")
            .args(["-c", SUPERVISOR, "supervisor", &namespace])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Out of reach of a Ctrl-C, which the terminal sends to its whole foreground group.
            .process_group(0)
            .spawn()
            .context("cannot start sh")?;
        let docker = Self { namespace, folder, supervisor };
        let mut loopback = Command::new("nsenter");
        loopback.arg(format!("--net={}", docker.namespace_file().display()));
        command::output(loopback.args(["ip", "link", "set", "lo", "up"]))?;
        let answers = || {
            let mut version = Command::new("docker");
            version.arg("version").env("DOCKER_HOST", docker.host());
            Ok(command::output(&mut version).is_ok())
        };
        wait_until(READY_BOUND, "the Docker daemon does not answer", answers).with_context(|| {
            let log = fs::read_to_string(docker.folder.join("log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            format!("its log ends with:\n{}", lines[lines.len().saturating_sub(10)..].join("\n"))
        })?;
        Ok(docker)
    }

    fn host(&self) -> String {
        format!("unix://{}", self.folder.join("socket").display())
    }

    fn namespace_file(&self) -> PathBuf {
        Path::new("/run/netns").join(&self.namespace)
    }
}

impl Drop for PrivateDocker {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        // If it cannot be waited for, it has ended.
        let _ = self.supervisor.wait();
    }
}
