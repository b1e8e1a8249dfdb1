//! Databases of CloudNativePG: the Cluster that a platform has of its own, and what a claim to a database consists of.
//!
//! A role is a DatabaseRole and no entry of the Cluster's `spec.managed.roles`, a list that whoever applies it has whole:
//! the Cluster may be somebody else's. The fields are those of
//! <https://cloudnative-pg.io/docs/1.30/cloudnative-pg.v1/>.

use k8s_openapi::{ByteString, api::core::v1::Secret};
use serde_json::json;

use super::{
    database::{self, SERVER, credentials},
    scope::{Scope, claim_metadata},
};
use crate::{
    api::{CloudNativePgClaim, CloudNativePgDatabases, DatabaseClaim, DeletionPolicy},
    foreign::Foreign,
    object::Object,
};

/// The label of a Cluster's pods.
pub(super) const CLUSTER_LABEL: &str = "cnpg.io/cluster";
/// The label of Secrets whose changes CloudNativePG is to see.
const RELOAD: &str = "cnpg.io/reload";

/// The Cluster of a platform: somebody else's, or its own.
pub(super) fn cluster_name(scope: &Scope<'_>, asked: &CloudNativePgDatabases) -> String {
    asked.cluster_name.clone().unwrap_or_else(|| scope.object_name(SERVER))
}

/// What a platform claims of its Cluster for each database. With its own Cluster all of them go at once.
pub(super) fn claim(scope: &Scope<'_>, asked: &CloudNativePgDatabases) -> CloudNativePgClaim {
    let is_its_own = asked.cluster_name.is_none();
    CloudNativePgClaim {
        cluster: cluster_name(scope, asked),
        deletion_policy: if is_its_own { DeletionPolicy::Retain } else { asked.deletion_policy },
    }
}

/// The Cluster of the platform's own.
pub(super) fn cluster(
    scope: &Scope<'_>,
    asked: &CloudNativePgDatabases,
) -> serde_json::Result<Option<Object>> {
    if asked.cluster_name.is_some() {
        return Ok(None);
    }
    let settings = asked.cluster.clone().unwrap_or_default();
    let metadata = match asked.deletion_policy {
        DeletionPolicy::Retain => scope.kept_metadata(SERVER),
        DeletionPolicy::Delete => scope.metadata(SERVER),
    };
    let mut spec = json!({
        "instances": settings.instances,
        "storage": { "size": settings.storage.size },
        // Each of the platform's pools may have twelve, and during a roll-out there is one more of each.
        "postgresql": { "parameters": { "max_connections": database::MAX_CONNECTIONS } },
    });
    if let Some(class) = settings.storage.storage_class_name {
        spec["storage"]["storageClass"] = class.into();
    }
    if let Some(image) = settings.image_name {
        spec["imageName"] = image.into();
    }
    if let Some(resources) = settings.resources {
        spec["resources"] = serde_json::to_value(resources)?;
    }
    Foreign::Cluster.object(&metadata, spec).map(Some)
}

/// What a claim to a database on a Cluster consists of.
#[derive(Clone, Debug)]
pub struct CloudNativePgObjects {
    /// The Secret that the claim ends in.
    pub credentials: Secret,
    /// The Secret that CloudNativePG takes the role's password from.
    pub password: Secret,
    /// The role.
    pub role: Object,
    /// The database, which the role owns.
    pub database: Object,
}

/// The objects of `claim` to a database on a Cluster that is written to at the Service `service`; nothing for a claim that
/// was never stored.
///
/// # Errors
/// When one cannot be written as JSON.
pub fn cloud_native_pg_objects(
    claim: &DatabaseClaim,
    asked: &CloudNativePgClaim,
    service: &str,
    password: &str,
) -> serde_json::Result<Option<CloudNativePgObjects>> {
    let (Some(mut role_metadata), Some(database_metadata)) =
        (claim_metadata(claim, "role"), claim_metadata(claim, "database"))
    else {
        return Ok(None);
    };
    // Its servers always speak TLS, with an authority of their own.
    let name = &claim.spec.database;
    let options = "?sslmode=require";
    let Some(credentials) = credentials(claim, "cloudnative-pg", service, name, password, options) else {
        return Ok(None);
    };
    let reclaim = match asked.deletion_policy {
        DeletionPolicy::Retain => "retain",
        DeletionPolicy::Delete => "delete",
    };
    let role = json!({
        "cluster": { "name": asked.cluster },
        "name": name,
        "login": true,
        "passwordSecret": { "name": role_metadata.name },
        "databaseRoleReclaimPolicy": reclaim,
    });
    let database = json!({
        "cluster": { "name": asked.cluster },
        "name": name,
        "owner": name,
        "databaseReclaimPolicy": reclaim,
    });
    let role = Foreign::DatabaseRole.object(&role_metadata, role)?;
    let database = Foreign::Database.object(&database_metadata, database)?;
    role_metadata.labels.get_or_insert_default().insert(RELOAD.to_owned(), "true".to_owned());
    let text = |text: &str| ByteString(text.as_bytes().to_vec());
    let password = Secret {
        metadata: role_metadata,
        type_: Some("kubernetes.io/basic-auth".to_owned()),
        data: Some(
            [("username", text(name)), ("password", text(password))].map(|(k, v)| (k.to_owned(), v)).into(),
        ),
        ..Secret::default()
    };
    Ok(Some(CloudNativePgObjects { credentials, password, role, database }))
}
