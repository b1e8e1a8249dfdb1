//! Events: what `kubectl describe` shows of what has happened.

use k8s_openapi::{api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::Condition};
use kube::runtime::events::{Event, EventType, Recorder};

/// Conditions before and after a look at a resource.
pub(super) struct Reported<'a> {
    pub(super) before: &'a [Condition],
    pub(super) after: &'a [Condition],
    pub(super) about: ObjectReference,
}

/// Tells of each condition that has another reason than before. Events are a help for people, so one that cannot be written
/// is only logged.
pub(super) async fn publish(recorder: &Recorder, reported: &Reported<'_>) {
    for condition in news(reported.before, reported.after) {
        let event = Event {
            type_: if is_failure(&condition.reason) { EventType::Warning } else { EventType::Normal },
            reason: condition.reason.clone(),
            note: Some(condition.message.chars().take(1000).collect()),
            action: condition.type_.clone(),
            secondary: None,
        };
        if let Err(error) = recorder.publish(&event, &reported.about).await {
            tracing::warn!(%error, "an event cannot be written");
        }
    }
}

/// Conditions whose status or reason is another one than before; `Ready` repeats the others, except when nothing is left to
/// do.
fn news<'a>(before: &'a [Condition], after: &'a [Condition]) -> impl Iterator<Item = &'a Condition> {
    after.iter().filter(|condition| {
        let same = before.iter().find(|before| before.type_ == condition.type_);
        let is_new = same
            .is_none_or(|before| (&before.status, &before.reason) != (&condition.status, &condition.reason));
        let is_repeated = condition.type_ == "Ready"
            && after.iter().any(|other| other.type_ != "Ready" && other.reason == condition.reason);
        is_new && !is_repeated
    })
}

fn is_failure(reason: &str) -> bool {
    let ends = ["Failed", "Forbidden", "Invalid", "Missing", "Refused", "Exceeded", "Unschedulable"];
    ends.iter().any(|end| reason.ends_with(end))
}
