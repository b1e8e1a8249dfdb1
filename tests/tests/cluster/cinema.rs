//! A platform on the cluster, in the tests' namespace.

use std::{net::SocketAddr, time::Duration};

use moviebooking_tests::{System, furnish};
use serde_json::{Value, json};

use crate::commands::{holds_within, images, kubectl, kubectl_with, try_kubectl, variable};

/// How long the platform may take to be as it should.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// The namespace.
pub(crate) const NAMESPACE: &str = "cinema";

/// A platform: its name.
pub(crate) struct Cinema(pub(crate) &'static str);

/// The specification of a platform with one replica of everything, and a server of its own.
pub(crate) fn spec() -> Value {
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "images": {"repository": images()},
        "replicas": 1,
        "databases": {"builtin": {
            "image": variable("MOVIEBOOKING_POSTGRES_IMAGE"),
            "storage": {"size": "1Gi"},
        }},
    })
}

/// Makes a namespace, in which nothing but what the strictest level of pod security allows may run.
pub(crate) fn make_namespace(name: &str) {
    let namespace = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    });
    kubectl_with(&["apply", "--filename=-"], namespace.to_string().as_bytes());
}

impl Cinema {
    /// Describes the platform.
    pub(crate) fn apply(&self) {
        let platform = json!({
            "apiVersion": "moviebooking.dev/v1alpha1",
            "kind": "MovieBookingPlatform",
            "metadata": {"name": self.0, "namespace": NAMESPACE},
            "spec": spec(),
        });
        kubectl_with(&["apply", "--filename=-"], platform.to_string().as_bytes());
    }

    /// Its resource as it is now; null where it cannot be had.
    pub(crate) fn resource(&self) -> Value {
        self.try_get(&format!("mbp/{}", self.0))
    }

    /// Undoes what tests change of the platform's resource.
    pub(crate) fn reset(&self) {
        let version = env!("CARGO_PKG_VERSION");
        self.patch(&json!({"spec": {"version": version, "replicas": 1, "services": null}}));
    }

    /// Changes the platform's resource by a merge patch.
    pub(crate) fn patch(&self, changes: &Value) {
        let resource = format!("mbp/{}", self.0);
        self.kubectl(&["patch", &resource, "--type=merge", "--patch", &changes.to_string()]);
    }

    /// Waits until it is ready as its resource is now.
    pub(crate) fn wait_until_ready(&self) {
        self.wait_until("the platform is not ready", || {
            let platform = self.resource();
            let conditions = platform["status"]["conditions"].as_array();
            let ready = conditions.into_iter().flatten().find(|condition| condition["type"] == "Ready");
            ready.is_some_and(|ready| {
                ready["status"] == "True" && ready["observedGeneration"] == platform["metadata"]["generation"]
            })
        });
    }

    /// Waits until it is ready and no pod is on its way out.
    pub(crate) fn wait_until_settled(&self) {
        self.wait_until_ready();
        self.wait_until("pods do not end", || {
            let pods = self.try_get("pods");
            let mut pods = pods["items"].as_array().into_iter().flatten().peekable();
            pods.peek().is_some() && pods.all(|pod| pod["metadata"]["deletionTimestamp"].is_null())
        });
    }

    /// Waits until a condition holds; an API server that does not answer is asked again.
    ///
    /// # Panics
    /// With what a person would look at.
    pub(crate) fn wait_until(&self, what: &str, condition: impl FnMut() -> bool) {
        let holds = holds_within(PATIENCE, condition);
        assert!(holds, "{what}:\n{}", self.state());
    }

    /// What a person would look at.
    fn state(&self) -> String {
        let looks: [&[&str]; 4] = [
            &["get", "mbp,dbclaim,jobs,pods", "--output=wide"],
            &["describe", "mbp"],
            &["get", "events", "--sort-by=.lastTimestamp"],
            &["logs", "--namespace=moviebooking-system", "deployment/moviebooking-operator", "--tail=40"],
        ];
        let shown = looks.map(|look| {
            let output = try_kubectl(&[&["--namespace", NAMESPACE], look].concat(), b"");
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat()
        });
        shown.join("\n")
    }

    /// Runs a command of a service's program in its pod.
    pub(crate) fn command(&self, service: &str, words: &[&str], input: &[u8]) -> String {
        let deployment = format!("deployment/{}-{service}", self.0);
        let exec =
            ["exec", "--stdin", "--namespace", NAMESPACE, &deployment, "--", "/usr/local/bin/moviebooking"];
        kubectl_with(&[&exec, words].concat(), input)
    }

    /// Makes the first admin and the demo cinema, as an operator would, and gives what clients need.
    pub(crate) fn furnish(&self) -> System {
        furnish(self.address(), |service, words, input| {
            self.command(service, words, input);
        })
    }

    /// Where the Service in front of the gateway is.
    pub(crate) fn address(&self) -> SocketAddr {
        let service = self.get(&format!("service/{}-gateway", self.0));
        let ip = service["spec"]["clusterIP"].as_str().unwrap().parse().unwrap();
        SocketAddr::new(ip, 80)
    }

    /// An object of the namespace, or a list of them; null where it cannot be had.
    pub(crate) fn try_get(&self, object: &str) -> Value {
        let output = try_kubectl(&["get", object, "--namespace", NAMESPACE, "--output=json"], b"");
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    /// An object of the namespace.
    pub(crate) fn get(&self, object: &str) -> Value {
        serde_json::from_str(&kubectl(&["get", object, "--namespace", NAMESPACE, "--output=json"])).unwrap()
    }

    /// Runs `kubectl` in the namespace.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        kubectl(&[&["--namespace", NAMESPACE], arguments].concat())
    }
}
