//! The images that tests run, made without a registry: of the programs that the other steps test, and of Debian's packages.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use moviebooking_launch::docker::Docker;

use crate::command;
use crate::images::{self, Builder, ImagesArgs};
use crate::tools::{Cache, CargoProgram, RootFs, Tool};
use crate::workspace::Workspace;

/// What stands before their names unless a repository does; on a person's daemon it keeps them apart from theirs.
pub(crate) const PREFIX: &str = "moviebooking-test";

/// What it takes to build them.
pub(crate) const TOOLS: [Tool; 6] = [
    Tool::Docker,
    Tool::Buildah,
    Tool::Binutils,
    Tool::Cargo(CargoProgram::Cyclonedx),
    Tool::RootFs(RootFs::Base),
    Tool::RootFs(RootFs::Postgres),
];

/// The name of PostgreSQL's image: with a version, without which Kubernetes would look for a newer one.
pub(crate) fn postgres(repository: &str) -> String {
    format!("{repository}/postgres:15")
}

/// Builds all of them with this daemon; the programs have been built.
pub(crate) fn build(
    workspace: &Workspace,
    cache: &Cache,
    docker: &Docker,
    repository: &str,
) -> anyhow::Result<()> {
    build_postgres(workspace, cache, docker, repository)?;
    let base = import(docker, cache, RootFs::Base, "base")?;
    let args = ImagesArgs {
        base: Some(base),
        profile: "dev".to_owned(),
        builder: Builder::Docker,
        prefix: repository.to_owned(),
        names: vec![],
    };
    images::of_programs(workspace, cache, &args, docker)
}

/// Builds that of PostgreSQL alone.
pub(crate) fn build_postgres(
    workspace: &Workspace,
    cache: &Cache,
    docker: &Docker,
    repository: &str,
) -> anyhow::Result<()> {
    let postgres_base = import(docker, cache, RootFs::Postgres, "postgres-base")?;
    let folder = workspace.root.join("tests").join("compose");
    let mut build = Command::new("docker");
    docker.used_by(&mut build);
    build
        .args(["build", "--quiet", "--tag", &postgres(repository), "--build-arg"])
        .arg(format!("BASE={postgres_base}"));
    build.arg("--file").arg(folder.join("Containerfile")).arg(&folder).env("DOCKER_BUILDKIT", "0");
    command::output(&mut build).map(drop)
}

/// Makes an image of the root of a file system.
fn import(docker: &Docker, cache: &Cache, root: RootFs, name: &str) -> anyhow::Result<String> {
    let image = format!("{PREFIX}/{name}");
    let mut import = Command::new("docker");
    docker.used_by(&mut import);
    command::output(import.arg("import").arg(root.path(cache)).arg(&image))?;
    Ok(image)
}

/// Saves images into an archive.
pub(crate) fn save(workspace: &Workspace, docker: &Docker, names: &[String]) -> anyhow::Result<PathBuf> {
    let folder = workspace.target.join("images");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let archive = folder.join("saved.tar");
    let mut save = Command::new("docker");
    docker.used_by(&mut save);
    command::output(save.arg("save").arg("--output").arg(&archive).args(names))?;
    Ok(archive)
}
