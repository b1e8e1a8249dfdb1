//! Programs that come as Go modules: built once, each in its version, and kept in the cache.

pub(super) mod definitions;
pub(super) mod kubernetes;
mod tilt;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;

use super::Cache;
use crate::command;

/// The oldest minor version of Go 1 that builds all programs.
const OLDEST_GO: u32 = 26;

/// cert-manager: its last version whose own module has the controller.
const CERT_MANAGER: (&str, &str) = ("github.com/cert-manager/cert-manager", "v1.11.5");

/// A program of a pinned version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Program {
    /// NATS with JetStream, the broker for events
    NatsServer,
    /// Answers as Stripe's API does
    StripeMock,
    /// The compose command, which Debian's Docker comes without
    DockerCompose,
    /// Renders charts
    Helm,
    /// Checks and tests Prometheus' rules
    Promtool,
    /// Makes certificates for Ingresses
    CertManager,
    /// Brings what is built into the pods of a cluster, while somebody develops
    Tilt,
    /// A part of a Kubernetes cluster
    Kubernetes(kubernetes::Part),
}

/// Where a program comes from.
struct Source {
    name: &'static str,
    module: Module,
    /// The folder of the program in the module: `/cmd`
    package: String,
    /// Variables of the program that say its version, where nothing else does
    stamps: Vec<(&'static str, &'static str)>,
}

/// A module in the version that is used.
struct Module {
    name: &'static str,
    path: &'static str,
    version: &'static str,
    /// What its own go.mod replaces and a module that requires it must replace again: path, and by what
    replacements: Vec<(String, String)>,
}

impl Program {
    /// Names the program for the tests that run it.
    pub(crate) fn variable(self) -> &'static str {
        match self {
            Self::NatsServer => "MOVIEBOOKING_TEST_NATS_SERVER",
            Self::StripeMock => "MOVIEBOOKING_TEST_STRIPE_MOCK",
            Self::DockerCompose => "MOVIEBOOKING_TEST_DOCKER_COMPOSE",
            Self::Helm => "MOVIEBOOKING_TEST_HELM",
            Self::Promtool => "MOVIEBOOKING_TEST_PROMTOOL",
            Self::CertManager => "MOVIEBOOKING_TEST_CERT_MANAGER",
            Self::Tilt => "MOVIEBOOKING_TEST_TILT",
            Self::Kubernetes(_) => kubernetes::VARIABLE,
        }
    }

    /// What the variable says: where the program is, or the folder of all parts of a cluster.
    pub(crate) fn value(self, cache: &Cache) -> PathBuf {
        match self {
            Self::Kubernetes(_) => kubernetes::folder(cache),
            _ => self.path(cache),
        }
    }

    fn source(self) -> Source {
        let plain = |name, path, version, package: &str| Source {
            name,
            module: Module { name, path, version, replacements: vec![] },
            package: package.to_owned(),
            stamps: vec![],
        };
        match self {
            Self::NatsServer => plain("nats-server", "github.com/nats-io/nats-server/v2", "v2.14.9", ""),
            Self::StripeMock => plain("stripe-mock", "github.com/stripe/stripe-mock", "v0.197.0", ""),
            Self::DockerCompose => {
                const VERSION: &str = "v2.40.3";
                let stamps = vec![("github.com/docker/compose/v2/internal.Version", VERSION)];
                let source = plain("docker-compose", "github.com/docker/compose/v2", VERSION, "/cmd");
                Source { stamps, ..source }
            }
            Self::Helm => plain("helm", "helm.sh/helm/v4", "v4.2.4", "/cmd/helm"),
            // Prometheus 3.7.3: its releases are numbered so as a module.
            Self::Promtool => {
                plain("promtool", "github.com/prometheus/prometheus", "v0.307.3", "/cmd/promtool")
            }
            Self::CertManager => plain("cert-manager", CERT_MANAGER.0, CERT_MANAGER.1, "/cmd/controller"),
            Self::Tilt => tilt::source(),
            Self::Kubernetes(part) => part.source(),
        }
    }

    /// Where the program of this version is, or will be.
    pub(crate) fn path(self, cache: &Cache) -> PathBuf {
        let Source { name, module, .. } = self.source();
        match self {
            Self::Kubernetes(_) => kubernetes::folder(cache).join(name),
            _ => module.folder(cache).join(name),
        }
    }

    /// Fails when the cache does not hold it.
    pub(super) fn find(self, cache: &Cache) -> Result<(), String> {
        if self.path(cache).is_file() {
            return Ok(());
        }
        let Source { name, module, .. } = self.source();
        Err(format!("{name} {} is not in the cache", module.version))
    }

    /// Builds it in a module of its own, which only requires the program's: `go install` refuses a program whose module
    /// replaces or excludes others.
    pub(super) fn install(self, cache: &Cache) -> anyhow::Result<()> {
        let Source { module, package, stamps, .. } = self.source();
        let folder = module.folder(cache);
        fs::create_dir_all(&folder)
            .and_then(|()| fs::write(folder.join("go.mod"), module.requirement()))
            .with_context(|| format!("cannot write {}", folder.display()))?;
        if self == Self::Tilt {
            tilt::prepare(&folder)?;
        }
        let stamps: String =
            stamps.iter().map(|(variable, value)| format!(" -X {variable}={value}")).collect();
        command::run(
            Command::new("go")
                .current_dir(&folder)
                .args(["build", "-mod=mod", "-trimpath", "-ldflags"])
                .arg(format!("-s -w{stamps}"))
                .arg("-o")
                .arg(self.path(cache))
                .arg(format!("{}{package}", module.path))
                // Tilt contains C.
                .env("CGO_ENABLED", if self == Self::Tilt { "1" } else { "0" }),
        )
    }
}

impl Module {
    /// Where its programs are built.
    fn folder(&self, cache: &Cache) -> PathBuf {
        cache.0.join(format!("{}-{}", self.name, self.version))
    }

    /// The go.mod of a module that requires this one alone.
    fn requirement(&self) -> String {
        let Self { name, path, version, replacements } = self;
        let replacements: String =
            replacements.iter().map(|(path, by)| format!("replace {path} => {by}\n")).collect();
        format!("module moviebooking.test/{name}\n\ngo 1.24.0\n\nrequire {path} {version}\n\n{replacements}")
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
