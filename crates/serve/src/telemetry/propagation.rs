//! The header `traceparent` (W3C Trace Context), in and out.

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::{
    Context,
    propagation::{Extractor, Injector, TextMapPropagator},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use std::sync::LazyLock;

static PROPAGATOR: LazyLock<TraceContextPropagator> = LazyLock::new(TraceContextPropagator::new);

/// The trace that a request with `headers` belongs to, if it names one; a malformed one is none.
pub(crate) fn extract(headers: &HeaderMap) -> Option<Context> {
    headers
        .contains_key("traceparent")
        .then(|| PROPAGATOR.extract_with_context(&Context::new(), &In(headers)))
}

/// Puts `context` in `headers`, in place of what was there.
pub(crate) fn inject(context: &Context, headers: &mut HeaderMap) {
    headers.remove("tracestate");
    PROPAGATOR.inject_context(context, &mut Out(headers));
}

struct In<'a>(&'a HeaderMap);

impl Extractor for In<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct Out<'a>(&'a mut HeaderMap);

impl Injector for Out<'_> {
    fn set(&mut self, key: &str, value: String) {
        // A state that came in is of the form of a header, and so goes out.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::trace::TraceContextExt;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_comes_in_goes_out() {
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", HeaderValue::from_static(PARENT));
        headers.insert("tracestate", HeaderValue::from_static("vendor=1"));
        let context = extract(&headers).unwrap();
        let mut sent = HeaderMap::new();
        sent.insert("traceparent", HeaderValue::from_static("another"));
        inject(&context, &mut sent);
        assert_eq!(sent, headers);
    }

    #[test]
    fn a_malformed_parent_is_none() {
        let mut headers = HeaderMap::new();
        assert!(extract(&headers).is_none());
        for bad in ["", "00-0-0-01", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"] {
            headers.insert("traceparent", HeaderValue::from_static(bad));
            assert!(!extract(&headers).unwrap().span().span_context().is_valid(), "{bad}");
        }
    }
}
