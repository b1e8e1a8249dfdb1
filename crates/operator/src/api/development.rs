//! A service that somebody works on.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// A service that somebody works on, on a cluster for development: its program can be replaced while its pods run. Not for
/// a platform that sells tickets.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Development {
    /// Its image with a tag or a digest, instead of that of `spec.images` and `spec.version`. Its pods have an empty folder
    /// `/development` that their user may write to, for a newer program: how that comes there and is started is up to the
    /// image.
    #[schemars(length(min = 1, max = 300))]
    #[x_kube(validation = Rule::new(
        "self.matches('^[a-z0-9][A-Za-z0-9._:/-]*(:[A-Za-z0-9_][A-Za-z0-9._-]*|@sha256:[a-f0-9]{64})$')"
    ).message("image: use a name with a tag, such as registry.example/me/users:mine"))]
    pub image: String,
}
