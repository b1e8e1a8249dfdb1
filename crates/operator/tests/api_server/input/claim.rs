//! Wrong values of a claim.

use kube::api::ApiResource;
use moviebooking_operator::api::DatabaseClaim;
use serde_json::{Value, json};

use super::{all_are_refused, case, refusal};
use crate::world::World;

/// What a field must have beside it.
fn base(field: &str) -> Value {
    match field.split('.').next() {
        Some("builtin") => json!({ "database": "users", "builtin": { "server": "cinema-postgresql" } }),
        Some("external") => json!({ "database": "users", "external": { "secretName": "s" } }),
        Some("cloudNativePG") => json!({ "database": "users", "cloudNativePG": { "cluster": "shared" } }),
        Some("database") => json!({ "cloudNativePG": { "cluster": "shared" } }),
        _ => json!({}),
    }
}

#[tokio::test]
async fn each_field_of_a_claim_refuses_a_wrong_value() {
    let kind = ApiResource::erase::<DatabaseClaim>(&());
    let policies = "supported values: \"Retain\", \"Delete\"";
    let cases = vec![
        case("database", json!("Users; DROP"), "database: use lower-case letters"),
        case("database", json!("postgres"), "this name is PostgreSQL's own"),
        case("database", json!("pg_x"), "this name is PostgreSQL's own"),
        case("database", json!("cnpg_x"), "CloudNativePG keeps this name for a role of its own"),
        case("builtin.server", json!(""), "spec.builtin.server"),
        case("builtin.deletionPolicy", json!("Keep"), policies),
        case("external.secretName", json!(""), "spec.external.secretName"),
        case("cloudNativePG.cluster", json!(""), "spec.cloudNativePG.cluster"),
        case("cloudNativePG.deletionPolicy", json!("Keep"), policies),
    ];
    all_are_refused(&kind, base, cases).await;

    let world = World::shared().await;
    let builtin = json!({ "server": "cinema-postgresql" });
    let both = json!({ "database": "users", "builtin": builtin, "external": { "secretName": "s" } });
    for (spec, says) in [
        (json!({ "database": "users" }), "set exactly one of builtin, external and cloudNativePG"),
        (both, "set exactly one of builtin, external and cloudNativePG"),
        (json!({ "builtin": builtin }), "spec.database: Required value"),
    ] {
        let said = refusal(&world, &kind, "cinema-users", &spec).await.unwrap();
        assert!(said.contains(says), "{said}, not {says}");
    }
    assert!(refusal(&world, &kind, "A", &json!({ "database": "users", "builtin": builtin })).await.is_some());
}
