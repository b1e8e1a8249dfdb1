//! What the node's programs are told.

use serde_json::{Value, json};

use super::{ADDRESS, DNS_SERVICE, PODS};
use crate::place::Place;

/// Where the plug-ins of Debian's package containernetworking-plugins are.
const PLUGINS: &str = "/usr/lib/cni";

/// The image of what holds a pod's namespaces.
pub(super) const PAUSE_IMAGE: &str = "localhost/moviebooking-test/pause:1";

/// The port of cluster DNS: its Service has the usual one.
pub(super) const DNS_PORT: u16 = 10053;

/// The pods' network: a bridge.
pub(super) fn network(place: &Place) -> Value {
    json!({
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "pods0",
                "isGateway": true,
                "ipMasq": true,
                "hairpinMode": true,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": PODS}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                    "dataDir": place.file("cni-state"),
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ],
    })
}

/// Its sockets and its state are where they are by default, which on this machine is a folder of its own.
pub(super) fn containerd(place: &Place) -> String {
    format!(
        r#"version = 2
root = "{root}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  # A machine may not let it be lowered.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{PLUGINS}"
    conf_dir = "{network}"
"#,
        root = place.file("containerd").display(),
        network = place.file("cni").display(),
    )
}

pub(super) fn kubelet(place: &Place) -> Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": place.file(crate::api_server::AUTHORITY)},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "clusterDNS": [DNS_SERVICE],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "tlsCertFile": place.file("kubelet.crt"),
        "tlsPrivateKeyFile": place.file("kubelet.key"),
        "failSwapOn": false,
        "resolvConf": place.file("resolv.conf"),
        // A machine that builds has little space left, and what it has read from its disk counts as memory in use.
        // 0 % turns a signal off: the node takes pods for as long as the machine can run them.
        // https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/
        "evictionHard": {
            "memory.available": "0%",
            "nodefs.available": "0%",
            "nodefs.inodesFree": "0%",
            "imagefs.available": "0%",
            "imagefs.inodesFree": "0%",
        },
        // No image could be pulled again, that of the pods' namespaces included: none is collected.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "imageMinimumGCAge": "87600h",
        // Seconds after a Secret has changed its files do: tests wait for that.
        "configMapAndSecretChangeDetectionStrategy": "Watch",
        "syncFrequency": "10s",
        "maxPods": 200,
    })
}

/// Names of Services and pods, from the API server.
pub(super) fn names(kubeconfig: &str) -> String {
    format!(
        ".:{DNS_PORT} {{
  bind {ADDRESS}
  errors
  kubernetes cluster.local in-addr.arpa ip6.arpa {{
    kubeconfig {kubeconfig}
  }}
  cache 1
  loadbalance
}}
"
    )
}
