//! What is wrong with pods, in words that name the object and say what to do.

use std::fmt;

use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, ContainerStatus, Event, Pod};
use kube::ResourceExt as _;

use crate::build::SERVER;

/// Why a pod does not run, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// One word for it; nothing where a process has ended, which means something else in a migration than in a service.
    pub(super) reason: Option<&'static str>,
    message: String,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The reasons by which a container waits for its image.
const NO_IMAGE: [&str; 5] =
    ["ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError"];
/// Those by which it waits for nothing that is wrong.
const HARMLESS: [&str; 2] = ["ContainerCreating", "PodInitializing"];
/// The most of a process's last words that is repeated.
const LAST_WORDS: usize = 300;

/// What is wrong with a pod.
pub(super) fn of_pod(pod: &Pod) -> Option<Trouble> {
    let name = pod.name_any();
    let status = pod.status.as_ref()?;
    let containers = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    if let Some(trouble) = containers.into_iter().find_map(|container| of_container(&name, container)) {
        return Some(trouble);
    }
    let conditions = status.conditions.iter().flatten();
    let unscheduled = conditions
        .into_iter()
        .find(|condition| condition.type_ == "PodScheduled" && condition.status == "False")?;
    let why = unscheduled.message.as_deref().unwrap_or("nobody has looked for one yet");
    Some(Trouble {
        reason: Some("PodUnschedulable"),
        message: format!("no node takes the pod {name} ({})", why.trim()),
    })
}

fn of_container(pod: &str, container: &ContainerStatus) -> Option<Trouble> {
    let state = container.state.clone().unwrap_or_default();
    if let Some(waiting) = &state.waiting {
        let reason = waiting.reason.as_deref().unwrap_or_default();
        let message = waiting.message.as_deref().unwrap_or_default().trim();
        if NO_IMAGE.contains(&reason) {
            return Some(no_image(container, message));
        }
        if reason != "CrashLoopBackOff" && !reason.is_empty() && !HARMLESS.contains(&reason) {
            let message =
                format!("the container {} of the pod {pod} waits: {reason}: {message}", container.name);
            return Some(Trouble { reason: None, message });
        }
    }
    // What ended it last, also while it is tried again.
    let before = container.last_state.as_ref().filter(|_| !container.ready);
    let ended = [Some(&state), before].into_iter().flatten().find_map(failure)?;
    Some(Trouble { reason: None, message: end_of_process(pod, ended) })
}

fn failure(state: &ContainerState) -> Option<&ContainerStateTerminated> {
    state.terminated.as_ref().filter(|ended| ended.exit_code != 0)
}

/// The kubelet tells the cause at the first attempt, and repeats it behind other words while it waits for the next.
fn no_image(container: &ContainerStatus, message: &str) -> Trouble {
    let cause = message.rsplit("ErrImagePull: ").next().unwrap_or_default();
    let field = match container.name.as_str() {
        SERVER | "setup" | "prepare" | "backup" => "spec.databases.builtin.image",
        _ => "spec.version or spec.images",
    };
    let image = &container.image;
    Trouble {
        reason: Some("ImagePullFailed"),
        message: format!("the image {image} cannot be pulled: correct {field}, or put it there ({cause})"),
    }
}

/// What a process said last; the kubelet puts the end of its log there.
fn end_of_process(pod: &str, ended: &ContainerStateTerminated) -> String {
    if ended.reason.as_deref() == Some("OOMKilled") {
        return format!(
            "the pod {pod} needs more memory than its limit: raise resources.limits.memory of its service"
        );
    }
    let words = ended.message.as_deref().unwrap_or_default();
    let last = words.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it said nothing");
    let last: String = last.chars().take(LAST_WORDS).collect();
    format!("the pod {pod} has ended with exit code {}: {last}", ended.exit_code)
}

/// Why an object cannot have the pod that it is to have.
pub(super) fn of_event(event: &Event) -> Trouble {
    let object = &event.involved_object;
    let (kind, name) =
        (object.kind.as_deref().unwrap_or_default(), object.name.as_deref().unwrap_or_default());
    unmade(kind, name, event.message.as_deref().unwrap_or_default())
}

/// The same from what the API server has said.
pub(super) fn unmade(kind: &str, name: &str, why: &str) -> Trouble {
    let why = why.trim();
    if why.contains("exceeded quota") {
        let message = format!(
            "the {kind} {name} can have no pod: raise the namespace's quota, or lower spec.replicas or the resources of spec.services ({why})"
        );
        return Trouble { reason: Some("QuotaExceeded"), message };
    }
    Trouble { reason: None, message: format!("the {kind} {name} can have no pod: {why}") }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn with(container: Value) -> Option<Trouble> {
        let mut status = json!({ "name": "users", "image": "cinema/users:9", "imageID": "", "ready": false, "restartCount": 0 });
        status.as_object_mut().unwrap().extend(container.as_object().unwrap().clone());
        let pod = json!({ "metadata": { "name": "p" }, "status": { "containerStatuses": [status] } });
        of_pod(&serde_json::from_value(pod).unwrap())
    }

    #[test]
    fn an_image_that_cannot_be_had_is_told_in_the_same_words_at_each_attempt() {
        let waiting = |reason: &str, message: &str| {
            with(json!({ "state": { "waiting": { "reason": reason, "message": message } } })).unwrap()
        };
        let first = waiting("ErrImagePull", "not found");
        assert_eq!(
            first,
            waiting("ImagePullBackOff", "Back-off pulling image \"x\": ErrImagePull: not found")
        );
        assert_eq!(first.reason, Some("ImagePullFailed"));
        assert!(
            first.to_string().starts_with("the image cinema/users:9 cannot be pulled: correct spec.version")
        );
    }

    #[test]
    fn a_process_s_last_words_are_told_while_it_ends_waits_and_starts_again() {
        let ended = json!({ "terminated": { "exitCode": 69, "message": "info: x\nerror: no database\n\n" } });
        let waits = json!({ "waiting": { "reason": "CrashLoopBackOff", "message": "back-off 10s" } });
        let runs = json!({ "running": {} });
        let words = "the pod p has ended with exit code 69: error: no database";
        for container in [
            json!({ "state": ended }),
            json!({ "state": waits, "lastState": ended }),
            json!({ "state": runs, "lastState": ended }),
        ] {
            assert_eq!(with(container).unwrap().to_string(), words);
        }
        assert_eq!(with(json!({ "state": runs, "lastState": ended, "ready": true })), None);
        assert_eq!(with(json!({ "state": { "terminated": { "exitCode": 0 } } })), None);
    }

    #[test]
    fn a_pod_on_its_way_is_no_trouble() {
        assert_eq!(with(json!({ "state": { "waiting": { "reason": "ContainerCreating" } } })), None);
        assert_eq!(with(json!({ "state": { "running": {} } })), None);
    }

    #[test]
    fn a_quota_is_told_from_other_refusals() {
        let quota = unmade("Job", "j", "pods \"x\" is forbidden: exceeded quota: small");
        assert_eq!(quota.reason, Some("QuotaExceeded"));
        assert!(quota.to_string().contains("the Job j can have no pod: raise the namespace's quota"));
        assert_eq!(unmade("Job", "j", "pods \"x\" is forbidden: violates PodSecurity").reason, None);
    }
}
