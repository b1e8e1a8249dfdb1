//! What the admission policies refuse, and what they let pass.

use serde_json::{Value, json};

use crate::manifests::{Installed, ok};

const OPERATOR: &str = "system:serviceaccount:moviebooking-system:moviebooking-operator";

fn platform(spec: &Value) -> String {
    let mut platform = json!({
        "apiVersion": "moviebooking.dev/v1alpha1",
        "kind": "MovieBookingPlatform",
        "metadata": {"name": "tried", "namespace": "cinema"},
        "spec": {"version": "0.1.0"},
    });
    for (field, value) in spec.as_object().into_iter().flatten() {
        platform["spec"][field] = value.clone();
    }
    platform.to_string()
}

#[test]
fn policies_refuse_what_schemas_cannot_express() {
    let server = Installed::start();
    let of_service = |resources: Value| platform(&json!({"services": {"users": {"resources": resources}}}));
    server.says_at_last(
        &of_service(json!({"requests": {"memory": "2Gi"}, "limits": {"memory": "512Mi"}})),
        "spec.services.users.resources: a request is more than its limit: lower the one or raise the other",
    );
    let refused = server.says_to(&of_service(json!({"requests": {"cpu": "half"}})));
    assert!(refused.contains("spec.services.users.resources: use quantities such as 500m"), "{refused}");
    let of_databases = json!({"databases": {"builtin": {"resources": {"requests": {"cpu": 2}, "limits": {"cpu": "1500m"}}}}});
    let refused = server.says_to(&platform(&of_databases));
    assert!(
        refused.contains("spec.databases.builtin.resources: a request is more than its limit"),
        "{refused}"
    );

    for fine in [
        json!({}),
        json!({"services": {"users": {"replicas": 3}}}),
        json!({"services": {"users": {"resources": {"requests": {"cpu": 1}, "limits": {"memory": "1Gi"}}}}}),
        json!({"services": {"users": {"resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "1000m"}}}}}),
        json!({"databases": {"builtin": {"resources": {"limits": {"memory": "1Gi"}}}}}),
    ] {
        let said = server.says_to(&platform(&fine));
        assert!(said.contains("created (server dry run)"), "{fine}: {said}");
    }

    claims_of_platforms_are_the_operators(&server);
}

/// A claim that somebody made can be changed; one of a platform, by the operator alone.
fn claims_of_platforms_are_the_operators(server: &Installed) {
    let claim = |name: &str, owners: Value| {
        json!({
            "apiVersion": "moviebooking.dev/v1alpha1",
            "kind": "DatabaseClaim",
            "metadata": {"name": name, "namespace": "cinema", "ownerReferences": owners},
            "spec": {"database": "users", "external": {"secretName": "one"}},
        })
        .to_string()
    };
    let uid = ["get", "mbp/cinema", "--namespace=cinema", "--output=jsonpath={.metadata.uid}"];
    let uid = ok(&server.kubectl(&uid, ""));
    let owner = json!([{
        "apiVersion": "moviebooking.dev/v1alpha1",
        "kind": "MovieBookingPlatform",
        "name": "cinema",
        "uid": uid,
        "controller": true,
    }]);
    ok(&server.kubectl(&["create", "--filename=-"], &claim("owned", owner)));
    ok(&server.kubectl(&["create", "--filename=-"], &claim("free", json!([]))));
    let change = |name: &'static str| {
        let patch = r#"--patch={"spec":{"external":{"secretName":"another"}}}"#;
        ["patch", "dbclaim", name, "--namespace=cinema", "--type=merge", "--dry-run=server", patch]
    };
    let refused = server.says(&change("owned"), "");
    let expected = "spec: the claim belongs to the platform cinema: change spec.databases there";
    assert!(refused.contains(expected), "{refused}");
    let changed = server.says(&change("free"), "");
    assert!(changed.contains("patched"), "{changed}");
    // Whether the operator's role lets it is another question, which comes first.
    let changed = server.says_as(OPERATOR, &change("owned"));
    assert!(!changed.contains(expected), "{changed}");
}
