//! What a claim to a database on a platform's server consists of.

use k8s_openapi::api::{
    batch::v1::{Job, JobSpec},
    core::v1::{Container, EnvVar, PodSpec, PodTemplateSpec, Secret, Volume, VolumeMount},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sha2::{Digest as _, Sha256};

use super::{
    database::{POSTGRES_USER, SERVER, SETUP, credentials, mount, secret_file, superuser_password, variable},
    pod::{LAST_WORDS, container_security, pod_security, quantities},
    rollout::digest,
    scope::{claim_metadata, labels},
};
use crate::api::DatabaseClaim;

/// Makes the database, the role that owns it, and the one that logs in with the present password.
const SETUP_SCRIPT: &str = include_str!("database/setup.sh");
/// Removes database and roles.
const TEARDOWN_SCRIPT: &str = include_str!("database/teardown.sh");
/// The file with the present password, as the script reads it.
const CREDENTIALS: (&str, &str) = ("credentials", "/run/secrets/credentials");
/// A database that cannot be removed within so many seconds stays.
const TEARDOWN_BOUND_SECONDS: i64 = 120;

/// What a claim to a database on a platform's server consists of.
#[derive(Clone, Debug)]
pub struct ClaimObjects {
    /// The Secret that the claim ends in.
    pub credentials: Secret,
    /// The Job that makes the database and the role that logs in.
    pub setup: Job,
}

/// The server that a claim's database is on.
#[derive(Clone, Copy, Debug)]
pub struct Server<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its pods, in whose image the Jobs run.
    pub pod: &'a PodSpec,
}

/// The objects of `claim` to a database on `server`; nothing for a claim that was never stored.
///
/// # Errors
/// When one cannot be written as JSON.
pub fn claim_objects(
    claim: &DatabaseClaim,
    server: Server<'_>,
    password: &str,
) -> serde_json::Result<Option<ClaimObjects>> {
    let login = login(&claim.spec.database, password);
    let Some(credentials) = credentials(claim, "moviebooking", server.name, &login, password, "") else {
        return Ok(None);
    };
    let Some(mut metadata) = claim_metadata(claim, "setup") else { return Ok(None) };
    let secret = credentials.metadata.name.as_deref().unwrap_or_default();
    let (folder, path) = CREDENTIALS;
    let files = (mount(folder, path), secret_file(folder, secret, "password"));
    let template = template(claim, server, SETUP_SCRIPT, Some((variable("LOGIN", &login), files)));
    // Another password is another Job.
    let digest = digest(&(&template, &credentials.data))?;
    metadata.name = metadata.name.map(|name| format!("{name}-{digest}"));
    let setup = Job {
        metadata,
        spec: Some(JobSpec { backoff_limit: Some(6), template, ..JobSpec::default() }),
        ..Job::default()
    };
    Ok(Some(ClaimObjects { credentials, setup }))
}

/// The role that logs in with this password, a member of the one that owns the database and has its name. Each password has
/// a role of its own, so that the one before is good until nobody uses it any more.
fn login(database: &str, password: &str) -> String {
    // What PostgreSQL keeps of a name is 63 bytes.
    let database: String = database.chars().take(54).collect();
    format!("{database}_{}", hex::encode(&Sha256::digest(password)[..4]))
}

/// The Job that removes database and roles of a claim that is deleted; nothing for one that was never stored.
pub fn teardown(claim: &DatabaseClaim, server: Server<'_>) -> Option<Job> {
    Some(Job {
        metadata: claim_metadata(claim, "teardown")?,
        spec: Some(JobSpec {
            backoff_limit: Some(3),
            active_deadline_seconds: Some(TEARDOWN_BOUND_SECONDS),
            template: template(claim, server, TEARDOWN_SCRIPT, None),
            ..JobSpec::default()
        }),
        ..Job::default()
    })
}

/// Runs a script as the server's superuser, who may be told the role that logs in, and its password in a file.
fn template(
    claim: &DatabaseClaim,
    server: Server<'_>,
    script: &str,
    login: Option<(EnvVar, (VolumeMount, Volume))>,
) -> PodTemplateSpec {
    let (login, files): (Vec<_>, Vec<_>) = login.into_iter().unzip();
    let (mounts, volumes): (Vec<_>, Vec<_>) = files.into_iter().unzip();
    let variables = [
        variable("PGHOST", server.name),
        variable("PGUSER", "postgres"),
        variable("NAME", &claim.spec.database),
        superuser_password(server.name),
    ];
    let of_server = server.pod.containers.first();
    let container = Container {
        name: "setup".to_owned(),
        image: of_server.and_then(|container| container.image.clone()),
        image_pull_policy: of_server.and_then(|container| container.image_pull_policy.clone()),
        command: Some(vec!["sh".to_owned(), "-c".to_owned(), script.to_owned()]),
        env: Some(variables.into_iter().chain(login).collect()),
        resources: Some(quantities(&[("cpu", "10m"), ("memory", "32Mi")], &[("memory", "64Mi")])),
        security_context: Some(container_security()),
        termination_message_policy: Some(LAST_WORDS.to_owned()),
        volume_mounts: (!mounts.is_empty()).then_some(mounts),
        ..Container::default()
    };
    let pod = PodSpec {
        service_account_name: Some(server.name.to_owned()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        security_context: Some(pod_security(POSTGRES_USER)),
        image_pull_secrets: server.pod.image_pull_secrets.clone(),
        node_selector: server.pod.node_selector.clone(),
        tolerations: server.pod.tolerations.clone(),
        priority_class_name: server.pod.priority_class_name.clone(),
        restart_policy: Some("Never".to_owned()),
        containers: vec![container],
        volumes: (!volumes.is_empty()).then_some(volumes),
        ..PodSpec::default()
    };
    // Pods of a platform's claim belong to its network policies by the server's instance.
    let instance = server.name.strip_suffix(&format!("-{SERVER}")).unwrap_or(server.name);
    PodTemplateSpec {
        metadata: Some(ObjectMeta { labels: Some(labels(instance, SETUP)), ..ObjectMeta::default() }),
        spec: Some(pod),
    }
}
