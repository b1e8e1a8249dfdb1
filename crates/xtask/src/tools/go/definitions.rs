//! Custom resources of others, which come as files of their Go modules.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;
use serde_json::Value;

use super::CERT_MANAGER;
use crate::{command, tools::Cache};

/// Whose custom resources they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Definitions {
    /// The Gateway API, of its channel `standard`
    GatewayApi,
    /// cert-manager
    CertManager,
}

/// Where definitions come from.
struct Source {
    module: &'static str,
    version: &'static str,
    /// Their folder in the module
    folder: &'static str,
    /// Those that the tests use
    files: &'static [&'static str],
}

impl Definitions {
    pub(crate) const ALL: [Self; 2] = [Self::GatewayApi, Self::CertManager];

    /// Names the folder of the definitions for the tests.
    pub(crate) fn variable(self) -> &'static str {
        match self {
            Self::GatewayApi => "MOVIEBOOKING_TEST_GATEWAY_API",
            Self::CertManager => "MOVIEBOOKING_TEST_CERT_MANAGER_API",
        }
    }

    fn source(self) -> Source {
        match self {
            Self::GatewayApi => Source {
                module: "sigs.k8s.io/gateway-api",
                version: "v1.5.1",
                folder: "config/crd/standard",
                files: &[
                    "gateway.networking.k8s.io_grpcroutes.yaml",
                    "gateway.networking.k8s.io_httproutes.yaml",
                ],
            },
            Self::CertManager => Source {
                module: CERT_MANAGER.0,
                version: CERT_MANAGER.1,
                folder: "deploy/crds",
                files: &[
                    "crd-certificaterequests.yaml",
                    "crd-certificates.yaml",
                    "crd-challenges.yaml",
                    "crd-clusterissuers.yaml",
                    "crd-issuers.yaml",
                    "crd-orders.yaml",
                ],
            },
        }
    }

    /// Their folder in the cache.
    pub(crate) fn folder(self, cache: &Cache) -> PathBuf {
        let Source { module, version, .. } = self.source();
        let name = module.rsplit('/').next().unwrap_or(module);
        cache.0.join(format!("{name}-definitions-{version}"))
    }

    /// Fails when the cache does not hold them.
    pub(in crate::tools) fn find(self, cache: &Cache) -> Result<(), String> {
        let (Source { module, version, files, .. }, folder) = (self.source(), self.folder(cache));
        let are_there = files.iter().all(|file| folder.join(file).is_file());
        are_there
            .then_some(())
            .ok_or_else(|| format!("the definitions of {module} {version} are not in the cache"))
    }

    /// Takes them out of the module.
    pub(in crate::tools) fn install(self, cache: &Cache) -> anyhow::Result<()> {
        let (Source { module, version, folder, files }, to) = (self.source(), self.folder(cache));
        let module = format!("{module}@{version}");
        let downloaded = command::output(Command::new("go").args(["mod", "download", "-json", &module]))?;
        let downloaded: Value = serde_json::from_str(&downloaded)?;
        let from = Path::new(downloaded["Dir"].as_str().context("go mod download says no Dir")?).join(folder);
        fs::create_dir_all(&to).with_context(|| format!("cannot create {}", to.display()))?;
        for file in files {
            let content = fs::read(from.join(file)).with_context(|| format!("{module} has no {file}"))?;
            fs::write(to.join(file), content)
                .with_context(|| format!("cannot write into {}", to.display()))?;
        }
        Ok(())
    }
}
