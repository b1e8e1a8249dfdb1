//! The API server's record of what a user asks for.

use std::fs;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::place::Place;

/// The record, in the server's folder.
const LOG: &str = "audit.log";

/// A request to the API server that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What roles call it: get, list, watch, create, patch, delete. What is applied and was not there is patched, with the
    /// answer 201; roles must allow both.
    pub verb: String,
    /// The group of the resource; empty for the core's.
    pub group: String,
    /// The resource as roles name it: `deployments`, `deployments/status`.
    pub resource: String,
    /// The namespace, where there is one.
    pub namespace: Option<String>,
    /// The code of the answer.
    pub code: u64,
}

/// Has the server record what `user` asks for.
pub(crate) fn arguments(place: &Place, user: &str) -> anyhow::Result<[String; 3]> {
    let policy = json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived", "ResponseStarted"],
        "rules": [{"level": "Metadata", "users": [user]}, {"level": "None"}],
    });
    let policy = place.write("audit-policy.json", &policy.to_string())?;
    Ok([
        format!("--audit-policy-file={}", policy.display()),
        format!("--audit-log-path={}", place.file(LOG).display()),
        // What was answered is in the record.
        "--audit-log-mode=blocking-strict".to_owned(),
    ])
}

/// Reads the record. Watches are in it once they have ended.
pub(crate) fn requests(place: &Place) -> anyhow::Result<Vec<Request>> {
    let path = place.file(LOG);
    let log = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut requests = Vec::new();
    for line in log.lines() {
        let event: Value = serde_json::from_str(line).context("a line of the record is no JSON")?;
        requests.extend(request(&event));
    }
    Ok(requests)
}

/// What a line is about, unless it is a path beside resources.
fn request(event: &Value) -> Option<Request> {
    let object = event.get("objectRef")?;
    let text = |key: &str| object[key].as_str().unwrap_or_default().to_owned();
    let resource = match object["subresource"].as_str() {
        Some(subresource) => format!("{}/{subresource}", text("resource")),
        None => text("resource"),
    };
    Some(Request {
        verb: event["verb"].as_str()?.to_owned(),
        group: text("apiGroup"),
        resource,
        namespace: object["namespace"].as_str().map(str::to_owned),
        code: event["responseStatus"]["code"].as_u64().unwrap_or_default(),
    })
}
