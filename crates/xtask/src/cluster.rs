//! A Kubernetes of one node on this machine: for development, and for the step that installs the platform on it.

use std::process::Command;

use moviebooking_launch::docker::Docker;

use crate::command;
use crate::images;
use crate::own_cluster::OwnCluster;
use crate::steps::Step;
use crate::test_images;
use crate::tools::{self, Cache, ClusterPart, GoProgram, RootFs};
use crate::workspace::Workspace;

/// Any part of a cluster: the variable and its value are the same for all.
const PART: GoProgram = GoProgram::Kubernetes(ClusterPart::Kubelet);

/// Another tag of the same images: what the tests upgrade to.
const NEXT_VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "-next");

/// Runs the program that starts clusters with these words.
pub(crate) fn run(workspace: &Workspace, cache: &Cache, words: &[String]) -> anyhow::Result<()> {
    tools::ensure(workspace, cache, &Step::Cluster.tools(), false)?;
    command::run_unannounced(workspace.cargo().args(["build", "--workspace", "--bins"]))?;
    command::run_unannounced(program(workspace, cache).args(words))
}

/// Builds the images, then runs the tests that install them: on the cluster that the environment names, or on one that lives
/// as long.
pub(crate) fn test(workspace: &Workspace, cache: &Cache) -> anyhow::Result<()> {
    let own = OwnCluster::named(cache)?;
    workspace.build()?;
    let test = ["test", "--workspace", "--test", "cluster"];
    command::run(workspace.cargo().args(test).arg("--no-run"))?;
    let repository = own.as_ref().map_or(test_images::PREFIX, |own| &own.repository);
    let docker = Docker::start()?;
    test_images::build(workspace, cache, &docker, repository)?;
    let images = all_images(&docker, repository)?;
    let mut run = match &own {
        Some(own) => {
            own.take(&docker, &images)?;
            workspace.cargo()
        }
        None => {
            let archive = test_images::save(workspace, &docker, &images)?;
            let mut run = program(workspace, cache);
            run.arg("run").arg("--load").arg(archive).args(["--", "cargo"]);
            run
        }
    };
    drop(docker);
    let helm = GoProgram::Helm;
    run.args(test).args(["--", "--nocapture", "--test-threads=1"]);
    command::run(
        run.current_dir(&workspace.root)
            .env(PART.variable(), PART.value(cache))
            .env(helm.variable(), helm.value(cache))
            .env("MOVIEBOOKING_IMAGES", repository)
            .env("MOVIEBOOKING_NEXT_VERSION", NEXT_VERSION)
            .env("MOVIEBOOKING_POSTGRES_IMAGE", test_images::postgres(repository)),
    )?;
    own.map_or(Ok(()), |own| own.clean_up(workspace))
}

/// The program that starts clusters.
pub(crate) fn program(workspace: &Workspace, cache: &Cache) -> Command {
    let mut program = Command::new(workspace.target.join("debug/moviebooking-cluster"));
    program.arg("--state").arg(workspace.target.join("cluster")).env(PART.variable(), PART.value(cache));
    // For the Tiltfile.
    program.env("MOVIEBOOKING_DEVELOPMENT_ROOT", RootFs::Development.path(cache));
    program
}

/// The names of all images that the tests run: those of the programs in two versions, of which the second is the first by
/// another name.
fn all_images(docker: &Docker, repository: &str) -> anyhow::Result<Vec<String>> {
    let mut all = vec![test_images::postgres(repository)];
    for name in images::names() {
        let image = |version| format!("{repository}/{name}:{version}");
        let (image, next) = (image(env!("CARGO_PKG_VERSION")), image(NEXT_VERSION));
        let mut tag = Command::new("docker");
        docker.used_by(&mut tag);
        command::output(tag.arg("tag").arg(&image).arg(&next))?;
        all.extend([image, next]);
    }
    Ok(all)
}
