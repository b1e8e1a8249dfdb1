//! Programs that come as Go modules: built once, each in its version, and kept in the cache.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;

use super::Cache;
use crate::command;

/// The oldest minor version of Go 1 that builds all programs.
const OLDEST_GO: u32 = 26;

/// A program of a pinned version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Program {
    /// NATS with JetStream, the broker for events
    NatsServer,
    /// Answers as Stripe's API does
    StripeMock,
    /// The compose command, which Debian's Docker comes without
    DockerCompose,
}

/// Where a program comes from.
struct Source {
    name: &'static str,
    module: &'static str,
    version: &'static str,
    /// The folder of the program in the module: `/cmd`
    package: &'static str,
    /// The variable of the program that says its version, where nothing else does
    version_symbol: Option<&'static str>,
}

impl Program {
    /// Names the program for the tests that run it.
    pub(crate) fn variable(self) -> &'static str {
        match self {
            Self::NatsServer => "MOVIEBOOKING_TEST_NATS_SERVER",
            Self::StripeMock => "MOVIEBOOKING_TEST_STRIPE_MOCK",
            Self::DockerCompose => "MOVIEBOOKING_TEST_DOCKER_COMPOSE",
        }
    }

    fn source(self) -> Source {
        match self {
            Self::NatsServer => Source {
                name: "nats-server",
                module: "github.com/nats-io/nats-server/v2",
                version: "v2.14.9",
                package: "",
                version_symbol: None,
            },
            Self::StripeMock => Source {
                name: "stripe-mock",
                module: "github.com/stripe/stripe-mock",
                version: "v0.197.0",
                package: "",
                version_symbol: None,
            },
            Self::DockerCompose => Source {
                name: "docker-compose",
                module: "github.com/docker/compose/v2",
                version: "v2.40.3",
                package: "/cmd",
                version_symbol: Some("github.com/docker/compose/v2/internal.Version"),
            },
        }
    }

    /// Where the program of this version is, or will be.
    pub(crate) fn path(self, cache: &Cache) -> PathBuf {
        self.folder(cache).join(self.source().name)
    }

    fn folder(self, cache: &Cache) -> PathBuf {
        let Source { name, version, .. } = self.source();
        cache.0.join(format!("{name}-{version}"))
    }

    /// Fails when the cache does not hold it.
    pub(super) fn find(self, cache: &Cache) -> Result<(), String> {
        if self.path(cache).is_file() {
            return Ok(());
        }
        let Source { name, version, .. } = self.source();
        Err(format!("{name} {version} is not in the cache"))
    }

    /// Builds it in a module of its own, which only requires the program's: `go install` refuses a program whose module
    /// replaces or excludes others.
    pub(super) fn install(self, cache: &Cache) -> anyhow::Result<()> {
        let Source { name, module, version, package, version_symbol } = self.source();
        let folder = self.folder(cache);
        let described =
            format!("module moviebooking.test/{name}\n\ngo 1.24.0\n\nrequire {module} {version}\n");
        fs::create_dir_all(&folder)
            .and_then(|()| fs::write(folder.join("go.mod"), described))
            .with_context(|| format!("cannot write {}", folder.display()))?;
        let version_flag = version_symbol.map(|symbol| format!(" -X {symbol}={version}"));
        command::run(
            Command::new("go")
                .current_dir(&folder)
                .args(["build", "-mod=mod", "-trimpath", "-ldflags"])
                .arg(format!("-s -w{}", version_flag.unwrap_or_default()))
                .args(["-o", name])
                .arg(format!("{module}{package}"))
                .env("CGO_ENABLED", "0"),
        )
    }
}

/// Fails when Go is missing or too old.
pub(super) fn find_go() -> Result<(), String> {
    let version = command::output(Command::new("go").args(["env", "GOVERSION"])).unwrap_or_default();
    let minor = version.trim().strip_prefix("go1.").and_then(|rest| rest.split('.').next()?.parse().ok());
    match minor {
        Some(OLDEST_GO..) => Ok(()),
        Some(minor) => Err(format!("Go 1.{minor} is too old: 1.{OLDEST_GO} or newer is needed")),
        None => Err("go is not in PATH".to_owned()),
    }
}
