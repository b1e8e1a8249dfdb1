//! The step that runs docker-compose.yml on a real Docker daemon, from the programs that the other steps test.

use moviebooking_launch::docker::Docker;

use crate::command;
use crate::test_images;
use crate::tools::{Cache, GoProgram};
use crate::workspace::Workspace;

/// Builds the images over a base of Debian's packages, then runs the tests that use them.
pub(crate) fn test(workspace: &Workspace, cache: &Cache) -> anyhow::Result<()> {
    workspace.build()?;
    let mut test = vec!["test", "--workspace", "--test", "compose"];
    command::run(workspace.cargo().args(&test).arg("--no-run"))?;
    let docker = Docker::start()?;
    test_images::build(workspace, cache, &docker, test_images::PREFIX)?;
    test.extend(["--", "--nocapture", "--test-threads=1"]);
    let compose = GoProgram::DockerCompose;
    command::run(
        docker
            .beside("cargo")
            .args(test)
            .current_dir(&workspace.root)
            .env(compose.variable(), compose.value(cache))
            .env("MOVIEBOOKING_IMAGES", test_images::PREFIX)
            .env("MOVIEBOOKING_POSTGRES_IMAGE", test_images::postgres(test_images::PREFIX)),
    )
}
