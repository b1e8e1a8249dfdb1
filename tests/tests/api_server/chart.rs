//! The chart of one version after that of another, by `helm upgrade`.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use moviebooking_operator::api;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::manifests::{Installed, ok};

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/moviebooking");

/// The chart as it was before platforms could have backups.
fn older_chart() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(Path::new(CHART), folder.path());
    let documents = api::definitions().map(|definition| {
        let mut definition = serde_json::to_value(definition).unwrap();
        let spec = &mut definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        spec["properties"].as_object_mut().unwrap().remove("backup");
        if let Some(rules) = spec["x-kubernetes-validations"].as_array_mut() {
            rules.retain(|rule| !rule["rule"].as_str().unwrap().contains("backup"));
        }
        definition.to_string()
    });
    std::fs::write(folder.path().join("files/crds.yaml"), documents.join("\n---\n")).unwrap();
    folder
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in from.read_dir().unwrap() {
        let (path, to): (PathBuf, PathBuf) =
            entry.map(|entry| (entry.path(), to.join(entry.file_name()))).unwrap();
        if path.is_dir() {
            copy(&path, &to);
        } else {
            std::fs::copy(&path, &to).unwrap();
        }
    }
}

fn helm(server: &Installed, verb: &[&str], chart: &Path) {
    let program = std::env::var_os("MOVIEBOOKING_TEST_HELM")
        .expect("MOVIEBOOKING_TEST_HELM is not set: run `cargo xtask test --install kube`");
    let mut helm = Command::new(program);
    helm.args(verb).arg("moviebooking").arg(chart).args(["--namespace", "moviebooking-system"]);
    ok(&helm.env("KUBECONFIG", server.kubeconfig()).output().unwrap());
}

fn platform(name: &str, spec: &Value) -> String {
    json!({
        "apiVersion": "moviebooking.dev/v1alpha1", "kind": "MovieBookingPlatform",
        "metadata": { "name": name, "namespace": "default" }, "spec": spec,
    })
    .to_string()
}

#[test]
fn an_upgrade_of_the_chart_upgrades_the_definitions_under_the_platforms() {
    let server = Installed::empty();
    helm(&server, &["install", "--create-namespace"], older_chart().path());
    let apply = |name: &str, spec: &Value| {
        let arguments = ["apply", "--validate=strict", "--filename=-"];
        server.says(&arguments, &platform(name, spec))
    };
    let defined = "--for=condition=Established";
    ok(&server.kubectl(&["wait", defined, "crd/moviebookingplatforms.moviebooking.dev"], ""));
    let before = apply("before", &json!({ "version": "0.1.0", "replicas": 3 }));
    assert!(before.contains("created"), "{before}");
    let with_backup = json!({ "version": "0.1.0", "replicas": 3, "backup": { "schedule": "@daily", "claimName": "backups" } });
    let refused = apply("before", &with_backup);
    assert!(refused.contains("unknown field \"spec.backup\""), "{refused}");

    helm(&server, &["upgrade"], Path::new(CHART));
    server.says_at_last_to(
        &["apply", "--validate=strict", "--filename=-"],
        &platform("before", &with_backup),
        "configured",
    );
    let stored = ok(&server
        .kubectl(&["get", "mbp", "before", "--output=jsonpath={.spec.replicas} {.spec.backup.keep}"], ""));
    assert_eq!(stored, "3 7");
    let wrong = json!({ "version": "0.1.0", "backup": { "schedule": "never", "claimName": "backups" } });
    let refused = apply("wrong", &wrong);
    assert!(refused.contains("schedule: use five fields"), "{refused}");
}
