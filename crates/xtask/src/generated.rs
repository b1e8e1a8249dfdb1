//! Generated files: committed so that people can read them, generated so that they are never wrong.

use std::process::Command;

use anyhow::{Context as _, bail};

use crate::command;
use crate::workspace::Workspace;

/// A committed file and the program that prints what it must be.
struct Generated {
    path: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
}

const FILES: [Generated; 3] = [
    Generated { path: "openapi.json", program: "openapi", arguments: &[] },
    Generated { path: "docs/events.md", program: "event-catalogue", arguments: &[] },
    Generated {
        path: "charts/moviebooking/crds/moviebooking.dev.yaml",
        program: "moviebooking-operator",
        arguments: &["crds"],
    },
];

/// Fails when a committed file is not what its program prints.
pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<()> {
    workspace.build()?;
    for file in &FILES {
        let path = file.path;
        let committed = std::fs::read_to_string(workspace.root.join(path)).unwrap_or_default();
        if let Some(difference) = first_difference(&committed, &file.generate(workspace)?) {
            bail!("{path} is not what is generated: {difference}. `cargo xtask generate` writes it anew");
        }
        println!("{path} is up to date");
    }
    Ok(())
}

/// Writes what the programs print.
pub(crate) fn rewrite(workspace: &Workspace) -> anyhow::Result<()> {
    workspace.build()?;
    for file in &FILES {
        std::fs::write(workspace.root.join(file.path), file.generate(workspace)?)
            .with_context(|| format!("cannot write {}", file.path))?;
    }
    Ok(())
}

impl Generated {
    fn generate(&self, workspace: &Workspace) -> anyhow::Result<String> {
        let mut program = Command::new(workspace.target.join("debug").join(self.program));
        command::output(program.args(self.arguments))
    }
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
