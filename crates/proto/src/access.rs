//! Who may call which RPC, read from the descriptor set.

use std::{collections::HashMap, sync::LazyLock};

use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor};

pub use crate::moviebooking::access::v1::Level;

/// The rule of one RPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The least that a caller must be.
    pub level: Level,
    /// The services that may call it where the level is [`Level::Internal`].
    pub callers: Vec<String>,
}

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "the set was written by our build script; a test decodes it")]
    DescriptorPool::decode(crate::DESCRIPTOR_SET).expect("the embedded descriptor set is valid")
});

static RULES: LazyLock<HashMap<String, Access>> = LazyLock::new(|| {
    methods()
        .filter_map(|method| {
            let path = path(&method);
            Some((path, rule(&method)?))
        })
        .collect()
});

/// Every message and service of the platform.
pub fn pool() -> &'static DescriptorPool {
    &POOL
}

/// Every RPC of the platform.
pub fn methods() -> impl Iterator<Item = MethodDescriptor> {
    POOL.services().flat_map(|service| service.methods().collect::<Vec<_>>())
}

/// The path of an RPC as gRPC writes it: `/moviebooking.users.v1.UsersService/Login`.
pub fn path(method: &MethodDescriptor) -> String {
    format!("/{}/{}", method.parent_service().full_name(), method.name())
}

/// The rule of the RPC at this path; `None` for a path that is no RPC of ours or has no rule, which nobody may call.
pub fn of(path: &str) -> Option<&'static Access> {
    RULES.get(path)
}

fn rule(method: &MethodDescriptor) -> Option<Access> {
    let extension = POOL.get_extension_by_name("moviebooking.access.v1.rule")?;
    let options = method.options();
    if !options.has_extension(&extension) {
        return None;
    }
    let value = options.get_extension(&extension);
    let rule: crate::moviebooking::access::v1::Rule =
        value.as_message().map(DynamicMessage::transcode_to)?.ok()?;
    let level = Level::try_from(rule.level).ok().filter(|level| *level != Level::Unspecified)?;
    Some(Access { level, callers: rule.callers })
}

#[cfg(test)]
mod tests {
    use prost_reflect::prost_types::{MethodOptions, method_options::IdempotencyLevel};

    use super::*;

    #[test]
    fn every_rpc_says_who_may_call_it() {
        assert!(methods().count() > 50);
        for method in methods() {
            let access =
                of(&path(&method)).unwrap_or_else(|| panic!("{} has no access rule", method.full_name()));
            let internal = method.parent_service().name().ends_with("Internal");
            assert_eq!(internal, access.level == Level::Internal, "{}", method.full_name());
            assert_eq!(internal, !access.callers.is_empty(), "{}", method.full_name());
        }
    }

    /// Callers make a call again whose answer got lost only where the proto says that it does no harm.
    #[test]
    fn every_rpc_that_may_be_repeated_says_so() {
        let level = |method: &MethodDescriptor| {
            method.method_descriptor_proto().options.as_ref().map(MethodOptions::idempotency_level)
        };
        let http = POOL.get_extension_by_name("google.api.http").unwrap();
        let behavior = POOL.get_extension_by_name("google.api.field_behavior").unwrap();
        for method in methods() {
            let reads = method
                .options()
                .get_extension(&http)
                .as_message()
                .is_some_and(|rule| rule.has_field_by_name("get"));
            let has_key = method
                .input()
                .get_field_by_name("request_id")
                .is_some_and(|field| field.options().has_extension(&behavior));
            let name = method.full_name();
            assert_eq!(reads, level(&method) == Some(IdempotencyLevel::NoSideEffects), "{name}");
            assert!(
                !has_key || level(&method) == Some(IdempotencyLevel::Idempotent),
                "{name} always has a key"
            );
        }
    }
}
