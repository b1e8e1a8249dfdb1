//! The image of what holds a pod's namespaces, compiled here: the linker that Rust needs compiles C as well.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;
use moviebooking_launch::command;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::configuration::PAUSE_IMAGE;

const SOURCE: &str = include_str!("pause.c");

/// Makes an archive of the image, as `docker save` does.
pub(super) fn archive(folder: &Path) -> anyhow::Result<PathBuf> {
    let folder = folder.join("pause");
    fs::create_dir(&folder)?;
    let file = |name: &str| folder.join(name);
    fs::write(file("pause.c"), SOURCE)?;
    let mut compile = Command::new("cc");
    compile.current_dir(&folder).args(["-static", "-Os", "-s", "-o", "pause", "pause.c"]);
    command::output(&mut compile).context(
        "cannot compile the image that holds a pod's namespaces: the Debian packages are `gcc libc6-dev`",
    )?;
    let tar = |archive: &str, files: &[&str]| {
        let mut tar = Command::new("tar");
        command::output(tar.current_dir(&folder).arg("-cf").arg(archive).args(files))
    };
    tar("layer.tar", &["pause"])?;
    let layer = hex::encode(Sha256::digest(fs::read(file("layer.tar"))?));
    let config = json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": {"Entrypoint": ["/pause"], "User": "65535:65535"},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{layer}")]},
    });
    let manifest = json!([{"Config": "config.json", "RepoTags": [PAUSE_IMAGE], "Layers": ["layer.tar"]}]);
    fs::write(file("config.json"), config.to_string())?;
    fs::write(file("manifest.json"), manifest.to_string())?;
    tar("image.tar", &["manifest.json", "config.json", "layer.tar"])?;
    Ok(file("image.tar"))
}
