//! A person's own cluster, which KUBECONFIG names: the tests of the step `cluster` run there instead of on one that is started
//! here.

use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};
use moviebooking_launch::docker::Docker;

use crate::command;
use crate::tools::{Cache, ClusterPart, GoProgram};
use crate::workspace::Workspace;

/// Names the cluster.
const KUBECONFIG: &str = "KUBECONFIG";
/// Names the repository that the cluster takes the images from. Without it nobody's cluster is touched.
const REPOSITORY: &str = "MOVIEBOOKING_TEST_REPOSITORY";
/// The command that brings an image, whose name follows, to where the cluster takes it from.
const BRING: &str = "MOVIEBOOKING_TEST_BRING";
const PUSH: &str = "docker push";
/// Where the tests have their platforms.
const NAMESPACE: &str = "cinema";
/// The cluster answers within this time.
const ANSWER_BOUND: Duration = Duration::from_secs(5);

/// A cluster that was not made for the tests.
pub(crate) struct OwnCluster {
    /// Registry and folder of the images.
    pub(crate) repository: String,
    bring: Vec<String>,
    kubectl: PathBuf,
}

impl OwnCluster {
    /// The one that the environment names, if it names any.
    ///
    /// # Errors
    /// What is missing for the tests to run on it.
    pub(crate) fn named(cache: &Cache) -> anyhow::Result<Option<Self>> {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        if variable(KUBECONFIG).is_none() {
            return Ok(None);
        }
        let Some(repository) = variable(REPOSITORY) else {
            bail!(
                "{KUBECONFIG} names a cluster: set {REPOSITORY} to a registry and folder that `{PUSH}` may write to and \
                 the cluster reads (with {BRING} another command brings the images, such as `kind load docker-image`), \
                 or unset {KUBECONFIG}, and a cluster is started here"
            );
        };
        let bring = variable(BRING).unwrap_or_else(|| PUSH.to_owned());
        let bring = bring.split_whitespace().map(str::to_owned).collect();
        let kubectl = GoProgram::Kubernetes(ClusterPart::Kubectl).path(cache);
        let own = Self { repository, bring, kubectl };
        own.check().with_context(|| format!("the cluster that {KUBECONFIG} names cannot be used"))?;
        Ok(Some(own))
    }

    /// Brings images of this daemon there.
    ///
    /// # Errors
    /// What the command said.
    pub(crate) fn take(&self, docker: &Docker, images: &[String]) -> anyhow::Result<()> {
        let (program, words) = self.bring.split_first().context("the command has a word")?;
        for image in images {
            let mut bring = Command::new(program);
            docker.used_by(&mut bring);
            command::run(bring.args(words).arg(image))?;
        }
        Ok(())
    }

    /// Removes what the tests have installed there.
    ///
    /// # Errors
    /// What kubectl said.
    pub(crate) fn clean_up(&self, workspace: &Workspace) -> anyhow::Result<()> {
        let delete = ["delete", "--ignore-not-found", "--filename=manifests/operator.yaml"];
        command::run(self.kubectl().args(["delete", "--ignore-not-found", "namespace", NAMESPACE]))?;
        command::run(self.kubectl().args(delete).current_dir(&workspace.root))
    }

    /// Whether it answers, nobody's platforms are there, and its Services are reached from here.
    fn check(&self) -> anyhow::Result<()> {
        // Asked before anything else, because of this a failure is told in one line.
        command::output(self.kubectl().args(["get", "--raw=/readyz", "--request-timeout=10s"]))?;
        let definitions = ["get", "crd", "--ignore-not-found", "--output=name", "--request-timeout=10s"];
        let platforms = "moviebookingplatforms.moviebooking.dev";
        let there = command::output(self.kubectl().args(definitions).arg(platforms))?;
        if !there.trim().is_empty() {
            bail!(
                "an operator of the platform is or was installed there: it would be taken for that of the tests"
            );
        }
        let service = ["get", "service/kubernetes", "--namespace=default"];
        let address = "--output=jsonpath={.spec.clusterIP}:{.spec.ports[0].port}";
        let address = command::output(self.kubectl().args(service).arg(address))?;
        let address: SocketAddr = address.trim().parse().context("its Service kubernetes has no address")?;
        TcpStream::connect_timeout(&address, ANSWER_BOUND).map(drop).with_context(|| {
            format!(
                "its Services and pods are not reached from this machine (tried {address}): run this on one of its nodes, \
                 or route both networks to one (`ip route add NETWORK via NODE`)"
            )
        })
    }

    fn kubectl(&self) -> Command {
        Command::new(&self.kubectl)
    }
}
