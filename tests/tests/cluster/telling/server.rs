//! A PostgreSQL server that is no platform's own.

use serde_json::{Value, json};

use super::apply;
use crate::commands::{kubectl, variable};

/// A user who may not make tables.
pub(super) const READER: &str = "reader";
/// The password of whoever may log in.
const PASSWORD: &str = "the-password-of-the-server";
/// Its pod and Service.
const NAME: &str = "database";

/// The URL of its database.
pub(super) fn url(user: &str) -> String {
    format!("postgres://{user}:{PASSWORD}@{NAME}/postgres")
}

/// Starts it and waits until it answers.
pub(super) fn start(namespace: &str) {
    let labels = json!({"app": NAME});
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "superuser"},
        "stringData": {"password": PASSWORD},
    });
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME},
        "spec": {"selector": labels, "ports": [{"port": 5432}]},
    });
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": NAME, "labels": labels},
        "spec": pod(),
    });
    apply(namespace, &[secret, service, pod]);
    let pod = format!("pod/{NAME}");
    kubectl(&["wait", "--for=condition=Ready", &pod, "--namespace", namespace, "--timeout=120s"]);
    let role = format!("CREATE ROLE {READER} LOGIN PASSWORD '{PASSWORD}'");
    let psql = ["psql", "--host=/var/run/postgresql", "--username=postgres", "--command", &role];
    kubectl(&[&["exec", &pod, "--namespace", namespace, "--"], &psql[..]].concat());
}

fn pod() -> Value {
    let (data, sockets, secrets) =
        ("/var/lib/postgresql/data", "/var/run/postgresql", "/run/secrets/superuser");
    json!({
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": 999,
            "fsGroup": 999,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumes": [
            {"name": "data", "emptyDir": {}},
            {"name": "sockets", "emptyDir": {}},
            {"name": "superuser", "secret": {"secretName": "superuser"}},
        ],
        "containers": [{
            "name": "postgresql",
            "image": variable("MOVIEBOOKING_POSTGRES_IMAGE"),
            "env": [
                {"name": "POSTGRES_PASSWORD_FILE", "value": format!("{secrets}/password")},
                {"name": "PGDATA", "value": format!("{data}/pgdata")},
            ],
            "volumeMounts": [
                {"name": "data", "mountPath": data},
                {"name": "sockets", "mountPath": sockets},
                {"name": "superuser", "mountPath": secrets},
            ],
            "readinessProbe": {"exec": {"command": ["pg_isready", "--host=127.0.0.1"]}, "periodSeconds": 1},
            "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
        }],
    })
}
