//! Which headers go on to the services, and which stand on every answer.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue,
    header::{AUTHORIZATION, CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS},
};
use moviebooking_serve::REQUEST_ID_HEADER;

use crate::{Config, origin};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What goes on to the services. Anything else could mean something there that the client must not say, or that is not
/// true of the other connection (`content-length`, `grpc-timeout`).
const PASSED_ON: [HeaderName; 4] = [
    AUTHORIZATION,
    REQUEST_ID_HEADER,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
];

/// The headers of a call to a service on behalf of a request, with the address of the client.
pub(crate) fn pass_on(headers: &HeaderMap, extensions: &Extensions, config: &Config) -> HeaderMap {
    let mut passed = HeaderMap::with_capacity(PASSED_ON.len() + 1);
    for name in PASSED_ON {
        if let Some(value) = headers.get(&name) {
            passed.insert(name, value.clone());
        }
    }
    // What the client says about its own address is not passed on: limits count by it.
    if let Some(ConnectInfo(peer)) = extensions.get::<ConnectInfo<SocketAddr>>() {
        let client = origin::client(peer.ip(), headers, &config.trusted_proxies, config.forwarded_header);
        if let Ok(address) = HeaderValue::try_from(client.to_string()) {
            passed.insert(FORWARDED_FOR, address);
        }
    }
    passed
}

/// Adds what signs a body that goes on byte for byte: `stripe-signature`, or `webhook-id`, `webhook-timestamp` and
/// `webhook-signature` of the Standard Webhooks specification.
pub(crate) fn pass_on_signatures(headers: &HeaderMap, passed: &mut HeaderMap) {
    for (name, value) in headers {
        if name.as_str().ends_with("-signature") || name.as_str().starts_with("webhook-") {
            passed.insert(name, value.clone());
        }
    }
}

/// How long an answer may be kept by others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caching {
    /// Not at all: it is somebody's own.
    Never,
    /// As long as it is asked for again each time.
    Ask,
    /// For some seconds: lists that everybody sees.
    Briefly,
}

/// Completes the headers of an answer.
pub(crate) fn finish(headers: &mut HeaderMap, caching: Caching) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static(match caching {
        Caching::Never => "no-store",
        Caching::Ask => "no-cache",
        Caching::Briefly => "public, max-age=5",
    }));
}
