//! One way to reach one RPC over HTTP.

use std::sync::Arc;

use http::{Method, uri::PathAndQuery};
use moviebooking_proto::access::{self, Level};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor, Value};

use crate::{
    annotation::{Annotations, Binding},
    names,
    template::{Segment, Template},
};

/// The message of a body that is not JSON.
const HTTP_BODY: &str = "google.api.HttpBody";

/// One way to reach one RPC over HTTP.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) template: Template,
    /// The path as documents have it, `/users/{id}`: what metrics and traces call the route.
    pub(crate) pattern: Arc<str>,
    pub(crate) rpc: MethodDescriptor,
    /// The path of the RPC in gRPC.
    pub(crate) path: PathAndQuery,
    /// The service that has it: `users`.
    pub(crate) service: String,
    /// Who may call it.
    pub(crate) level: Level,
    /// The fields that the path's variables fill, in order.
    pub(crate) variables: Vec<FieldPath>,
    pub(crate) body: Body,
    /// The field of the idempotency key, where the RPC takes one.
    pub(crate) key: Option<Key>,
    /// The field mask of an update, which the body implies where it is not given.
    pub(crate) mask: Option<FieldDescriptor>,
    /// The field that says where a stream goes on.
    pub(crate) resume: Option<FieldDescriptor>,
    pub(crate) answer: Answer,
}

/// What the body of a request is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// The route takes none.
    Nothing,
    /// Every field that the path leaves over.
    Whole,
    /// This field, a message.
    Field(FieldDescriptor),
    /// This field, a `google.api.HttpBody`: the bytes as they are, whatever they are said to be.
    Raw(FieldDescriptor),
}

/// The field of the idempotency key.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) field: FieldDescriptor,
    pub(crate) required: bool,
}

/// What is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The message as JSON: 201 where the RPC makes something, else 200.
    Json {
        /// Whether something was made.
        created: bool,
    },
    /// Nothing: 204.
    Empty,
    /// The bytes of a `google.api.HttpBody`, with their own content type.
    Raw,
    /// Server-sent events.
    Events,
}

impl Route {
    pub(crate) fn new(
        rpc: &MethodDescriptor,
        level: Level,
        service: String,
        binding: &Binding,
        annotations: &Annotations,
    ) -> Result<Self, String> {
        let input = rpc.input();
        let template = Template::parse(&binding.template)?;
        let body = body(&input, binding)?;
        let variables = variables(&input, &template)?;
        let text = |name: &str| {
            input.get_field_by_name(name).filter(|field| single(field) && field.kind() == Kind::String)
        };
        let key = text("request_id").map(|field| Key { required: annotations.is_required(&field), field });
        let mask = input.get_field_by_name("update_mask").filter(|field| {
            let is_mask = matches!(field.kind(), Kind::Message(message) if message.full_name() == "google.protobuf.FieldMask");
            is_mask && binding.method == Method::PATCH && matches!(body, Body::Field(_))
        });
        let resume = input
            .get_field_by_name("after_sequence")
            .filter(|field| rpc.is_server_streaming() && single(field) && field.kind() == Kind::Int64);
        Ok(Self {
            method: binding.method.clone(),
            path: access::path(rpc).parse().map_err(|_| "its name is no path")?,
            rpc: rpc.clone(),
            answer: answer(rpc),
            pattern: template.write(|field| format!("{{{}}}", Self::variable_name(field))).into(),
            template,
            service,
            level,
            variables,
            body,
            key,
            mask,
            resume,
        })
    }

    /// The name under which a person fills a variable of the path: `id` of `movie.id`, `theaterId` of `theater_id`.
    pub(crate) fn variable_name(field: &str) -> String {
        names::camel_case(field.rsplit('.').next().unwrap_or(field))
    }
}

/// A field within a message: `movie.id`. Never empty.
#[derive(Clone, Debug)]
pub(crate) struct FieldPath(Vec<FieldDescriptor>);

impl FieldPath {
    /// The field that the names lead to, from `message` on, each as it stands in the proto or as JSON has it.
    pub(crate) fn find(message: &MessageDescriptor, path: &str) -> Result<Self, String> {
        let mut fields = Vec::new();
        let mut current = Some(message.clone());
        for name in path.split('.') {
            let message =
                current.ok_or_else(|| format!("{path}: the field before {name} has no fields of its own"))?;
            let field = message.get_field_by_name(name).or_else(|| message.get_field_by_json_name(name));
            let field = field.ok_or_else(|| format!("{} has no field {name}", message.full_name()))?;
            current = match field.kind() {
                Kind::Message(inner) if !field.is_list() && !field.is_map() => Some(inner),
                _ => None,
            };
            fields.push(field);
        }
        Ok(Self(fields))
    }

    /// The field at the end of the path.
    pub(crate) fn last(&self) -> &FieldDescriptor {
        &self.0[self.0.len() - 1]
    }

    /// Whether the path goes through `other` or ends in it.
    pub(crate) fn starts_with(&self, other: &FieldDescriptor) -> bool {
        self.0.first() == Some(other)
    }

    /// Whether both paths lead to the same field.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    /// The path as the proto writes it.
    pub(crate) fn name(&self) -> String {
        self.0.iter().map(FieldDescriptor::name).collect::<Vec<_>>().join(".")
    }

    /// The value that the field has in `message`; `None` where it has its default.
    pub(crate) fn get(&self, message: &DynamicMessage) -> Option<Value> {
        let (first, rest) = self.0.split_first()?;
        if !message.has_field(first) {
            return None;
        }
        let value = message.get_field(first).into_owned();
        if rest.is_empty() { Some(value) } else { Self(rest.to_vec()).get(value.as_message()?) }
    }

    /// Gives the field a value, or, if it is a list, one more.
    pub(crate) fn put(&self, message: &mut DynamicMessage, value: Value) {
        let (last, parents) = (self.last(), &self.0[..self.0.len() - 1]);
        let mut message = message;
        for field in parents {
            match message.get_field_mut(field).as_message_mut() {
                Some(inner) => message = inner,
                // `find` let only messages stand before the last field.
                None => return,
            }
        }
        if last.is_list() {
            if let Some(list) = message.get_field_mut(last).as_list_mut() {
                list.push(value);
            }
        } else {
            message.set_field(last, value);
        }
    }
}

fn single(field: &FieldDescriptor) -> bool {
    !field.is_list() && !field.is_map()
}

fn body(input: &MessageDescriptor, binding: &Binding) -> Result<Body, String> {
    let body = match binding.body.as_str() {
        "" => Body::Nothing,
        "*" => Body::Whole,
        name => {
            let field =
                input.get_field_by_name(name).ok_or_else(|| format!("the request has no field {name}"))?;
            match field.kind() {
                Kind::Message(message) if single(&field) && message.full_name() == HTTP_BODY => {
                    Body::Raw(field)
                }
                Kind::Message(_) if single(&field) => Body::Field(field),
                _ => return Err(format!("the body {name} is not a single message")),
            }
        }
    };
    let takes_none = matches!(binding.method, Method::GET | Method::DELETE);
    if takes_none && body != Body::Nothing {
        return Err(format!("{} takes no body", binding.method));
    }
    Ok(body)
}

fn variables(input: &MessageDescriptor, template: &Template) -> Result<Vec<FieldPath>, String> {
    let mut variables: Vec<FieldPath> = Vec::new();
    for segment in &template.segments {
        let Segment::Variable(name) = segment else { continue };
        let path = FieldPath::find(input, name)?;
        if !single(path.last()) || matches!(path.last().kind(), Kind::Message(_)) {
            return Err(format!("the variable {name} is not a single value"));
        }
        if variables.iter().any(|taken| taken.is(&path)) {
            return Err(format!("the path fills {name} twice"));
        }
        variables.push(path);
    }
    Ok(variables)
}

fn answer(rpc: &MethodDescriptor) -> Answer {
    if rpc.is_server_streaming() {
        return Answer::Events;
    }
    match rpc.output().full_name() {
        "google.protobuf.Empty" => Answer::Empty,
        HTTP_BODY => Answer::Raw,
        _ => {
            let makes = ["Create", "Register", "Publish", "Import"];
            Answer::Json { created: makes.iter().any(|verb| rpc.name().starts_with(verb)) }
        }
    }
}
