//! The query of a request: `page_size=20`, `pageSize=20`, `genres=Drama&genres=Comedy`, `best_available.count=2`.

use std::borrow::Cow;

use moviebooking_proto::Problem;
use prost_reflect::DynamicMessage;

use super::{scalar, shown};
use crate::{
    names,
    table::{Body, FieldPath, Route},
};

/// Reads the query into `message`.
pub(super) fn read(route: &Route, query: &str, message: &mut DynamicMessage) -> Result<(), Problem> {
    let mut seen: Vec<FieldPath> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decode(name).ok_or_else(|| Problem::invalid("query", "percent-encode UTF-8"))?;
        let refuse = |fix: String| Problem::invalid(shown(&name), fix);
        let value = decode(value).ok_or_else(|| refuse("percent-encode UTF-8".to_owned()))?;
        let path = parameter(route, &name).map_err(refuse)?;
        if !path.last().is_list() {
            if seen.iter().any(|taken| taken.is(&path)) {
                return Err(refuse("give it once".to_owned()));
            }
            seen.push(path.clone());
        }
        path.put(message, scalar::parse(path.last(), &value).map_err(refuse)?);
    }
    Ok(())
}

/// The field that a parameter fills; else the fix.
fn parameter(route: &Route, name: &str) -> Result<FieldPath, String> {
    let none = || "there is no such parameter: leave it out".to_owned();
    let path = FieldPath::find(&route.rpc.input(), name).map_err(|_| none())?;
    if route.variables.iter().any(|variable| variable.is(&path)) {
        return Err("the path says it: leave it out".to_owned());
    }
    match &route.body {
        Body::Whole => Err("give it in the body".to_owned()),
        Body::Field(field) | Body::Raw(field) if path.starts_with(field) => {
            Err("give it in the body".to_owned())
        }
        _ if scalar::fits_in_text(path.last()) => Ok(path),
        _ => Err(none()),
    }
}

/// Every parameter that a route takes, by its name in JSON.
pub(crate) fn parameters(route: &Route) -> Vec<FieldPath> {
    let mut found = Vec::new();
    collect(route, &route.rpc.input(), "", &mut found);
    found
}

fn collect(
    route: &Route,
    message: &prost_reflect::MessageDescriptor,
    prefix: &str,
    found: &mut Vec<FieldPath>,
) {
    for field in message.fields() {
        let name = format!("{prefix}{}", field.name());
        let is_key = route.key.as_ref().is_some_and(|key| key.field == field);
        match (parameter(route, &name), field.kind()) {
            (Ok(path), _) if !is_key => found.push(path),
            (Err(_), prost_reflect::Kind::Message(inner))
                if !field.is_list()
                    && !field.is_map()
                    && inner.package_name() != "google.protobuf"
                    && !matches!(&route.body, Body::Field(body) | Body::Raw(body) if *body == field)
                    && route.body != Body::Whole
                    // A message within itself would never end.
                    && inner != *message =>
            {
                collect(route, &inner, &format!("{name}."), found);
            }
            _ => {}
        }
    }
}

/// The name of a parameter as the documentation has it: `bestAvailable.count`.
pub(crate) fn parameter_name(path: &FieldPath) -> String {
    names::camel_case(&path.name())
}

/// A name or value of a form (WHATWG URL, section 5.1); `None` if it is not UTF-8.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['+', '%']) {
        return Some(Cow::Borrowed(text));
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&spaced).decode_utf8().ok()?;
    Some(Cow::Owned(decoded.into_owned()))
}
