//! What the status says of surroundings that are not as they must be: one word, the object and what to do.

use k8s_openapi::api::core::v1::{ResourceQuota, Secret};
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::world::{World, condition};

/// A platform whose surroundings lack something.
struct Case {
    spec: Value,
    /// A Secret `provider` with these keys.
    provider: Option<Value>,
    condition: &'static str,
    reason: &'static str,
    words: &'static [&'static str],
}

fn stripe(keys: Option<Value>, reason: &'static str, words: &'static [&'static str]) -> Case {
    let spec = json!({ "version": "0.1.0", "payments": { "stripe": { "secretName": "provider" } } });
    Case { spec, provider: keys, condition: "RolloutComplete", reason, words }
}

fn ingress(ingress: &Value, words: &'static [&'static str]) -> Case {
    let spec = json!({ "version": "0.1.0", "gateway": { "ingress": ingress } });
    Case { spec, provider: None, condition: "IngressAccepted", reason: "IngressClassMissing", words }
}

#[tokio::test]
async fn what_is_missing_or_wrong_around_a_platform_is_named_with_the_fix() {
    let cases = [
        stripe(None, "SecretMissing", &["payments:", "there is no Secret provider", "make one with key"]),
        stripe(
            Some(json!({ "key": "sk_test" })),
            "SecretMissing",
            &["payments:", "Secret provider has no key webhook-secret", "add it"],
        ),
        stripe(
            Some(json!({ "key": "pk_test", "webhook-secret": "whsec_x" })),
            "SecretInvalid",
            &["payments:", "the key key of the Secret provider", "use sk_… or rk_…"],
        ),
        stripe(
            Some(json!({ "key": "rk_test", "webhook-secret": "x" })),
            "SecretInvalid",
            &["payments:", "the key webhook-secret of the Secret provider", "use whsec_…"],
        ),
        ingress(
            &json!({ "host": "tickets.example.com", "className": "nobodys" }),
            &[
                "spec.gateway.ingress.className",
                "there is no IngressClass nobodys",
                "use one that is there (proxy)",
            ],
        ),
    ];
    for case in cases {
        let world = World::shared().await;
        if let Some(keys) = &case.provider {
            let secret: Secret =
                serde_json::from_value(json!({ "metadata": { "name": "provider" }, "stringData": keys }))
                    .unwrap();
            world.api::<Secret>().create(&PostParams::default(), &secret).await.unwrap();
        }
        world.write(&case.spec).await.unwrap();
        let told = |platform: &_| {
            condition(platform, case.condition).is_some_and(|(status, reason, message)| {
                status == "False"
                    && reason == case.reason
                    && case.words.iter().all(|words| message.contains(words))
            })
        };
        world.working_until(&format!("told of {}: {:?}", case.reason, case.words), told).await;
        // The rest goes on, and then this is what `kubectl get` shows.
        let first = |platform: &_| {
            condition(platform, "Ready")
                .is_some_and(|(status, reason, _)| status == "False" && reason == case.reason)
        };
        world.working_until("told in Ready", first).await;
    }
}

#[tokio::test]
async fn an_object_that_a_quota_refuses_is_named_and_comes_when_there_is_room() {
    let world = World::shared().await;
    let quotas = world.api::<ResourceQuota>();
    let quota = |services: &str| -> ResourceQuota {
        let hard = json!({ "services": services });
        let status = json!({ "hard": hard, "used": { "services": "0" } });
        serde_json::from_value(
            json!({ "metadata": { "name": "small" }, "spec": { "hard": hard }, "status": status }),
        )
        .unwrap()
    };
    quotas.create(&PostParams::default(), &quota("2")).await.unwrap();
    // What the quota's controller would do, which does not run here.
    let set = async |services: &str| {
        let patch = json!({ "spec": { "hard": { "services": services } }, "status": quota(services).status });
        quotas.patch("small", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
        quotas.patch_status("small", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    };
    set("2").await;
    world.write(&json!({ "version": "0.1.0" })).await.unwrap();
    let told = |platform: &_| {
        condition(platform, "Ready").is_some_and(|(status, reason, message)| {
            status == "False"
                && reason == "QuotaExceeded"
                && ["Service cinema-", "exceeded quota: small"].iter().all(|words| message.contains(words))
        })
    };
    world.working_until("told of the quota", told).await;
    set("100").await;
    let generation = world.platform().await.metadata.generation;
    world.working_until("serving", |platform| crate::world::is_ready(platform, generation)).await;
}
