//! The annotations on RPCs and fields, read from a descriptor pool.

use http::Method;
use moviebooking_proto::google::api::{FieldBehavior, HttpRule, http_rule::Pattern};
use prost_reflect::{
    DescriptorPool, DynamicMessage, ExtensionDescriptor, FieldDescriptor, MethodDescriptor, Value,
};

/// How one RPC is reached over HTTP (`google.api.http`, AIP-127).
#[derive(Debug)]
pub(crate) struct Binding {
    pub(crate) method: Method,
    pub(crate) template: String,
    pub(crate) body: String,
}

/// The annotations that a pool knows.
#[derive(Clone, Debug)]
pub(crate) struct Annotations {
    http: ExtensionDescriptor,
    behavior: ExtensionDescriptor,
}

impl Annotations {
    /// `None` if the pool does not have them: its descriptor set lost its options.
    pub(crate) fn of(pool: &DescriptorPool) -> Option<Self> {
        Some(Self {
            http: pool.get_extension_by_name("google.api.http")?,
            behavior: pool.get_extension_by_name("google.api.field_behavior")?,
        })
    }

    /// The HTTP bindings of an RPC, the main one first; none if it is not annotated. The error says what is wrong.
    pub(crate) fn bindings(&self, rpc: &MethodDescriptor) -> Result<Vec<Binding>, String> {
        let options = rpc.options();
        if !options.has_extension(&self.http) {
            return Ok(Vec::new());
        }
        let value = options.get_extension(&self.http);
        let rule = value.as_message().map(DynamicMessage::transcode_to::<HttpRule>);
        let Some(Ok(rule)) = rule else {
            return Err("google.api.http cannot be read".to_owned());
        };
        let mut rules = rule.additional_bindings.clone();
        if rules.iter().any(|additional| !additional.additional_bindings.is_empty()) {
            return Err("additional_bindings are nested".to_owned());
        }
        rules.insert(0, rule);
        rules.into_iter().map(binding).collect()
    }

    /// Whether a field must be given (AIP-203).
    pub(crate) fn is_required(&self, field: &FieldDescriptor) -> bool {
        self.has(field, FieldBehavior::Required)
    }

    /// Whether a field is only ever filled in by the platform (AIP-203).
    pub(crate) fn is_output_only(&self, field: &FieldDescriptor) -> bool {
        self.has(field, FieldBehavior::OutputOnly)
    }

    fn has(&self, field: &FieldDescriptor, behavior: FieldBehavior) -> bool {
        let options = field.options();
        let value = options.get_extension(&self.behavior);
        value.as_list().is_some_and(|list| list.contains(&Value::EnumNumber(behavior.into())))
    }
}

fn binding(rule: HttpRule) -> Result<Binding, String> {
    if !rule.response_body.is_empty() {
        return Err("response_body is not supported".to_owned());
    }
    let (method, template) = match rule.pattern {
        Some(Pattern::Get(template)) => (Method::GET, template),
        Some(Pattern::Put(template)) => (Method::PUT, template),
        Some(Pattern::Post(template)) => (Method::POST, template),
        Some(Pattern::Delete(template)) => (Method::DELETE, template),
        Some(Pattern::Patch(template)) => (Method::PATCH, template),
        None => return Err("google.api.http names no method and path".to_owned()),
    };
    Ok(Binding { method, template, body: rule.body })
}
