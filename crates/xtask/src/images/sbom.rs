//! Bills of materials: for each program the crates that it is built of, as CycloneDX has it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;

use crate::command;
use crate::tools::{Cache, CargoProgram};
use crate::workspace::Workspace;

/// What cargo-cyclonedx adds to a program's name, in the folder of its crate.
const SUFFIX: &str = "_bin.cdx.json";

/// Writes `PROGRAM.cdx.json` for every program, into the folder that it returns.
pub(super) fn write(workspace: &Workspace, cache: &Cache) -> anyhow::Result<PathBuf> {
    let folder = workspace.target.join("images").join("sbom");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    command::run(Command::new(CargoProgram::Cyclonedx.path(cache)).current_dir(&workspace.root).args([
        "cyclonedx",
        "--quiet",
        "--format=json",
        "--spec-version=1.5",
        "--describe=binaries",
        "--no-build-deps",
    ]))?;
    // It knows no other place to write to than beside the manifests.
    for package in &workspace.packages {
        let Some(beside) = package.manifest_path.parent() else { continue };
        for file in fs::read_dir(beside)? {
            let file = file?;
            let Some(program) =
                file.file_name().to_str().and_then(|name| name.strip_suffix(SUFFIX)).map(str::to_owned)
            else {
                continue;
            };
            // Where this checkout lies is nobody's business.
            let text = fs::read_to_string(file.path())?.replace(&workspace.root.display().to_string(), "");
            fs::write(folder.join(format!("{program}.cdx.json")), text)?;
            fs::remove_file(file.path())?;
        }
    }
    Ok(folder)
}
