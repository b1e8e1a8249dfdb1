//! Databases of CloudNativePG, whose controller does not run here. In its place: definitions with the published schema of
//! the fields that the operator sets and reads, which refuse every other, and somebody who does what its documentation
//! says (1.30: declarative role and database management).

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, StatefulSet},
        core::v1::Secret,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
};
use moviebooking_operator::{api::DatabaseClaim, foreign::Foreign};
use serde_json::{Value, json};

use crate::world::{World, condition, is_ready, until};

/// The definitions.
pub(crate) fn definitions() -> [CustomResourceDefinition; 3] {
    let (text, boolean, number) =
        (json!({ "type": "string" }), json!({ "type": "boolean" }), json!({ "type": "integer" }));
    let name = json!({ "type": "object", "properties": { "name": text }, "required": ["name"] });
    let stays = |mut schema: Value, message: &str| {
        schema["x-kubernetes-validations"] = json!([{ "rule": "self == oldSelf", "message": message }]);
        schema
    };
    let reclaim = json!({ "type": "string", "enum": ["delete", "retain"], "default": "retain" });
    let anything = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    let of_cluster = json!({
        "type": "object",
        "required": ["instances"],
        "properties": {
            "instances": { "type": "integer", "minimum": 1, "default": 1 },
            "imageName": text,
            "storage": { "type": "object", "properties": { "size": text, "storageClass": text } },
            "resources": anything,
            "postgresql": { "type": "object", "properties": {
                "parameters": { "type": "object", "additionalProperties": text },
            } },
        },
    });
    let of_role = json!({
        "type": "object",
        "required": ["cluster", "name"],
        "properties": {
            "cluster": stays(name.clone(), "cluster reference is immutable after creation"),
            "name": text,
            "login": boolean,
            "passwordSecret": name,
            "databaseRoleReclaimPolicy": reclaim,
        },
        "x-kubernetes-validations": [
            { "rule": "self.name == oldSelf.name", "message": "name is immutable" },
            { "rule": "!self.name.startsWith('cnpg_')", "message": "role names starting with cnpg_ are reserved" },
        ],
    });
    let of_database = json!({
        "type": "object",
        "required": ["cluster", "name", "owner"],
        "properties": {
            "cluster": stays(name, "cluster reference is immutable after creation"),
            "name": stays(text.clone(), "name is immutable"),
            "owner": text,
            "databaseReclaimPolicy": reclaim,
        },
    });
    let applied = json!({ "type": "object", "properties": {
        "observedGeneration": number, "applied": boolean, "message": text,
    } });
    let of_status = json!({ "type": "object", "properties": { "phase": text, "writeService": text } });
    [
        definition(Foreign::Cluster, &of_cluster, &of_status),
        definition(Foreign::DatabaseRole, &of_role, &applied),
        definition(Foreign::Database, &of_database, &applied),
    ]
}

fn definition(kind: Foreign, spec: &Value, status: &Value) -> CustomResourceDefinition {
    let resource = kind.resource();
    let schema = json!({ "type": "object", "properties": { "spec": spec, "status": status } });
    serde_json::from_value(json!({
        "metadata": { "name": format!("{}.{}", resource.plural, resource.group) },
        "spec": {
            "group": resource.group, "scope": "Namespaced",
            "names": { "kind": resource.kind, "plural": resource.plural, "singular": resource.kind.to_lowercase() },
            "versions": [{
                "name": resource.version, "served": true, "storage": true,
                "subresources": { "status": {} }, "schema": { "openAPIV3Schema": schema },
            }],
        },
    }))
    .unwrap()
}

fn api(client: &Client, namespace: &str, kind: Foreign) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), namespace, &kind.resource())
}

/// Does what CloudNativePG would for the resources whose names `which` takes: Clusters become healthy, a role is applied
/// once its Secret is there, a database once its owner is.
pub(crate) async fn work(client: &Client, namespace: &str, which: impl Fn(&str) -> bool) {
    let list = async |kind| {
        let found = api(client, namespace, kind).list(&ListParams::default()).await;
        let objects = found.map(|list| list.items).unwrap_or_default();
        objects.into_iter().filter(|object| which(&object.name_any())).collect::<Vec<_>>()
    };
    let tell = async |kind, object: &DynamicObject, mut status: Value| {
        if kind != Foreign::Cluster {
            status["observedGeneration"] = object.metadata.generation.into();
        }
        let status = json!({ "status": status });
        let api = api(client, namespace, kind);
        // It may be gone in the meantime.
        let _ = api.patch_status(&object.name_any(), &PatchParams::default(), &Patch::Merge(&status)).await;
    };
    for cluster in list(Foreign::Cluster).await {
        let service = format!("{}-rw", cluster.name_any());
        let status = json!({ "phase": "Cluster in healthy state", "writeService": service });
        tell(Foreign::Cluster, &cluster, status).await;
    }
    let secrets = Api::<Secret>::namespaced(client.clone(), namespace);
    let roles = list(Foreign::DatabaseRole).await;
    let mut made = Vec::new();
    for role in &roles {
        let spec = &role.data["spec"];
        let secret =
            secrets.get_opt(spec["passwordSecret"]["name"].as_str().unwrap_or_default()).await.unwrap();
        let fits = secret.is_some_and(|secret| {
            let username = secret.data.as_ref().and_then(|data| data.get("username"));
            secret.type_.as_deref() == Some("kubernetes.io/basic-auth")
                && username
                    .is_some_and(|name| Some(name.0.as_slice()) == spec["name"].as_str().map(str::as_bytes))
        });
        if fits {
            made.push(spec["name"].clone());
            tell(Foreign::DatabaseRole, role, json!({ "applied": true })).await;
        } else {
            tell(Foreign::DatabaseRole, role, json!({ "applied": false, "message": "no password" })).await;
        }
    }
    for database in list(Foreign::Database).await {
        let owner = &database.data["spec"]["owner"];
        if made.contains(owner) {
            tell(Foreign::Database, &database, json!({ "applied": true, "message": null })).await;
        } else {
            let message = format!("role {owner} does not exist");
            tell(Foreign::Database, &database, json!({ "applied": false, "message": message })).await;
        }
    }
}

fn text(secret: &Secret, key: &str) -> String {
    String::from_utf8(secret.data.as_ref().unwrap()[key].0.clone()).unwrap()
}

#[tokio::test]
async fn a_platform_has_a_cluster_of_its_own() {
    let world = World::shared().await;
    let cluster = json!({ "instances": 2, "storage": { "size": "20Gi", "storageClassName": "fast" } });
    world
        .serving(&json!({ "version": "0.1.0", "databases": { "cloudNativePG": { "cluster": cluster } } }))
        .await;

    let made = api(&world.client, &world.namespace, Foreign::Cluster).get("cinema-postgresql").await.unwrap();
    assert_eq!(made.data["spec"]["instances"], 2);
    assert_eq!(made.data["spec"]["storage"], json!({ "size": "20Gi", "storageClass": "fast" }));
    assert!(made.owner_references().is_empty(), "it stays when the platform goes");
    assert!(world.api::<StatefulSet>().list(&ListParams::default()).await.unwrap().items.is_empty());

    let claim = world.api::<DatabaseClaim>().get("cinema-users").await.unwrap().status.unwrap();
    let host = format!("cinema-postgresql-rw.{}.svc", world.namespace);
    assert_eq!((claim.host.as_ref(), claim.port), (Some(&host), Some(5432)));
    let name = claim.binding.unwrap().name;
    let secret = world.api::<Secret>().get(&name).await.unwrap();
    let uri = format!("postgres://users:{}@{host}:5432/users?sslmode=require", text(&secret, "password"));
    assert_eq!((text(&secret, "uri"), text(&secret, "provider")), (uri, "cloudnative-pg".to_owned()));
    let role = world.api::<Secret>().get("cinema-users-role").await.unwrap();
    assert_eq!(role.labels()["cnpg.io/reload"], "true");
    assert_eq!(text(&role, "password"), text(&secret, "password"));
    let users = world.api::<Deployment>().get("cinema-users").await.unwrap();
    let volumes = users.spec.unwrap().template.spec.unwrap().volumes.unwrap();
    let secrets: Vec<_> = volumes.into_iter().filter_map(|it| it.secret?.secret_name).collect();
    assert!(secrets.contains(&name), "{secrets:?}");

    // Another password is another password of the role.
    world.api::<Secret>().delete(&name, &DeleteParams::default()).await.unwrap();
    until("there is another password, of the role too", async || {
        let now = world.api::<Secret>().get_opt(&name).await.unwrap();
        let role = world.api::<Secret>().get("cinema-users-role").await.unwrap();
        now.is_some_and(|now| now.data != secret.data && text(&now, "password") == text(&role, "password"))
    })
    .await;
}

#[tokio::test]
async fn a_platform_uses_a_cluster_that_is_there() {
    let world = World::shared().await;
    let asked = json!({ "clusterName": "shared", "deletionPolicy": "Delete" });
    world.write(&json!({ "version": "0.1.0", "databases": { "cloudNativePG": asked } })).await.unwrap();
    let waits_for = |wanted: &'static str| {
        move |platform: &_| {
            condition(platform, "DatabasesReady").is_some_and(|(_, _, message)| message.contains(wanted))
        }
    };
    world
        .working_until("waiting for the Cluster", waits_for("there is no Cluster shared in this namespace"))
        .await;

    let clusters = api(&world.client, &world.namespace, Foreign::Cluster);
    let mut theirs = DynamicObject::new("shared", &Foreign::Cluster.resource());
    theirs.data = json!({ "spec": { "instances": 1 } });
    let theirs = clusters.create(&PostParams::default(), &theirs).await.unwrap();
    world
        .working_on_until(
            |name| name != "cinema-users-role",
            "waiting for a role",
            waits_for("CloudNativePG cannot apply the Database cinema-users-database: role \"users\" does not exist"),
        )
        .await;
    world.working_until("serving", |platform| is_ready(platform, Some(1))).await;
    let database = api(&world.client, &world.namespace, Foreign::Database);
    let spec = database.get("cinema-users-database").await.unwrap().data["spec"].clone();
    assert_eq!(
        spec,
        json!({
            "cluster": { "name": "shared" }, "name": "users", "owner": "users", "databaseReclaimPolicy": "delete",
        })
    );
    let now = clusters.get("shared").await.unwrap();
    assert_eq!(now.data["spec"], theirs.data["spec"], "somebody else's Cluster is left alone");

    // What CloudNativePG's resources lose is put right at once.
    let change = json!({ "spec": { "owner": "somebody" } });
    database.patch("cinema-users-database", &PatchParams::default(), &Patch::Merge(&change)).await.unwrap();
    until("it is repaired", async || {
        database.get("cinema-users-database").await.unwrap().data["spec"]["owner"] == "users"
    })
    .await;
}
