//! What the operator must be allowed to do, and no more.

use k8s_openapi::{
    api::rbac::v1::{ClusterRole, PolicyRule, Role},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use crate::api::GROUP;

/// The name of both roles.
pub const ROLE: &str = "moviebooking-operator";

/// What the operator does in every namespace that has platforms.
pub fn cluster_role() -> ClusterRole {
    let objects = ["get", "list", "watch", "create", "patch", "delete"];
    let unread = ["list", "watch", "create", "patch", "delete"];
    // Every platform has them, so that none is ever an orphan.
    let lasting = ["list", "watch", "create", "patch"];
    ClusterRole {
        metadata: ObjectMeta { name: Some(ROLE.to_owned()), ..ObjectMeta::default() },
        rules: Some(vec![
            rule(GROUP, &["moviebookingplatforms"], &["list", "watch"]),
            rule(GROUP, &["databaseclaims"], &unread),
            rule(GROUP, &["moviebookingplatforms/status", "databaseclaims/status"], &["patch"]),
            // Those that a platform names are read as well.
            rule("", &["secrets"], &objects),
            rule("", &["serviceaccounts", "services"], &unread),
            rule("", &["pods", "events"], &["list"]),
            rule("apps", &["deployments"], &lasting),
            rule("apps", &["statefulsets"], &objects),
            rule("batch", &["jobs", "cronjobs"], &unread),
            rule("policy", &["poddisruptionbudgets"], &lasting),
            rule("autoscaling", &["horizontalpodautoscalers"], &unread),
            rule("networking.k8s.io", &["networkpolicies", "ingresses"], &unread),
            rule("networking.k8s.io", &["ingressclasses"], &["list"]),
            // Somebody else's Cluster is read as well.
            rule("gateway.networking.k8s.io", &["httproutes", "grpcroutes"], &unread),
            rule("postgresql.cnpg.io", &["clusters"], &objects),
            rule("postgresql.cnpg.io", &["databases", "databaseroles"], &unread),
            rule("events.k8s.io", &["events"], &["create", "patch"]),
        ]),
        ..ClusterRole::default()
    }
}

/// What it does in its own namespace: agree on which of its processes works.
pub fn role() -> Role {
    Role {
        metadata: ObjectMeta { name: Some(ROLE.to_owned()), ..ObjectMeta::default() },
        rules: Some(vec![rule("coordination.k8s.io", &["leases"], &["get", "create", "patch"])]),
    }
}

fn rule(group: &str, resources: &[&str], verbs: &[&str]) -> PolicyRule {
    let owned = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect();
    PolicyRule {
        api_groups: Some(owned(&[group])),
        resources: Some(owned(resources)),
        verbs: owned(verbs),
        ..PolicyRule::default()
    }
}
