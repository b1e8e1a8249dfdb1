//! The step that runs docker-compose.yml on a real Docker daemon, from the programs that the other steps test.

use std::process::Command;

use moviebooking_launch::docker::Docker;

use crate::command;
use crate::images::{self, Builder, ImagesArgs};
use crate::tools::{Cache, GoProgram, RootFs};
use crate::workspace::Workspace;

/// What stands before the names of the tests' images; on a person's daemon it keeps them apart from theirs.
const PREFIX: &str = "moviebooking-test";

/// Builds the images over a base of Debian's packages, then runs the tests that use them.
pub(crate) fn test(workspace: &Workspace, cache: &Cache) -> anyhow::Result<()> {
    workspace.build()?;
    let mut test = vec!["test", "--workspace", "--test", "compose"];
    command::run(workspace.cargo().args(&test).arg("--no-run"))?;
    let docker = Docker::start()?;
    let base = import(&docker, cache, RootFs::Base, "base")?;
    let postgres_base = import(&docker, cache, RootFs::Postgres, "postgres-base")?;
    let postgres = format!("{PREFIX}/postgres");
    let folder = workspace.root.join("tests").join("compose");
    let mut build = Command::new("docker");
    docker.used_by(&mut build);
    build.args(["build", "--quiet", "--tag", &postgres, "--build-arg"]).arg(format!("BASE={postgres_base}"));
    build.arg("--file").arg(folder.join("Containerfile")).arg(&folder).env("DOCKER_BUILDKIT", "0");
    command::output(&mut build)?;
    let args = ImagesArgs {
        base: Some(base),
        profile: "dev".to_owned(),
        builder: Builder::Docker,
        prefix: PREFIX.to_owned(),
        names: vec![],
    };
    images::of_programs(workspace, cache, &args, &docker)?;
    test.extend(["--", "--nocapture", "--test-threads=1"]);
    let compose = GoProgram::DockerCompose;
    command::run(
        docker
            .beside("cargo")
            .args(test)
            .current_dir(&workspace.root)
            .env(compose.variable(), compose.value(cache))
            .env("MOVIEBOOKING_IMAGES", PREFIX)
            .env("MOVIEBOOKING_POSTGRES_IMAGE", postgres),
    )
}

/// Makes an image of the root of a file system.
fn import(docker: &Docker, cache: &Cache, root: RootFs, name: &str) -> anyhow::Result<String> {
    let image = format!("{PREFIX}/{name}");
    let mut import = Command::new("docker");
    docker.used_by(&mut import);
    command::output(import.arg("import").arg(root.path(cache)).arg(&image))?;
    Ok(image)
}
