//! The parts of a Kubernetes cluster. They lie in one folder, which the tests are told.

use std::path::PathBuf;

use super::{Module, Source};
use crate::tools::Cache;

/// Names the folder for the tests.
pub(super) const VARIABLE: &str = "MOVIEBOOKING_TEST_KUBE_BIN";

/// The newest minor version whose kubelet runs on version 1 of control groups as well.
const KUBERNETES: &str = "v1.34.4";
const ETCD: &str = "v3.6.6";
const COREDNS: &str = "v1.12.4";

/// The modules that Kubernetes is developed with and released as: `k8s.io/api` and so on, 1.34.4 as v0.34.4.
const STAGING: [&str; 31] = [
    "api",
    "apiextensions-apiserver",
    "apimachinery",
    "apiserver",
    "cli-runtime",
    "client-go",
    "cloud-provider",
    "cluster-bootstrap",
    "code-generator",
    "component-base",
    "component-helpers",
    "controller-manager",
    "cri-api",
    "cri-client",
    "csi-translation-lib",
    "dynamic-resource-allocation",
    "endpointslice",
    "externaljwt",
    "kms",
    "kube-aggregator",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubectl",
    "kubelet",
    "metrics",
    "mount-utils",
    "pod-security-admission",
    "sample-apiserver",
    "sample-cli-plugin",
    "sample-controller",
];

/// One program of a cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    /// Stores the objects
    Etcd,
    /// Serves them
    ApiServer,
    /// Asks for them
    Kubectl,
    /// Makes of objects others: pods of a Deployment
    ControllerManager,
    /// Finds a node for each pod
    Scheduler,
    /// Runs a node's pods
    Kubelet,
    /// Leads from a Service's address to its pods
    KubeProxy,
    /// Tells names' addresses
    CoreDns,
}

/// The folder of all parts in these versions.
pub(super) fn folder(cache: &Cache) -> PathBuf {
    cache.0.join(format!("cluster-kubernetes-{KUBERNETES}-etcd-{ETCD}-coredns-{COREDNS}"))
}

impl Part {
    /// What it takes to have an API server.
    pub(crate) const API_SERVER: [Self; 3] = [Self::Etcd, Self::ApiServer, Self::Kubectl];
    /// What it takes beside that to have a node that runs pods.
    pub(crate) const NODE: [Self; 5] =
        [Self::ControllerManager, Self::Scheduler, Self::Kubelet, Self::KubeProxy, Self::CoreDns];

    pub(super) fn source(self) -> Source {
        match self {
            Self::Etcd => of_its_own("etcd", "go.etcd.io/etcd/server/v3", ETCD),
            Self::ApiServer => of_kubernetes("kube-apiserver"),
            Self::Kubectl => of_kubernetes("kubectl"),
            Self::ControllerManager => of_kubernetes("kube-controller-manager"),
            Self::Scheduler => of_kubernetes("kube-scheduler"),
            Self::Kubelet => of_kubernetes("kubelet"),
            Self::KubeProxy => of_kubernetes("kube-proxy"),
            Self::CoreDns => of_its_own("coredns", "github.com/coredns/coredns", COREDNS),
        }
    }
}

fn of_its_own(name: &'static str, path: &'static str, version: &'static str) -> Source {
    Source {
        name,
        module: Module { name, path, version, replacements: vec![] },
        package: String::new(),
        stamps: vec![],
    }
}

fn of_kubernetes(name: &'static str) -> Source {
    let staged = KUBERNETES.replacen("v1.", "v0.", 1);
    Source {
        name,
        module: Module {
            name: "kubernetes",
            path: "k8s.io/kubernetes",
            version: KUBERNETES,
            replacements: STAGING
                .iter()
                .map(|name| (format!("k8s.io/{name}"), format!("k8s.io/{name} {staged}")))
                .collect(),
        },
        package: format!("/cmd/{name}"),
        stamps: vec![
            ("k8s.io/component-base/version.gitVersion", KUBERNETES),
            ("k8s.io/component-base/version.gitMajor", "1"),
            ("k8s.io/component-base/version.gitMinor", "34"),
        ],
    }
}
