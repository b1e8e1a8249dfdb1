//! Which pages of other origins may call the platform from a browser (Fetch, section 3.2).

use std::time::Duration;

use http::{
    HeaderName, Method,
    header::{
        ACCEPT, ALLOW, AUTHORIZATION, CONTENT_TYPE, ETAG, IF_NONE_MATCH, RETRY_AFTER, WWW_AUTHENTICATE,
    },
};
use moviebooking_serve::REQUEST_ID_HEADER;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::{Origin, names::IDEMPOTENCY_KEY, request::LAST_EVENT_ID};

/// How long a browser may remember what it was allowed.
const REMEMBERED: Duration = Duration::from_secs(2 * 60 * 60);

/// The layer for these origins; `None` if there are none, and browsers then keep other origins out.
pub(crate) fn layer(origins: &[Origin]) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let named: Vec<_> = origins
        .iter()
        .filter_map(|origin| match origin {
            Origin::One(origin) => Some(origin.clone()),
            Origin::Any => None,
        })
        .collect();
    let allowed = if named.len() < origins.len() { AllowOrigin::any() } else { AllowOrigin::list(named) };
    let name = |name: &str| HeaderName::try_from(name).ok();
    let sent = [
        IDEMPOTENCY_KEY,
        LAST_EVENT_ID,
        "x-grpc-web",
        "x-user-agent",
        "grpc-timeout",
        "traceparent",
        "tracestate",
    ];
    let seen = ["grpc-status", "grpc-message", "grpc-status-details-bin"];
    Some(
        CorsLayer::new()
            .allow_origin(allowed)
            .allow_methods([
                Method::GET,
                Method::HEAD,
                Method::POST,
                Method::PUT,
                Method::PATCH,
                Method::DELETE,
            ])
            .allow_headers(
                [AUTHORIZATION, ACCEPT, CONTENT_TYPE, IF_NONE_MATCH, REQUEST_ID_HEADER]
                    .into_iter()
                    .chain(sent.into_iter().filter_map(name))
                    .collect::<Vec<_>>(),
            )
            // Without these a gRPC-Web client in a browser sees no error, only an answer that ends.
            .expose_headers(
                [ALLOW, ETAG, RETRY_AFTER, WWW_AUTHENTICATE, REQUEST_ID_HEADER]
                    .into_iter()
                    .chain(seen.into_iter().filter_map(name))
                    .collect::<Vec<_>>(),
            )
            .max_age(REMEMBERED),
    )
}
