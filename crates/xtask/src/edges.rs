//! The edges between the crates: who may import whom, and names no crate or module may have.
//!
//! What a crate's tests import is no edge: they use the real neighbours.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::workspace::{Package, Workspace};

const SERVICES: [&str; 6] = ["users", "movies", "theaters", "reservations", "payments", "tickets"];

/// Names that say nothing about what is inside.
const FORBIDDEN_NAMES: [&str; 4] = ["common", "utils", "helpers", "types"];

/// What a crate may import from the workspace.
enum Imports {
    Only(&'static [&'static str]),
    AllBut(&'static [&'static str]),
}

/// The rules of the design; `None` for a crate that it does not know.
fn allowed(name: &str) -> Option<Imports> {
    Some(match name {
        "domain" | "proto" | "serve" | "launch" | "sabotage" => Imports::Only(&[]),
        "auth" => Imports::Only(&["domain", "proto", "serve"]),
        "store" | "fields" => Imports::Only(&["domain", "proto"]),
        "events" => Imports::Only(&["domain", "proto", "serve", "auth", "store", "sabotage"]),
        "process" => Imports::Only(&["domain", "proto", "serve", "auth", "store", "events"]),
        // Of `process` it takes what needs no store.
        "gateway" => Imports::Only(&["domain", "proto", "serve", "auth", "process"]),
        // Another company's, as it were: it knows nothing of the platform's services.
        "sandbox-bank" => Imports::Only(&["domain", "serve", "store", "process"]),
        // The sandbox's client, and the bank itself to embed.
        "payments" => Imports::Only(&[
            "domain",
            "proto",
            "fields",
            "serve",
            "auth",
            "store",
            "events",
            "process",
            "sandbox-bank",
            "sabotage",
        ]),
        // It knows the platform as Kubernetes does: images, variables, ports.
        "operator" => Imports::Only(&["domain", "serve"]),
        "xtask" | "cluster" => Imports::Only(&["launch"]),
        // It reads every service's tables, and of their code only what replays the history of the seats.
        "audit" => Imports::Only(&["store", "reservations"]),
        // The campaign sees the platform from outside.
        "chaos" => Imports::Only(&["domain", "proto", "store", "launch", "audit", "sabotage"]),
        // It knows the platform from outside alone.
        "bench" => Imports::Only(&["launch", "proto"]),
        "standalone" => Imports::AllBut(&["launch", "cluster", "chaos", "sabotage", "tests", "xtask"]),
        "tests" => Imports::AllBut(&["xtask"]),
        service if SERVICES.contains(&service) => Imports::Only(&[
            "domain", "proto", "fields", "serve", "auth", "store", "events", "process", "sabotage",
        ]),
        _ => return None,
    })
}

/// Fails with every forbidden edge and name of the workspace.
pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<()> {
    let mut violations = forbidden_edges(&workspace.packages);
    for package in &workspace.packages {
        let folder = package.manifest_path.parent().context("a manifest lies in a folder")?;
        for file in rust_files(folder)? {
            let text =
                std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let shown = file.strip_prefix(&workspace.root).unwrap_or(&file).display();
            violations.extend(forbidden_modules(&text).map(|line| format!("{shown}: {line}")));
        }
    }
    if !violations.is_empty() {
        bail!("the design forbids:\n  {}", violations.join("\n  "));
    }
    println!("{} crates keep the edges of the design", workspace.packages.len());
    Ok(())
}

/// The name without the prefix all published names share.
fn short(name: &str) -> &str {
    name.strip_prefix("moviebooking-").unwrap_or(name)
}

fn forbidden_edges(packages: &[Package]) -> Vec<String> {
    let members: BTreeSet<&str> = packages.iter().map(|package| short(&package.name)).collect();
    let mut violations = Vec::new();
    for package in packages {
        let name = short(&package.name);
        if FORBIDDEN_NAMES.contains(&name) {
            violations.push(format!("the crate name {name}: name what it is for"));
            continue;
        }
        let Some(imports) = allowed(name) else {
            violations.push(format!(
                "the crate {name}, which has no rule yet: add one to crates/xtask/src/edges.rs"
            ));
            continue;
        };
        let dependencies =
            package.dependencies.iter().filter(|dependency| dependency.kind.as_deref() != Some("dev"));
        let targets: BTreeSet<&str> = dependencies.map(|dependency| short(&dependency.name)).collect();
        for target in targets.intersection(&members) {
            let permitted = match imports {
                Imports::Only(list) => list.contains(target),
                Imports::AllBut(list) => !list.contains(target),
            };
            if !permitted {
                violations.push(format!("{name} importing {target}"));
            }
        }
    }
    violations
}

/// The `mod` lines that declare a module with a forbidden name, in a file of its own or inline.
fn forbidden_modules(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| {
        let mut words = line.split_whitespace().skip_while(|word| word.starts_with("pub")).take(2);
        words.next() == Some("mod")
            && words.next().is_some_and(|name| FORBIDDEN_NAMES.contains(&name.trim_end_matches([';', '{'])))
    })
}

fn rust_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries =
            std::fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                if entry.file_name() != "node_modules" {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::{forbidden_edges, forbidden_modules};
    use crate::workspace::{Dependency, Package};

    fn full(name: &str) -> String {
        if name == "xtask" { name.to_owned() } else { format!("moviebooking-{name}") }
    }

    fn dependency(name: &str, kind: Option<&str>) -> Dependency {
        Dependency { name: full(name), kind: kind.map(str::to_owned) }
    }

    fn package(name: &str, imports: &[&str]) -> Package {
        let dependencies = imports.iter().map(|name| dependency(name, None)).collect();
        Package { name: full(name), manifest_path: "Cargo.toml".into(), dependencies }
    }

    #[test]
    fn the_edges_of_the_design_are_allowed() {
        let packages = [
            package("domain", &[]),
            package("proto", &[]),
            package("serve", &[]),
            package("auth", &["domain", "proto", "serve"]),
            package("store", &["domain", "proto"]),
            package("fields", &["domain", "proto"]),
            package("process", &["domain", "proto", "serve", "auth", "store", "events"]),
            package("users", &["domain", "proto", "fields", "serve", "auth", "store", "process"]),
            package("gateway", &["domain", "proto", "serve", "auth", "process"]),
            package("launch", &[]),
            package("sandbox-bank", &["domain", "serve", "store", "process"]),
            package("payments", &["store", "sandbox-bank"]),
            package("standalone", &["users", "gateway", "store"]),
            package("tests", &["standalone", "users", "gateway", "launch"]),
            package("operator", &["domain", "serve"]),
            package("xtask", &["launch"]),
        ];
        assert_eq!(forbidden_edges(&packages), Vec::<String>::new());
    }

    #[test]
    fn every_forbidden_edge_is_named() {
        let packages = [
            package("domain", &["proto"]),
            package("proto", &["domain"]),
            package("serve", &["proto"]),
            package("auth", &["store"]),
            package("store", &["auth"]),
            package("process", &["users"]),
            package("users", &["payments"]),
            package("payments", &["gateway"]),
            package("sandbox-bank", &["payments"]),
            package("tickets", &["sandbox-bank"]),
            package("gateway", &["users", "store"]),
            package("launch", &["serve"]),
            package("standalone", &["tests", "xtask"]),
            package("tests", &["xtask"]),
            package("xtask", &["domain"]),
        ];
        let expected = [
            "domain importing proto",
            "proto importing domain",
            "serve importing proto",
            "auth importing store",
            "store importing auth",
            "process importing users",
            "users importing payments",
            "payments importing gateway",
            "sandbox-bank importing payments",
            "tickets importing sandbox-bank",
            "gateway importing store",
            "gateway importing users",
            "launch importing serve",
            "standalone importing tests",
            "standalone importing xtask",
            "tests importing xtask",
            "xtask importing domain",
        ];
        assert_eq!(forbidden_edges(&packages), expected);
    }

    #[test]
    fn dependencies_from_outside_are_not_edges() {
        let mut domain = package("domain", &[]);
        domain.dependencies.push(Dependency { name: "uuid".to_owned(), kind: None });
        assert_eq!(forbidden_edges(&[domain]), Vec::<String>::new());
    }

    #[test]
    fn tests_use_the_neighbours_and_build_scripts_do_not() {
        let mut movies = package("movies", &[]);
        movies.dependencies.push(dependency("theaters", Some("dev")));
        movies.dependencies.push(dependency("tickets", Some("build")));
        let found = forbidden_edges(&[movies, package("theaters", &[]), package("tickets", &[])]);
        assert_eq!(found, ["movies importing tickets"]);
    }

    #[test]
    fn unknown_and_meaningless_crates_are_refused() {
        let found = forbidden_edges(&[package("utils", &[]), package("loyalty", &[])]);
        assert_eq!(found.len(), 2);
        assert!(found[0].starts_with("the crate name utils"), "{found:?}");
        assert!(found[1].starts_with("the crate loyalty, which has no rule"), "{found:?}");
    }

    #[test]
    fn meaningless_modules_are_found() {
        let text =
            "mod store;\npub(crate) mod utils;\nmod helpers {\n}\npub mod typesetting;\n// mod common;\n";
        let found: Vec<&str> = forbidden_modules(text).collect();
        assert_eq!(found, ["pub(crate) mod utils;", "mod helpers {"]);
    }
}
