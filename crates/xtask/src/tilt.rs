//! The step that develops on a cluster of one node with Tilt, as people do.

use moviebooking_launch::docker::Docker;

use crate::tools::{Cache, GoProgram};
use crate::workspace::Workspace;
use crate::{cluster, command, test_images};

/// Builds the programs, and the image of PostgreSQL; then runs the tests beside a cluster that has that alone.
pub(crate) fn test(workspace: &Workspace, cache: &Cache) -> anyhow::Result<()> {
    workspace.build()?;
    let test = ["test", "--workspace", "--test", "tilt"];
    command::run(workspace.cargo().args(test).arg("--no-run"))?;
    let docker = Docker::start()?;
    test_images::build_postgres(workspace, cache, &docker, test_images::PREFIX)?;
    let postgres = test_images::postgres(test_images::PREFIX);
    let archive = test_images::save(workspace, &docker, std::slice::from_ref(&postgres))?;
    drop(docker);
    let tilt = GoProgram::Tilt;
    let mut run = cluster::program(workspace, cache);
    run.arg("run").arg("--load").arg(&archive).args(["--", "cargo"]).args(test);
    run.args(["--", "--nocapture", "--test-threads=1"]);
    command::run(
        run.current_dir(&workspace.root)
            .env(tilt.variable(), tilt.value(cache))
            .env("MOVIEBOOKING_POSTGRES_IMAGE", postgres),
    )
}
