//! The programs the test run needs beyond Rust: how to find each, and how to install it.

mod cargo;
mod debian;
mod go;
mod npm;
mod python;
mod rootfs;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, bail};
use moviebooking_launch::{docker, postgres};

use crate::command;
use crate::workspace::Workspace;

pub(crate) use cargo::Program as CargoProgram;
pub(crate) use go::{Program as GoProgram, definitions::Definitions, kubernetes::Part as ClusterPart};
pub(crate) use rootfs::RootFs;

/// The folder outside the checkout where tools of pinned versions live.
pub(crate) struct Cache(PathBuf);

impl Cache {
    /// `$MOVIEBOOKING_CACHE`, or `moviebooking` in `$XDG_CACHE_HOME` or `~/.cache`.
    pub(crate) fn locate() -> anyhow::Result<Self> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let folder = variable("MOVIEBOOKING_CACHE")
            .or_else(|| Some(variable("XDG_CACHE_HOME")?.join("moviebooking")))
            .or_else(|| Some(variable("HOME")?.join(".cache").join("moviebooking")))
            .context("set MOVIEBOOKING_CACHE to a folder for tools: neither it nor HOME is set")?;
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(Self(folder))
    }

    /// The schemathesis program.
    pub(crate) fn schemathesis(&self) -> PathBuf {
        python::folder(self).join("bin").join("schemathesis")
    }
}

/// One program or set of programs from outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tool {
    /// rustfmt and clippy
    RustComponents,
    /// The server programs, to run a private server
    Postgres,
    /// Reads the tickets' PDF
    Poppler,
    /// Draws the tickets' QR code
    Rsvg,
    /// Reads the tickets' QR code as a scanner would
    Zbar,
    /// Runs the gRPC-Web clients
    Node,
    /// The gRPC-Web clients from npm
    GrpcWebClient,
    /// Runs schemathesis
    Python,
    /// Generates requests from the OpenAPI document
    Schemathesis,
    /// A program that comes as a crate
    Cargo(CargoProgram),
    /// Builds the programs that come as Go modules
    Go,
    /// A program that comes as a Go module
    GoProgram(GoProgram),
    /// Custom resources of others
    Definitions(Definitions),
    /// A Docker daemon, or what it takes to run one
    Docker,
    /// What runs a node's containers, in a network of their own
    Containers,
    /// Builds images without a daemon
    Buildah,
    /// Makes an image's programs small
    Binutils,
    /// What the tests' images begin with
    RootFs(RootFs),
}

impl Tool {
    /// Fails with what is wrong when the tool is not there in the version that is needed.
    fn find(self, workspace: &Workspace, cache: &Cache) -> Result<(), String> {
        let on_path =
            |program| command::on_path(program).map(drop).ok_or(format!("{program} is not in PATH"));
        match self {
            Self::RustComponents => ["fmt", "clippy"].iter().try_for_each(|name| {
                // Rustup puts the names in PATH also where the component is missing: only running it tells.
                let run = command::output(Command::new("cargo").args([name, "--version"]));
                run.map(drop).map_err(|_| format!("cargo {name} does not run"))
            }),
            Self::Postgres => postgres::find()
                .map(drop)
                .ok_or_else(|| format!("no server programs of PostgreSQL {} or newer", postgres::OLDEST)),
            Self::Poppler => on_path("pdftotext").and_then(|()| on_path("pdftoppm")),
            Self::Rsvg => on_path("rsvg-convert"),
            Self::Zbar => on_path("zbarimg"),
            Self::Node => npm::find_node(),
            Self::GrpcWebClient => npm::find_packages(workspace),
            Self::Python => python::find_python(),
            Self::Schemathesis => python::find_schemathesis(cache),
            Self::Cargo(program) => program.find(cache),
            Self::Go => go::find_go(),
            Self::GoProgram(program) => program.find(cache),
            Self::Definitions(definitions) => definitions.find(cache),
            Self::Docker if docker::machine_has_docker() => Ok(()),
            Self::Docker => {
                ["docker", "dockerd", "iptables", "ip", "nsenter"].into_iter().try_for_each(on_path)
            }
            Self::Containers => {
                let programs = ["containerd", "ctr", "runc", "iptables", "ip", "nsenter", "unshare", "cc"];
                programs.into_iter().try_for_each(on_path)?;
                let plugin = "/usr/lib/cni/bridge";
                std::path::Path::new(plugin).is_file().then_some(()).ok_or(format!("no {plugin}"))
            }
            Self::Buildah => on_path("buildah"),
            Self::Binutils => on_path("strip"),
            Self::RootFs(root) => root.find(cache),
        }
    }

    /// The Debian packages that bring the tool, or none where it is installed in another way.
    fn debian_packages(self) -> &'static [&'static str] {
        match self {
            Self::Postgres => &["postgresql"],
            Self::Poppler => &["poppler-utils"],
            Self::Rsvg => &["librsvg2-bin"],
            Self::Zbar => &["zbar-tools"],
            Self::Node => &["nodejs", "npm"],
            Self::Python => &["python3", "python3-venv"],
            Self::Docker => &["docker.io", "iptables", "iproute2", "util-linux"],
            Self::Containers => &[
                "containerd",
                "runc",
                "iptables",
                "iproute2",
                "util-linux",
                "containernetworking-plugins",
                "gcc",
                "libc6-dev",
            ],
            Self::Buildah => &["buildah"],
            Self::Binutils => &["binutils"],
            Self::RootFs(_) => &["mmdebstrap"],
            Self::RustComponents | Self::GrpcWebClient | Self::Schemathesis | Self::Cargo(_) => &[],
            Self::Go | Self::GoProgram(_) | Self::Definitions(_) => &[],
        }
    }

    /// Installs what is no Debian package.
    fn install(self, workspace: &Workspace, cache: &Cache) -> anyhow::Result<()> {
        match self {
            Self::RustComponents => {
                command::run(Command::new("rustup").args(["component", "add", "rustfmt", "clippy"]))
            }
            Self::GrpcWebClient => npm::install_packages(workspace),
            Self::Schemathesis => python::install_schemathesis(cache),
            Self::Cargo(program) => program.install(cache),
            Self::RootFs(root) => root.install(cache),
            Self::GoProgram(program) => program.install(cache),
            Self::Definitions(definitions) => definitions.install(cache),
            // Debian packages, and Go, which no package brings in the version that is needed.
            _ => Ok(()),
        }
    }

    /// How a person gets the tool by hand.
    fn hint(self) -> String {
        match self {
            Self::RustComponents => "rustup component add rustfmt clippy".to_owned(),
            Self::GrpcWebClient => "npm ci, in tests/grpc-web".to_owned(),
            Self::Schemathesis => "a Python virtual environment".to_owned(),
            Self::Cargo(_) => "cargo install".to_owned(),
            Self::RootFs(_) => "made by mmdebstrap, a Debian package".to_owned(),
            Self::Go => "Debian's is too old: https://go.dev/dl".to_owned(),
            Self::GoProgram(_) => "go build".to_owned(),
            Self::Definitions(_) => "go mod download".to_owned(),
            _ => format!("Debian: {}", self.debian_packages().join(" ")),
        }
    }
}

/// Checks that the tools are there. With `install` it installs those that are not, and checks again.
///
/// # Errors
/// Every tool that is missing with what brings it, or the installation that failed.
pub(crate) fn ensure(
    workspace: &Workspace,
    cache: &Cache,
    tools: &[Tool],
    install: bool,
) -> anyhow::Result<()> {
    let missing = missing(workspace, cache, tools);
    if install && !missing.is_empty() {
        let packages: Vec<&str> =
            missing.iter().flat_map(|(tool, _)| tool.debian_packages()).copied().collect();
        debian::install(&packages)?;
        for (tool, _) in &missing {
            tool.install(workspace, cache)?;
        }
        return report(&self::missing(workspace, cache, tools), "still missing after the installation");
    }
    report(&missing, "missing (`cargo xtask test --install` installs them)")
}

fn missing(workspace: &Workspace, cache: &Cache, tools: &[Tool]) -> Vec<(Tool, String)> {
    tools.iter().filter_map(|tool| Some((*tool, tool.find(workspace, cache).err()?))).collect()
}

fn report(missing: &[(Tool, String)], headline: &str) -> anyhow::Result<()> {
    if missing.is_empty() {
        println!("all tools are there");
        return Ok(());
    }
    let lines = missing.iter().map(|(tool, why)| format!("\n  {why} ({})", tool.hint()));
    bail!("{headline}:{}", lines.collect::<String>())
}
