//! A Kubernetes of one node on this machine: for development, and for the step that installs the platform on it.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use moviebooking_launch::docker::Docker;

use crate::command;
use crate::images;
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

/// Builds the images, then runs the tests that install them, on a cluster that lives as long.
pub(crate) fn test(workspace: &Workspace, cache: &Cache) -> anyhow::Result<()> {
    workspace.build()?;
    let test = ["test", "--workspace", "--test", "cluster"];
    command::run(workspace.cargo().args(test).arg("--no-run"))?;
    let archive = save_images(workspace, cache)?;
    let helm = GoProgram::Helm;
    let mut run = program(workspace, cache);
    run.arg("run").arg("--load").arg(&archive).args(["--", "cargo"]).args(test);
    run.args(["--", "--nocapture", "--test-threads=1"]);
    command::run(
        run.current_dir(&workspace.root)
            .env(helm.variable(), helm.value(cache))
            .env("MOVIEBOOKING_IMAGES", test_images::PREFIX)
            .env("MOVIEBOOKING_NEXT_VERSION", NEXT_VERSION)
            .env("MOVIEBOOKING_POSTGRES_IMAGE", test_images::postgres()),
    )
}

/// The program that starts clusters.
pub(crate) fn program(workspace: &Workspace, cache: &Cache) -> Command {
    let mut program = Command::new(workspace.target.join("debug/moviebooking-cluster"));
    program.arg("--state").arg(workspace.target.join("cluster")).env(PART.variable(), PART.value(cache));
    // For the Tiltfile.
    program.env("MOVIEBOOKING_DEVELOPMENT_ROOT", RootFs::Development.path(cache));
    program
}

/// Builds all images that the tests run, into one archive.
fn save_images(workspace: &Workspace, cache: &Cache) -> anyhow::Result<PathBuf> {
    let docker = Docker::start()?;
    test_images::build(workspace, cache, &docker)?;
    let mut names = Vec::new();
    for name in images::names() {
        let image = |version| format!("{}/{name}:{version}", test_images::PREFIX);
        let (image, next) = (image(env!("CARGO_PKG_VERSION")), image(NEXT_VERSION));
        let mut tag = Command::new("docker");
        docker.used_by(&mut tag);
        command::output(tag.arg("tag").arg(&image).arg(&next))?;
        names.extend([image, next]);
    }
    let archive = workspace.target.join("images/all.tar");
    let mut save = Command::new("docker");
    docker.used_by(&mut save);
    save.arg("save").arg("--output").arg(&archive).args(names).arg(test_images::postgres());
    command::output(&mut save).context("cannot save the images")?;
    Ok(archive)
}
