//! The programs that a cluster is made of.

use std::path::PathBuf;

use anyhow::{Context as _, bail};

/// Names their folder for tests.
const FOLDER: &str = "MOVIEBOOKING_TEST_KUBE_BIN";

/// The folder of the programs of Kubernetes and etcd.
#[derive(Clone, Debug)]
pub(crate) struct Programs(PathBuf);

impl Programs {
    /// The folder that `MOVIEBOOKING_TEST_KUBE_BIN` names.
    ///
    /// # Errors
    /// When the variable is not set.
    pub(crate) fn locate() -> anyhow::Result<Self> {
        let folder = std::env::var_os(FOLDER).filter(|folder| !folder.is_empty()).with_context(|| {
            format!("{FOLDER} is not set: `cargo xtask test --install kube` sets it; or name a folder with etcd, kube-apiserver and kubectl")
        })?;
        Ok(Self(PathBuf::from(folder)))
    }

    /// One of the programs.
    ///
    /// # Errors
    /// When it is not in the folder.
    pub(crate) fn path(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.0.join(name);
        if !path.is_file() {
            bail!(
                "{} is not there: `cargo xtask test --install kube` builds what {FOLDER} names",
                path.display()
            );
        }
        Ok(path)
    }
}
