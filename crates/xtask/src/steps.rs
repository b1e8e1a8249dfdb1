//! The steps of the test run: what each runs and which tools it needs.

use std::process::Command;

use clap::ValueEnum;
use moviebooking_launch::PrivatePostgres;

use crate::tools::{Cache, CargoProgram, ClusterPart, Definitions, GoProgram, RootFs, Tool};
use crate::workspace::Workspace;
use crate::{chaos, cluster, command, compose, edges, generated, monitoring, test_images, tilt};

/// Names the PostgreSQL server on which tests make their databases. If it is not set, a private server is started for
/// them. Tests that start processes start one for those either way.
pub(crate) const POSTGRES_URL: &str = "MOVIEBOOKING_TEST_POSTGRES_URL";

/// Names the schemathesis program for the tests that run it.
const SCHEMATHESIS: &str = "MOVIEBOOKING_TEST_SCHEMATHESIS";

/// What the tests start that comes as Go modules, beside the parts of an API server.
const GO_PROGRAMS: [GoProgram; 4] =
    [GoProgram::NatsServer, GoProgram::StripeMock, GoProgram::Helm, GoProgram::CertManager];

/// One step of the test run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Step {
    /// The code is formatted as rustfmt formats it
    Fmt,
    /// No crate imports what the design forbids it
    Edges,
    /// Dependencies: banned crates, licences, sources
    Deny,
    /// Clippy with warnings denied
    Clippy,
    /// The documentation builds with warnings denied
    Docs,
    /// Committed generated files are what the code generates
    Generated,
    /// Prometheus' rules: they are well-formed, and alerts fire when they are to
    Monitoring,
    /// Every test, on both database engines, over all protocols
    Tests,
    /// The short campaign: bookings while processes are killed, then everything is checked
    Chaos,
    /// The campaign finds what is broken on purpose: a small one for each of several faults
    Sabotage,
    /// The images, and docker-compose.yml on a Docker daemon
    Compose,
    /// The images, and the chart on a Kubernetes of one node
    Cluster,
    /// Development with Tilt, on a Kubernetes of one node
    Tilt,
    /// Only that part of `tests` which sends what schemathesis generates
    Schemathesis,
    /// Only that part of `tests` which uses the gRPC-Web clients from npm
    GrpcWeb,
    /// Only that part of `tests` which uses an API server of Kubernetes
    Kube,
}

impl Step {
    /// The whole run, what fails fastest first. `Tests` contains `Schemathesis`, `GrpcWeb` and `Kube`; `Sabotage` is run by
    /// name.
    pub(crate) const ALL: [Self; 12] = [
        Self::Fmt,
        Self::Edges,
        Self::Deny,
        Self::Clippy,
        Self::Docs,
        Self::Generated,
        Self::Monitoring,
        Self::Tests,
        Self::Chaos,
        Self::Compose,
        Self::Tilt,
        Self::Cluster,
    ];

    /// The name on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// What must be installed before the step can run.
    pub(crate) fn tools(self) -> Vec<Tool> {
        match self {
            Self::Fmt | Self::Clippy => vec![Tool::RustComponents],
            Self::Edges | Self::Docs => vec![],
            Self::Generated => vec![Tool::Go, Tool::GoProgram(GoProgram::Helm)],
            Self::Deny => vec![Tool::Cargo(CargoProgram::Deny)],
            Self::Monitoring => vec![Tool::Go, Tool::GoProgram(GoProgram::Promtool)],
            Self::Schemathesis => vec![Tool::Python, Tool::Schemathesis],
            Self::GrpcWeb => vec![Tool::Node, Tool::GrpcWebClient],
            Self::Kube => {
                let mut tools = cluster_tools(&ClusterPart::API_SERVER);
                tools.extend(Definitions::ALL.map(Tool::Definitions));
                tools.extend([GoProgram::Helm, GoProgram::CertManager].map(Tool::GoProgram));
                tools
            }
            Self::Chaos | Self::Sabotage => chaos::TOOLS.to_vec(),
            Self::Compose => {
                let mut tools = test_images::TOOLS.to_vec();
                tools.extend([Tool::Go, Tool::GoProgram(GoProgram::DockerCompose)]);
                tools
            }
            Self::Cluster => {
                let mut tools = test_images::TOOLS.to_vec();
                tools.push(Tool::Containers);
                tools.extend(Self::Generated.tools());
                tools.extend(cluster_tools(&ClusterPart::API_SERVER));
                tools.extend(cluster_tools(&ClusterPart::NODE));
                tools
            }
            Self::Tilt => {
                let mut tools = vec![
                    Tool::Docker,
                    Tool::Buildah,
                    Tool::Binutils,
                    Tool::Containers,
                    Tool::RootFs(RootFs::Development),
                    Tool::RootFs(RootFs::Postgres),
                    Tool::Go,
                    Tool::GoProgram(GoProgram::Tilt),
                ];
                tools.extend(cluster_tools(&ClusterPart::API_SERVER));
                tools.extend(cluster_tools(&ClusterPart::NODE));
                tools
            }
            Self::Tests => {
                let mut tools = vec![Tool::Poppler, Tool::Rsvg, Tool::Zbar, Tool::Postgres];
                tools.extend(Self::Schemathesis.tools());
                tools.extend(Self::GrpcWeb.tools());
                tools.extend(Self::Kube.tools());
                tools.extend(GO_PROGRAMS.map(Tool::GoProgram));
                tools
            }
        }
    }

    /// Runs the step to its end.
    pub(crate) fn run(self, workspace: &Workspace, cache: &Cache) -> anyhow::Result<()> {
        match self {
            Self::Fmt => command::run(workspace.cargo().args(["fmt", "--all", "--check"])),
            Self::Edges => edges::check(workspace),
            Self::Deny => command::run(
                Command::new(CargoProgram::Deny.path(cache))
                    .current_dir(&workspace.root)
                    .args(["check", "bans", "licenses", "sources"]),
            ),
            Self::Clippy => {
                clippy(workspace, &["--all-targets"])?;
                // The tests of other steps than `tests`, which are none of all targets.
                clippy(workspace, &["--test", "compose", "--test", "tilt", "--test", "cluster"])
            }
            Self::Docs => command::run(
                workspace
                    .cargo()
                    .args(["doc", "--workspace", "--no-deps"])
                    .env("RUSTDOCFLAGS", "-D warnings"),
            ),
            Self::Generated => generated::check(workspace, cache),
            Self::Monitoring => monitoring::check(workspace, cache),
            Self::Tests => {
                let mut test = test(workspace, cache)?;
                let server = private_postgres()?;
                if let Some(server) = &server {
                    test.env(POSTGRES_URL, server.url());
                }
                command::run(&mut test)
            }
            Self::Chaos => chaos::run(workspace, cache, &chaos::SHORT),
            Self::Sabotage => chaos::find_faults(workspace, cache),
            Self::Compose => compose::test(workspace, cache),
            Self::Cluster => cluster::test(workspace, cache),
            Self::Tilt => tilt::test(workspace, cache),
            Self::Schemathesis => {
                command::run(test(workspace, cache)?.args(["--test", "system", "schemathesis::"]))
            }
            Self::GrpcWeb => command::run(test(workspace, cache)?.args(["--test", "system", "grpc_web::"])),
            // The name that each crate gives to its tests with an API server.
            Self::Kube => command::run(test(workspace, cache)?.args(["--test", "api_server"])),
        }
    }
}

fn clippy(workspace: &Workspace, targets: &[&str]) -> anyhow::Result<()> {
    let mut clippy = workspace.cargo();
    command::run(clippy.args(["clippy", "--workspace"]).args(targets).args(["--", "-D", "warnings"]))
}

fn cluster_tools(parts: &[ClusterPart]) -> Vec<Tool> {
    let parts = parts.iter().map(|&part| Tool::GoProgram(GoProgram::Kubernetes(part)));
    [Tool::Go].into_iter().chain(parts).collect()
}

/// `cargo test`, after building the programs that the system's tests start and that it alone would not build.
fn test(workspace: &Workspace, cache: &Cache) -> anyhow::Result<Command> {
    workspace.build()?;
    let mut test = workspace.cargo();
    test.args(["test", "--workspace"]).env(SCHEMATHESIS, cache.schemathesis());
    let cluster = GoProgram::Kubernetes(ClusterPart::ApiServer);
    test.envs(
        GO_PROGRAMS.into_iter().chain([cluster]).map(|program| (program.variable(), program.value(cache))),
    );
    test.envs(Definitions::ALL.map(|definitions| (definitions.variable(), definitions.folder(cache))));
    Ok(test)
}

/// A server for this run, unless the environment names one.
fn private_postgres() -> anyhow::Result<Option<PrivatePostgres>> {
    if std::env::var_os(POSTGRES_URL).is_some() {
        return Ok(None);
    }
    let server = PrivatePostgres::start()?;
    println!("private PostgreSQL at {}", server.url());
    Ok(Some(server))
}
