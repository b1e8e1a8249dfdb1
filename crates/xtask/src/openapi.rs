//! `openapi.json`: committed so that people can read it, generated so that it is never wrong.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::command;
use crate::workspace::Workspace;

/// Fails when the committed document is not what the gateway generates.
pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<()> {
    let generated = generate(workspace)?;
    let committed = std::fs::read_to_string(path(workspace)).unwrap_or_default();
    if let Some(difference) = first_difference(&committed, &generated) {
        bail!(
            "openapi.json is not what the gateway generates: {difference}. `cargo xtask openapi` writes it anew"
        );
    }
    println!("openapi.json is up to date");
    Ok(())
}

/// Writes what the gateway generates.
pub(crate) fn rewrite(workspace: &Workspace) -> anyhow::Result<()> {
    let path = path(workspace);
    std::fs::write(&path, generate(workspace)?).with_context(|| format!("cannot write {}", path.display()))
}

fn path(workspace: &Workspace) -> PathBuf {
    workspace.root.join("openapi.json")
}

fn generate(workspace: &Workspace) -> anyhow::Result<String> {
    workspace.build()?;
    command::output(&mut Command::new(workspace.target.join("debug").join("openapi")))
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
