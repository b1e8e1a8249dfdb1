//! The operator, installed in either way.

use crate::commands::{helm, images, kubectl, kubectl_with};

/// Its namespace.
pub(crate) const SYSTEM: &str = "moviebooking-system";

/// Installs the chart, with the images under test.
pub(crate) fn install_chart() {
    helm(&[
        "install",
        "moviebooking",
        "charts/moviebooking",
        "--namespace",
        SYSTEM,
        "--create-namespace",
        "--set",
        &format!("image.repository={}", images()),
        "--wait",
        "--timeout=3m",
    ]);
}

/// Applies what manifests/ has, with the images under test.
pub(crate) fn apply_manifests() {
    let manifests = include_str!("../../../manifests/operator.yaml");
    let image = |repository: &str| format!("image: {repository}/operator:{}", env!("CARGO_PKG_VERSION"));
    assert!(manifests.contains(&image("moviebooking")));
    let manifests = manifests.replace(&image("moviebooking"), &image(&images()));
    let apply = ["apply", "--server-side", "--force-conflicts", "--validate=strict", "--filename=-"];
    kubectl_with(&apply, manifests.as_bytes());
    kubectl(&[
        "rollout",
        "status",
        "deployment/moviebooking-operator",
        "--namespace",
        SYSTEM,
        "--timeout=180s",
    ]);
}
