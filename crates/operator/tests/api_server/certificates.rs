//! The certificate of an Ingress, made by cert-manager itself.

use std::{collections::BTreeMap, path::Path, process::Command};

use k8s_openapi::{
    api::{core::v1::Secret, networking::v1::Ingress},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, PostParams},
    core::GroupVersionKind,
};
use moviebooking_launch::Process;
use serde_json::{Value, json};

use crate::world::{World, define, until};

/// What `cargo xtask test --install kube` sets.
fn variable(name: &str) -> String {
    let value = std::env::var(name).unwrap_or_default();
    assert!(!value.is_empty(), "{name} is not set: `cargo xtask test --install kube` sets it");
    value
}

/// cert-manager's own definitions, without the labels that its chart would fill in.
fn definitions() -> Vec<CustomResourceDefinition> {
    let files = std::fs::read_dir(variable("MOVIEBOOKING_TEST_CERT_MANAGER_API")).unwrap();
    let read = |path| {
        let text = std::fs::read_to_string(path).unwrap();
        let mut definition: CustomResourceDefinition = serde_saphyr::from_str(&text).unwrap();
        definition.metadata.labels = None;
        definition
    };
    files.map(|file| read(file.unwrap().path())).collect()
}

/// cert-manager's controller, for one namespace.
fn controller(namespace: &str, folder: &Path) -> Process {
    let mut command = Command::new(variable("MOVIEBOOKING_TEST_CERT_MANAGER"));
    command.arg("--kubeconfig").arg(World::kubeconfig()).args(["--namespace", namespace]);
    command.args(["--leader-elect=false", "--metrics-listen-address=127.0.0.1:0"]);
    Process::start(&command, &folder.join("cert-manager.log")).unwrap()
}

fn api(world: &World, kind: &str) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("cert-manager.io", "v1", kind));
    Api::namespaced_with(world.client.clone(), &world.namespace, &resource)
}

/// A platform with an Ingress whose certificate an issuer makes.
fn spec(host: &str) -> Value {
    let ingress = json!({ "host": host, "tlsSecretName": "tickets-tls", "issuer": { "name": "own" } });
    json!({ "version": "0.1.0", "gateway": { "ingress": ingress } })
}

/// Waits until the Secret that the Ingress names has a certificate for the host.
async fn certified(world: &World, host: &str) {
    until("certified", async || {
        let Some(secret) = world.api::<Secret>().get_opt("tickets-tls").await.unwrap() else { return false };
        let names = secret.metadata.annotations.unwrap_or_default();
        let has_both = |data: &BTreeMap<_, _>| data.contains_key("tls.crt") && data.contains_key("tls.key");
        secret.type_.as_deref() == Some("kubernetes.io/tls")
            && secret.data.as_ref().is_some_and(has_both)
            && names.get("cert-manager.io/alt-names").is_some_and(|name| name == host)
    })
    .await;
}

#[tokio::test]
async fn an_issuer_of_cert_manager_makes_the_certificate_of_the_ingress() {
    let world = World::shared().await;
    define(&world.client, definitions()).await;
    let folder = tempfile::tempdir().unwrap();
    let _controller = controller(&world.namespace, folder.path());
    let issuer = json!({
        "apiVersion": "cert-manager.io/v1", "kind": "Issuer",
        "metadata": { "name": "own" }, "spec": { "selfSigned": {} },
    });
    let issuer = serde_json::from_value(issuer).unwrap();
    api(&world, "Issuer").create(&PostParams::default(), &issuer).await.unwrap();

    world.serving(&spec("tickets.example.com")).await;
    certified(&world, "tickets.example.com").await;
    let status = world.platform().await.status.unwrap();
    assert_eq!(status.url.as_deref(), Some("https://tickets.example.com"));

    // Another host needs another certificate.
    world.serving(&spec("cinema.example.com")).await;
    certified(&world, "cinema.example.com").await;

    // Without an Ingress there is nothing to certify; what the operator does not know it leaves alone.
    world.serving(&json!({ "version": "0.1.0" })).await;
    assert!(world.api::<Ingress>().get_opt("cinema-gateway").await.unwrap().is_none());
    assert!(world.api::<Secret>().get_opt("tickets-tls").await.unwrap().is_some());
}
