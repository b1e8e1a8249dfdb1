//! A platform on the cluster, in a namespace of its own.

use std::{net::SocketAddr, process::Command};

use moviebooking_standalone::Accounts;
use moviebooking_tests::{System, programs};
use serde_json::{Value, json};

use crate::commands::{images, kubectl, kubectl_with, run, said, try_kubectl, variable};

/// What the namespace and the platform are called.
const NAME: &str = "cinema";
const ADMIN: &str = "admin@demo.example";
const PASSWORD: &str = "the password of the test's admin";

/// The platform.
pub(crate) struct Cinema;

impl Cinema {
    /// Makes the namespace, in which nothing but what the strictest level of pod security allows may run.
    pub(crate) fn new() -> Self {
        let namespace = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": NAME, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
        });
        kubectl_with(&["apply", "--filename=-"], namespace.to_string().as_bytes());
        Self
    }

    /// Describes the platform, with one replica of everything.
    pub(crate) fn apply(&self) {
        let platform = json!({
            "apiVersion": "moviebooking.dev/v1alpha1",
            "kind": "MovieBookingPlatform",
            "metadata": {"name": NAME, "namespace": NAME},
            "spec": {
                "version": env!("CARGO_PKG_VERSION"),
                "images": {"repository": images()},
                "replicas": 1,
                "databases": {"builtin": {
                    "image": variable("MOVIEBOOKING_POSTGRES_IMAGE"),
                    "storage": {"size": "1Gi"},
                }},
            },
        });
        kubectl_with(&["apply", "--filename=-"], platform.to_string().as_bytes());
    }

    /// Waits until it is ready.
    pub(crate) fn wait_until_ready(&self) {
        let wait = ["wait", "--for=condition=Ready", "mbp/cinema", "--namespace", NAME, "--timeout=300s"];
        let waited = try_kubectl(&wait, b"");
        assert!(waited.status.success(), "not ready:\n{}", self.state());
    }

    /// What a person would look at.
    fn state(&self) -> String {
        let looks: [&[&str]; 4] = [
            &["get", "mbp,dbclaims,jobs,pods", "--output=wide"],
            &["describe", "mbp"],
            &["get", "events", "--sort-by=.lastTimestamp"],
            &["logs", "--namespace=moviebooking-system", "deployment/moviebooking-operator", "--tail=40"],
        ];
        let shown = looks.map(|look| {
            let output = try_kubectl(&[&["--namespace", NAME], look].concat(), b"");
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat()
        });
        shown.join("\n")
    }

    /// Runs a command of a service's program in its pod.
    pub(crate) fn command(&self, service: &str, words: &[&str], input: &[u8]) -> String {
        let deployment = format!("deployment/{NAME}-{service}");
        let exec = ["exec", "--stdin", "--namespace", NAME, &deployment, "--", "/usr/local/bin/moviebooking"];
        kubectl_with(&[&exec, words].concat(), input)
    }

    /// Makes the first admin and the demo cinema, as an operator would, and gives what clients need.
    pub(crate) fn furnish(&self) -> System {
        let admin = ["create-admin", "--email", ADMIN, "--name", "Demo Admin"];
        self.command("users", &admin, PASSWORD.as_bytes());
        let catalogue = include_bytes!("../../../crates/movies/data/movies.json");
        self.command("movies", &["import", "movies", "--format=json", "--json", "/dev/stdin"], catalogue);
        let data = tempfile::tempdir().unwrap();
        let address = self.address();
        let mut demo = Command::new(programs().join("moviebooking"));
        demo.arg("demo").arg("--data").arg(data.path());
        demo.args([&format!("--gateway-url=http://{address}"), "--admin-email", ADMIN]);
        said(&run(&mut demo, PASSWORD.as_bytes()), "moviebooking demo");
        System::at(address, Accounts::read(data.path()).unwrap().unwrap())
    }

    /// Where the Service in front of the gateway is.
    pub(crate) fn address(&self) -> SocketAddr {
        let service = self.get("service/cinema-gateway");
        let ip = service["spec"]["clusterIP"].as_str().unwrap().parse().unwrap();
        SocketAddr::new(ip, 80)
    }

    /// An object of the namespace.
    pub(crate) fn get(&self, object: &str) -> Value {
        serde_json::from_str(&kubectl(&["get", object, "--namespace", NAME, "--output=json"])).unwrap()
    }

    /// Runs `kubectl` in the namespace.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        kubectl(&[&["--namespace", NAME], arguments].concat())
    }
}
