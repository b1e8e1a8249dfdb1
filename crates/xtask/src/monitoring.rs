//! Prometheus' rules, looked at by its own program.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::command;
use crate::tools::{Cache, GoProgram};
use crate::workspace::Workspace;

/// The rules, and when their alerts are to fire: for each file of the one a file of the same name in the other.
const RULES: &str = "charts/moviebooking/files/rules";
const TESTS: &str = "tests/monitoring";

/// Fails when a rule is not well-formed, or an alert does not fire when it is to.
pub(crate) fn check(workspace: &Workspace, cache: &Cache) -> anyhow::Result<()> {
    let rules = yaml_files(&workspace.root.join(RULES))?;
    for rule in &rules {
        let test = workspace.root.join(TESTS).join(rule.file_name().unwrap_or_default());
        if !test.is_file() {
            bail!("{} has no tests: write {}", rule.display(), test.display());
        }
    }
    let promtool = || Command::new(GoProgram::Promtool.path(cache));
    command::run(promtool().args(["check", "rules", "--lint=all", "--lint-fatal"]).args(&rules))?;
    command::run(promtool().args(["test", "rules"]).args(yaml_files(&workspace.root.join(TESTS))?))
}

fn yaml_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = folder.read_dir().with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    Ok(files)
}
