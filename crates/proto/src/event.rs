//! The types of events: messages in the services' `events.proto` that carry the option `moviebooking.events.v1.type`.

use std::{collections::BTreeMap, sync::LazyLock};

use prost_reflect::MessageDescriptor;

use crate::access::pool;

/// A message that is the data of one type of event.
pub trait Event: prost::Message {
    /// The type: `moviebooking.<service>.<entity>.<past-tense verb>`.
    const TYPE: &'static str;
}

include!(concat!(env!("OUT_DIR"), "/event_types.rs"));

static TYPES: LazyLock<BTreeMap<String, MessageDescriptor>> = LazyLock::new(|| {
    let Some(option) = pool().get_extension_by_name("moviebooking.events.v1.type") else {
        return BTreeMap::new();
    };
    let events = pool().all_messages().filter(|message| message.options().has_extension(&option));
    events
        .filter_map(|message| {
            let name = message.options().get_extension(&option).as_str()?.to_owned();
            Some((name, message))
        })
        .collect()
});

/// Every type of event with the message that is its data, by name.
pub fn types() -> &'static BTreeMap<String, MessageDescriptor> {
    &TYPES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_named_after_who_tells_them() {
        assert!(types().len() > 30);
        for (name, message) in types() {
            let parts: Vec<&str> = name.split('.').collect();
            let [platform, service, _entity, verb] = parts.as_slice() else { panic!("{name}") };
            assert_eq!(*platform, "moviebooking", "{name}");
            assert_eq!(message.package_name(), format!("moviebooking.{service}.v1"), "{name}");
            assert!(verb.ends_with('d') || verb.ends_with("_in"), "{name} is not in the past tense");
        }
    }

    /// What is personal stays where it is: events name accounts by their ids.
    #[test]
    fn no_event_has_a_field_for_what_is_personal() {
        let personal = ["email", "display_name", "name", "address", "code", "token"];
        fn names(message: &MessageDescriptor, found: &mut Vec<String>) {
            for field in message.fields() {
                found.push(field.name().to_owned());
                if let prost_reflect::Kind::Message(inner) = field.kind() {
                    names(&inner, found);
                }
            }
        }
        for (name, message) in types() {
            let mut found = Vec::new();
            names(message, &mut found);
            assert!(!found.iter().any(|field| personal.contains(&field.as_str())), "{name}: {found:?}");
        }
    }
}
