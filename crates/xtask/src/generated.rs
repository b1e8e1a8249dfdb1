//! Generated files: committed so that people can read them, generated so that they are never wrong.

use std::process::Command;

use anyhow::{Context as _, bail};

use crate::command;
use crate::tools::{Cache, GoProgram};
use crate::workspace::Workspace;

/// A committed file and what prints it.
struct Generated {
    path: &'static str,
    source: Source,
}

/// What prints a file.
enum Source {
    /// A program of the workspace, with these arguments
    Program(&'static str, &'static [&'static str]),
    /// The chart, with the values that it has by default
    Chart,
}

/// Later ones are made of earlier ones.
const FILES: [Generated; 6] = [
    Generated { path: "openapi.json", source: Source::Program("openapi", &[]) },
    Generated { path: "docs/events.md", source: Source::Program("event-catalogue", &[]) },
    Generated {
        path: "charts/moviebooking/files/crds.yaml",
        source: Source::Program("moviebooking-operator", &["crds"]),
    },
    Generated {
        path: "charts/moviebooking/files/rbac.yaml",
        source: Source::Program("moviebooking-operator", &["rbac"]),
    },
    Generated {
        path: "charts/moviebooking-platform/values.schema.json",
        source: Source::Program("moviebooking-operator", &["values-schema"]),
    },
    Generated { path: "manifests/operator.yaml", source: Source::Chart },
];

/// The namespace that manifests/operator.yaml installs into.
const NAMESPACE: &str = "moviebooking-system";

/// Fails when a committed file is not what is printed, or the chart has a fault.
pub(crate) fn check(workspace: &Workspace, cache: &Cache) -> anyhow::Result<()> {
    workspace.build()?;
    for file in &FILES {
        let path = file.path;
        let committed = std::fs::read_to_string(workspace.root.join(path)).unwrap_or_default();
        if let Some(difference) = first_difference(&committed, &file.generate(workspace, cache)?) {
            bail!("{path} is not what is generated: {difference}. `cargo xtask generate` writes it anew");
        }
        println!("{path} is up to date");
    }
    command::run(helm(workspace, cache).args(["lint", "--strict", "--quiet", CHART, CHART_OF_A_PLATFORM]))
}

/// Writes what is printed.
pub(crate) fn rewrite(workspace: &Workspace, cache: &Cache) -> anyhow::Result<()> {
    workspace.build()?;
    for file in &FILES {
        std::fs::write(workspace.root.join(file.path), file.generate(workspace, cache)?)
            .with_context(|| format!("cannot write {}", file.path))?;
    }
    Ok(())
}

impl Generated {
    fn generate(&self, workspace: &Workspace, cache: &Cache) -> anyhow::Result<String> {
        match self.source {
            Source::Program(name, arguments) => {
                let mut program = Command::new(workspace.target.join("debug").join(name));
                command::output(program.args(arguments))
            }
            Source::Chart => {
                if !GoProgram::Helm.path(cache).is_file() {
                    bail!("{} needs Helm: `cargo xtask test --install generated` builds it", self.path);
                }
                let mut template = helm(workspace, cache);
                template.args(["template", "moviebooking", CHART, "--namespace", NAMESPACE, "--no-hooks"]);
                Ok(format!(
                    "# The chart, for `kubectl apply --server-side`. `cargo xtask generate` writes it anew.\n\
                     apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {NAMESPACE}\n  labels:\n    \
                     pod-security.kubernetes.io/enforce: restricted\n{}",
                    command::output(&mut template)?
                ))
            }
        }
    }
}

/// The chart, in the workspace.
const CHART: &str = "charts/moviebooking";

/// That of a platform.
const CHART_OF_A_PLATFORM: &str = "charts/moviebooking-platform";

/// Helm, in the root of the workspace.
fn helm(workspace: &Workspace, cache: &Cache) -> Command {
    let mut helm = Command::new(GoProgram::Helm.path(cache));
    helm.current_dir(&workspace.root);
    helm
}

/// Where the two texts part: the first line that differs, for a message a person can act on.
fn first_difference(committed: &str, generated: &str) -> Option<String> {
    if committed == generated {
        return None;
    }
    let (mut old, mut new) = (committed.lines(), generated.lines());
    let mut number = 1;
    loop {
        match (old.next(), new.next()) {
            (Some(old), Some(new)) if old == new => number += 1,
            (None, None) => return Some("they differ in line ends only".to_owned()),
            (old, new) => {
                let shown = |line: Option<&str>| {
                    line.map_or("its end".to_owned(), |text| format!("`{}`", text.trim()))
                };
                return Some(format!("line {number} is {}, not {}", shown(old), shown(new)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::first_difference;

    #[test]
    fn equal_texts_do_not_differ() {
        assert_eq!(first_difference("{\n}\n", "{\n}\n"), None);
    }

    #[test]
    fn the_first_line_that_differs_is_named() {
        let found = first_difference("{\n  1\n}\n", "{\n  2\n}\n").unwrap();
        assert_eq!(found, "line 2 is `1`, not `2`");
    }

    #[test]
    fn a_shorter_text_and_other_line_ends_differ() {
        assert_eq!(first_difference("{\n", "{\n}\n").unwrap(), "line 2 is its end, not `}`");
        assert_eq!(first_difference("{}", "{}\n").unwrap(), "they differ in line ends only");
    }
}
