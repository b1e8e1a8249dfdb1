//! What `kubectl get`, `describe` and `logs` say of what is wrong: one word, the object, what to do.

mod server;

use moviebooking_tests::buy;
use serde_json::{Value, json};

use crate::{
    cinema::{NAMESPACE, PATIENCE, make_namespace, spec},
    commands::{holds_within, images, kubectl, kubectl_with, try_kubectl},
    shared::shared,
};

/// Where the platforms are whose databases are somebody else's.
const ELSEWHERE: &str = "telling";
/// Where there is no room for a pod.
const FULL: &str = "telling-full";

/// A platform that does not come up.
struct Case {
    name: &'static str,
    namespace: &'static str,
    /// The URL in the Secrets of its databases.
    database: String,
    /// What its specification has beside that.
    spec: Value,
    told: Told,
}

/// What a person reads.
struct Told {
    /// In the column of `kubectl get`.
    reason: &'static str,
    /// Somewhere in what `kubectl describe` shows.
    words: Vec<String>,
    /// In the logs of the Job that is named there.
    logged: Option<&'static str>,
}

impl Told {
    fn new(reason: &'static str, words: &[&str]) -> Self {
        Self { reason, words: words.iter().map(|&word| word.to_owned()).collect(), logged: None }
    }

    fn and_logs(self, logged: &'static str) -> Self {
        Self { logged: Some(logged), ..self }
    }

    /// Waits until it is told of the platform.
    fn wait(&self, name: &str, namespace: &str) {
        let show = |task: &str| kubectl(&[task, "mbp", name, "--namespace", namespace]);
        let is_told = holds_within(PATIENCE, || {
            let described = show("describe");
            show("get").contains(self.reason) && self.words.iter().all(|word| described.contains(word))
        });
        let (got, described) = (show("get"), show("describe"));
        assert!(is_told, "{name} is not told by {} and {:?}:\n{got}\n{described}", self.reason, self.words);
        let Some(logged) = self.logged else { return };
        let named = described.split("`kubectl ").nth(1).and_then(|rest| rest.split('`').next());
        let named: Vec<&str> = named.expect(&described).split(' ').collect();
        let logs = try_kubectl(&[&named, &["--namespace", namespace][..]].concat(), b"");
        let logs = String::from_utf8_lossy(&logs.stdout).into_owned();
        assert!(logs.contains(logged), "kubectl {named:?} does not say {logged}: {logs}");
    }
}

impl Case {
    fn new(name: &'static str, database: String, told: Told) -> Self {
        Self { name, namespace: ELSEWHERE, database, spec: json!({}), told }
    }

    /// Writes the platform and the Secret of its databases.
    fn apply(&self) {
        let databases = ["users", "movies", "theaters", "reservations", "payments", "tickets", "bank"];
        let secret = format!("{}-database", self.name);
        let secrets: Value = databases.map(|database| (database, secret.as_str())).into_iter().collect();
        let mut platform = spec();
        let fields = platform.as_object_mut().unwrap();
        fields.insert("databases".to_owned(), json!({"external": {"secrets": secrets}}));
        fields.extend(self.spec.as_object().unwrap().clone());
        let secret = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": secret},
            "stringData": {"uri": self.database},
        });
        let platform = json!({
            "apiVersion": "moviebooking.dev/v1alpha1",
            "kind": "MovieBookingPlatform",
            "metadata": {"name": self.name},
            "spec": platform,
        });
        apply(self.namespace, &[secret, platform]);
    }
}

/// Applies objects in a namespace.
fn apply(namespace: &str, objects: &[Value]) {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    kubectl_with(&["apply", "--namespace", namespace, "--filename=-"], list.to_string().as_bytes());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_platform_that_does_not_come_up_says_why_and_what_to_do() {
    let cinema = shared().await;
    make_namespace(ELSEWHERE);
    make_namespace(FULL);
    let quota = json!({
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "small"},
        "spec": {"hard": {"pods": "0"}},
    });
    apply(FULL, &[quota]);
    server::start(ELSEWHERE);

    let missing = format!("{}/users:nowhere", images());
    let image = ["users:", &missing, "correct spec.version or spec.images"];
    let unreachable = ["users:", "nowhere.invalid", "kubectl logs job/unreachable-users-migrate-"];
    let refused = ["users:", "password authentication failed", "kubectl logs job/credentials-users-migrate-"];
    let forbidden = ["users:", "permission denied", "the version before goes on"];
    let full =
        ["users:", "the Job quota-users-migrate-", "exceeded quota: small", "raise the namespace's quota"];
    let cases = [
        Case {
            spec: json!({"version": "nowhere"}),
            ..Case::new("image", server::url("postgres"), Told::new("ImagePullFailed", &image))
        },
        Case::new(
            "unreachable",
            "postgres://postgres:secret@nowhere.invalid/postgres".to_owned(),
            Told::new("MigrationFailed", &unreachable).and_logs("nowhere.invalid"),
        ),
        Case::new(
            "credentials",
            server::url("nobody"),
            Told::new("MigrationFailed", &refused).and_logs("password authentication failed"),
        ),
        Case::new(
            "migration",
            server::url(server::READER),
            Told::new("MigrationFailed", &forbidden).and_logs("permission denied"),
        ),
        Case {
            namespace: FULL,
            ..Case::new("quota", server::url("postgres"), Told::new("QuotaExceeded", &full))
        },
    ];
    cases.iter().for_each(Case::apply);
    cases.iter().for_each(|case| case.told.wait(case.name, case.namespace));
    for namespace in [ELSEWHERE, FULL] {
        kubectl(&["delete", "namespace", namespace, "--wait=false"]);
    }

    // Others notice nothing.
    buy(&cinema.system.new_customer().await, &cinema.system.showtime().await).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_platform_lacks_is_told_and_the_rest_of_it_goes_on() {
    let cinema = shared().await;
    let stripe = json!({"spec": {"payments": {"stripe": {"secretName": "provider"}}}});
    let ingress =
        json!({"spec": {"gateway": {"ingress": {"host": "tickets.example.com", "className": "nobodys"}}}});
    let lacks = [
        (
            stripe.clone(),
            Told::new("SecretMissing", &["payments:", "there is no Secret provider", "make one with"]),
        ),
        (stripe, Told::new("SecretInvalid", &["payments:", "the key key of the Secret provider", "use sk_"])),
        (
            ingress,
            Told::new(
                "IngressClassMissing",
                &["spec.gateway.ingress.className", "there is no IngressClass nobodys"],
            ),
        ),
    ];
    for (change, told) in lacks {
        cinema.patch(&change);
        if told.reason == "SecretInvalid" {
            let keys = ["--from-literal=key=pk_test", "--from-literal=webhook-secret=whsec_x"];
            cinema.kubectl(&[&["create", "secret", "generic", "provider"], &keys[..]].concat());
        }
        told.wait("cinema", NAMESPACE);
        buy(&cinema.system.new_customer().await, &cinema.system.showtime().await).await.unwrap();
        cinema.patch(&json!({"spec": {"payments": null, "gateway": null}}));
        cinema.wait_until_ready();
    }
    cinema.kubectl(&["delete", "secret", "provider"]);

    // What is wrong in itself does not get that far.
    let patch = json!({"spec": {"replicas": 0}}).to_string();
    let refused = ["patch", "mbp/cinema", "--namespace", NAMESPACE, "--type=merge", "--patch", &patch];
    let refused = try_kubectl(&refused, b"");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("spec.replicas"), "{said}");
}
