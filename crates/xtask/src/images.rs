//! The container images of all programs, built with the Containerfile from what cargo builds here.

mod sbom;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use moviebooking_launch::{GATEWAY, SERVICES, docker::Docker};

use crate::command;
use crate::tools::{self, Cache, CargoProgram, Tool};
use crate::workspace::Workspace;

const CONTAINERFILE: &str = include_str!("../../../Containerfile");

/// What runs the others on Kubernetes.
const OPERATOR: &str = "operator";
/// The one-process edition.
const STANDALONE: &str = "standalone";

/// The most that an image of the profile for images may add to its base, unless it has all programs in one.
const LIMIT: u64 = 30_000_000;
const LIMITED_PROFILE: &str = "image";

/// Which program builds the images.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Builder {
    /// Docker, or what stands in for it under this name
    Docker,
    /// Buildah: needs no daemon
    Buildah,
}

/// What images are built, and of what.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ImagesArgs {
    /// Image to build on; it needs Debian 12's C library or a newer one [default: the Containerfile's]
    #[arg(long, value_name = "IMAGE")]
    pub(crate) base: Option<String>,
    /// Profile of Cargo.toml to build the programs with
    #[arg(long, value_name = "PROFILE", default_value = LIMITED_PROFILE)]
    pub(crate) profile: String,
    /// Program that builds the images
    #[arg(long, default_value = "docker")]
    pub(crate) builder: Builder,
    /// What stands before the images' names: a registry and a folder there
    #[arg(long, value_name = "PREFIX", default_value = "moviebooking")]
    pub(crate) prefix: String,
    /// Which images to build [default: all]
    #[arg(value_name = "NAME", value_parser = clap::builder::PossibleValuesParser::new(names()))]
    pub(crate) names: Vec<String>,
}

/// The names of all images.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    SERVICES.into_iter().chain([GATEWAY, OPERATOR, STANDALONE])
}

/// The default of an argument of the Containerfile.
pub(crate) fn containerfile_argument(name: &str) -> &'static str {
    let mut lines = CONTAINERFILE.lines().filter_map(|line| line.strip_prefix("ARG "));
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default()
}

/// Builds the programs, and images of them.
///
/// # Errors
/// What a program said, or an image that is too large.
pub(crate) fn build(workspace: &Workspace, cache: &Cache, args: &ImagesArgs) -> anyhow::Result<()> {
    tools::ensure(workspace, cache, &[Tool::Cargo(CargoProgram::Cyclonedx)], true)?;
    command::run(workspace.cargo().args(["build", "--workspace", "--bins", "--profile", &args.profile]))?;
    of_programs(workspace, cache, args, &Docker::OfTheMachine)
}

/// Builds images, for `docker` if that is the builder, of programs that are in the target folder.
///
/// # Errors
/// What a program said, or an image that is too large.
pub(crate) fn of_programs(
    workspace: &Workspace,
    cache: &Cache,
    args: &ImagesArgs,
    docker: &Docker,
) -> anyhow::Result<()> {
    let builder = args.builder.program()?;
    let wanted = |name: &&str| args.names.is_empty() || args.names.iter().any(|wanted| wanted == name);
    let names: Vec<&str> = names().filter(wanted).collect();
    let bills = sbom::write(workspace, cache)?;
    let version = env!("CARGO_PKG_VERSION");
    let revision = revision(workspace);
    for (number, name) in names.iter().enumerate() {
        let image = format!("{}/{name}:{version}", args.prefix);
        let folder = context(workspace, &args.profile, name, &bills)?;
        let size = size(&folder)?;
        println!("[{}/{}] {image}: {:.1} MB over its base", number + 1, names.len(), size as f64 / 1e6);
        if args.profile == LIMITED_PROFILE && *name != STANDALONE && size > LIMIT {
            bail!("{image} would add more than {} MB to its base", LIMIT / 1_000_000);
        }
        let mut build = Command::new(builder);
        docker.used_by(&mut build);
        build.arg("build").current_dir(&workspace.root).args(["--file", "Containerfile", "--quiet"]);
        build.args(["--target", "prebuilt", "--tag", &image]);
        if args.builder == Builder::Docker && !has_buildx() {
            // Docker's default wants that plug-in, which Debian's does not come with.
            build.env("DOCKER_BUILDKIT", "0");
        }
        let arguments = [
            Some(format!("SERVICE={name}")),
            Some(format!("VERSION={version}")),
            Some(format!("REVISION={revision}")),
            args.base.as_ref().map(|base| format!("BASE={base}")),
        ];
        build.args(arguments.into_iter().flatten().map(|argument| format!("--build-arg={argument}")));
        command::output(build.arg(&folder)).with_context(|| format!("cannot build {image}{}", hint(args)))?;
    }
    Ok(())
}

fn has_buildx() -> bool {
    command::output(Command::new("docker").args(["buildx", "version"])).is_ok()
}

impl Builder {
    /// Its name, once it is known to be there.
    fn program(self) -> anyhow::Result<&'static str> {
        let (program, hint) = match self {
            Self::Docker => ("docker", "install Docker, or give --builder buildah"),
            Self::Buildah => ("buildah", "the Debian package is `buildah`"),
        };
        command::on_path(program)
            .map(|_| program)
            .with_context(|| format!("{program} is not in PATH: {hint}"))
    }
}

fn hint(args: &ImagesArgs) -> String {
    match &args.base {
        Some(_) => String::new(),
        None => format!(
            " (--base names another base than {}, for where that cannot be had)",
            containerfile_argument("BASE")
        ),
    }
}

/// The folder that the Containerfile's stage `prebuilt` takes: the program without symbols, its bill of materials and
/// the licence.
fn context(workspace: &Workspace, profile: &str, name: &str, bills: &Path) -> anyhow::Result<PathBuf> {
    let program = program(name);
    let folder = workspace.target.join("images").join(name);
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    // Cargo's `dev` builds into `debug`.
    let built = workspace.target.join(if profile == "dev" { "debug" } else { profile });
    command::output(
        Command::new("strip").arg("-o").arg(folder.join("moviebooking")).arg(built.join(&program)),
    )?;
    fs::copy(bills.join(format!("{program}.cdx.json")), folder.join("sbom.cdx.json"))
        .with_context(|| format!("no bill of materials for {program}"))?;
    for file in ["LICENSE", "NOTICE"] {
        fs::copy(workspace.root.join(file), folder.join(file))
            .with_context(|| format!("cannot copy {file}"))?;
    }
    Ok(folder)
}

/// The program in the image `name`.
fn program(name: &str) -> String {
    if name == STANDALONE { "moviebooking".to_owned() } else { format!("moviebooking-{name}") }
}

fn size(folder: &Path) -> anyhow::Result<u64> {
    let mut size = 0;
    for entry in fs::read_dir(folder)? {
        size += entry?.metadata()?.len();
    }
    Ok(size)
}

/// The commit that is checked out, and whether it was changed.
fn revision(workspace: &Workspace) -> String {
    let mut git = Command::new("git");
    git.current_dir(&workspace.root).args(["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]);
    command::output(&mut git).map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_containerfile_has_the_versions_of_the_workspace() {
        assert_eq!(containerfile_argument("VERSION"), env!("CARGO_PKG_VERSION"));
        assert!(containerfile_argument("RUST").contains(concat!(
            "rust:",
            env!("CARGO_PKG_RUST_VERSION"),
            "-"
        )));
        assert!(!containerfile_argument("CARGO_CYCLONEDX").is_empty());
    }

    #[test]
    fn compose_runs_every_image_of_this_version() {
        let compose = include_str!("../../../docker-compose.yml");
        // The operator runs on Kubernetes alone.
        for name in names().filter(|name| *name != OPERATOR) {
            let image = format!("/{name}:${{MOVIEBOOKING_VERSION:-{}}}\n", env!("CARGO_PKG_VERSION"));
            assert!(compose.contains(&image), "{image}");
        }
    }
}
