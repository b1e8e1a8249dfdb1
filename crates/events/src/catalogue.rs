//! The catalogue of events, written from the protos and the comments in them.

use std::fmt::Write as _;

use moviebooking_proto::{comments::Comments, event::types};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

/// What stands before the catalogue itself.
const INTRODUCTION: &str = "\
# Events

Generated from the protos by `cargo xtask generate`: change the comments there.

Every event carries the attributes of CloudEvents 1.0: `id` (the same whenever the event comes again), `source`
(`/moviebooking/<service>`), `type` (below), `subject` (the id of what it is about), `time`, and `partitionkey` (the
subject, or for seats the showtime). Events come at least once: a receiver remembers the ids it has seen. Those with the same
`partitionkey` are published in the order in which they happened. `data` is JSON as proto3 has it: times are RFC 3339,
64-bit numbers are texts. Fields and types may be added at any time; a receiver ignores what it does not know.

[Webhooks](webhooks.md) bring them to any URL. With NATS (`--nats-url`) they are also messages of the JetStream stream
`MOVIEBOOKING_EVENTS`, whose subject is the type: `moviebooking.payments.>` are all of payments. The attributes are headers
there (`ce-id` and so on), the body is `data`, and `Nats-Msg-Id` is the id.
";

/// The catalogue as Markdown.
pub fn catalogue() -> String {
    let comments = Comments::default();
    let mut text = INTRODUCTION.to_owned();
    let mut service = "";
    let mut parts: Vec<MessageDescriptor> = Vec::new();
    for (name, message) in types() {
        let told_by = name.split('.').nth(1).unwrap_or_default();
        if told_by != service {
            describe_parts(&mut text, &comments, &mut parts);
            let _ = write!(text, "\n## {told_by}\n");
            service = told_by;
        }
        let _ = write!(text, "\n### `{name}`\n\n{}\n", comments.of_message(message));
        describe(&mut text, &comments, message, &mut parts);
    }
    describe_parts(&mut text, &comments, &mut parts);
    text
}

/// A table of the message's fields; messages in them are remembered in `parts`.
fn describe(
    text: &mut String,
    comments: &Comments,
    message: &MessageDescriptor,
    parts: &mut Vec<MessageDescriptor>,
) {
    text.push_str("\n| field | type | |\n|---|---|---|\n");
    for field in message.fields() {
        let _ = writeln!(
            text,
            "| `{}` | {} | {} |",
            field.json_name(),
            type_of(&field),
            comments.of_field(&field).replace('\n', " ")
        );
        if let Kind::Message(inner) = field.kind()
            && !inner.full_name().starts_with("google.")
            && !parts.contains(&inner)
        {
            parts.push(inner);
        }
    }
}

/// The messages that a service's events are made of.
fn describe_parts(text: &mut String, comments: &Comments, parts: &mut Vec<MessageDescriptor>) {
    let mut described = 0;
    while let Some(part) = parts.get(described).cloned() {
        described += 1;
        let _ = write!(text, "\n#### {}\n\n{}\n", part.name(), comments.of_message(&part));
        describe(text, comments, &part, parts);
    }
    parts.clear();
}

fn type_of(field: &FieldDescriptor) -> String {
    let one = match field.kind() {
        Kind::Message(message) if message.full_name() == "google.protobuf.Timestamp" => "time".to_owned(),
        Kind::Message(message) => message.name().to_owned(),
        Kind::Int64 | Kind::Uint64 => "number as text".to_owned(),
        Kind::Int32 | Kind::Uint32 => "number".to_owned(),
        Kind::Bool => "true or false".to_owned(),
        _ => "text".to_owned(),
    };
    if field.is_list() { format!("list of {one}") } else { one }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_in_it_with_a_comment() {
        let comments = Comments::default();
        let text = catalogue();
        for (name, message) in types() {
            assert!(text.contains(&format!("### `{name}`\n")), "{name}");
            assert!(!comments.of_message(message).is_empty(), "{name} has no comment");
        }
    }
}
