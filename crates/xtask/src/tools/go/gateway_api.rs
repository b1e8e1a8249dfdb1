//! The custom resources of the Gateway API, which come as files of its Go module.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;
use serde_json::Value;

use crate::{command, tools::Cache};

/// Names the folder of the definitions for the tests.
pub(crate) const VARIABLE: &str = "MOVIEBOOKING_TEST_GATEWAY_API";

const VERSION: &str = "v1.5.1";
/// The definitions that the tests use, of the channel `standard`.
const FILES: [&str; 2] =
    ["gateway.networking.k8s.io_grpcroutes.yaml", "gateway.networking.k8s.io_httproutes.yaml"];

/// The folder of the definitions of this version.
pub(crate) fn folder(cache: &Cache) -> PathBuf {
    cache.0.join(format!("gateway-api-{VERSION}"))
}

/// Fails when the cache does not hold them.
pub(in crate::tools) fn find(cache: &Cache) -> Result<(), String> {
    let is_there = FILES.iter().all(|file| folder(cache).join(file).is_file());
    is_there
        .then_some(())
        .ok_or_else(|| format!("the Gateway API's definitions {VERSION} are not in the cache"))
}

/// Takes them out of the module.
pub(in crate::tools) fn install(cache: &Cache) -> anyhow::Result<()> {
    let module = format!("sigs.k8s.io/gateway-api@{VERSION}");
    let downloaded = command::output(Command::new("go").args(["mod", "download", "-json", &module]))?;
    let downloaded: Value = serde_json::from_str(&downloaded)?;
    let from = Path::new(downloaded["Dir"].as_str().context("go mod download says no Dir")?)
        .join("config")
        .join("crd")
        .join("standard");
    let to = folder(cache);
    fs::create_dir_all(&to).with_context(|| format!("cannot create {}", to.display()))?;
    for file in FILES {
        let content = fs::read(from.join(file)).with_context(|| format!("{module} has no {file}"))?;
        fs::write(to.join(file), content).with_context(|| format!("cannot write into {}", to.display()))?;
    }
    Ok(())
}
