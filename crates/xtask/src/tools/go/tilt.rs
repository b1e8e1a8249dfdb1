//! Tilt. Its module cannot be built as it is: it lacks the page that the program serves, and one of the modules that it
//! requires is in no checksum database.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use super::{Module, Source};
use crate::command;

const PATH: &str = "github.com/tilt-dev/tilt";
const VERSION: &str = "v0.37.6";

/// The sums that Tilt's own go.sum has.
const SUMS: &str = "\
github.com/tilt-dev/starlark-lsp v0.0.0-20230210155543-84c13fe0ff94 h1:IV0e4/w6PswnHdVmAZ6Ipo8ZdgaPn1nWTNR7Sd2LETo=
github.com/tilt-dev/starlark-lsp v0.0.0-20230210155543-84c13fe0ff94/go.mod h1:bnkWmNDRqs9DgHgrImOSt6dFAcVcN14pqhR3iZsWWaE=
";

/// The copy of the module that is built, in the folder where it is.
const COPY: &str = "./source";

pub(super) fn source() -> Source {
    let replacement = |path: &str, by: &str, version: &str| (path.to_owned(), format!("{by} {version}"));
    Source {
        name: "tilt",
        module: Module {
            name: "tilt",
            path: PATH,
            version: VERSION,
            replacements: vec![
                // As its go.mod has them.
                replacement(
                    "github.com/emicklei/go-restful/v3",
                    "github.com/emicklei/go-restful/v3",
                    "v3.9.0",
                ),
                replacement("github.com/pkg/browser", "github.com/tilt-dev/browser", "v0.0.1"),
                replacement(PATH, COPY, ""),
            ],
        },
        package: "/cmd/tilt".to_owned(),
        stamps: vec![],
    }
}

/// Puts into the folder what the build needs beside go.mod.
pub(super) fn prepare(folder: &Path) -> anyhow::Result<()> {
    fs::write(folder.join("go.sum"), SUMS)?;
    let mut download = Command::new("go");
    // Outside the folder, whose go.mod names the copy that is not there yet.
    download.current_dir(folder.parent().context("the cache is a folder")?);
    let found = command::output(download.args(["mod", "download", "-json", &format!("{PATH}@{VERSION}")]))?;
    let found: serde_json::Value =
        serde_json::from_str(&found).context("go answered something unexpected")?;
    let copy = folder.join(COPY);
    // One that was not finished would be copied into.
    if copy.exists() {
        fs::remove_dir_all(&copy).with_context(|| format!("cannot remove {}", copy.display()))?;
    }
    let mut copying = Command::new("cp");
    copying.args(["--recursive", "--no-preserve=mode"]).arg(found["Dir"].as_str().unwrap_or_default());
    command::output(copying.arg(&copy))?;
    // Any page will do: it is people who look at it, and they have Tilt from elsewhere.
    let page = copy.join("pkg/assets/build/index.html");
    fs::write(&page, "<!doctype html><title>Tilt</title>\n")
        .with_context(|| format!("cannot write {}", page.display()))
}
