//! What the gateway answers by itself.

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH},
};
use moviebooking_proto::Problem;

use crate::{gateway::Edge, problem, response, template::Segment};

/// What the gateway answers by itself, to GET.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Builtin {
    /// Where to look.
    Index,
    /// The OpenAPI document.
    OpenApi,
    /// Whether the process is alive.
    Health,
    /// Whether it is ready to be sent requests.
    Ready,
}

impl Builtin {
    pub(crate) const ALL: &[Self] = &[Self::Index, Self::OpenApi, Self::Health, Self::Ready];

    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Index => "/",
            Self::OpenApi => "/openapi.json",
            Self::Health => "/healthz",
            Self::Ready => "/readyz",
        }
    }

    pub(crate) fn segments(self) -> Vec<Segment> {
        self.path().split('/').skip(1).map(|segment| Segment::Literal(segment.to_owned())).collect()
    }

    /// The answer.
    pub(crate) fn respond(self, edge: &Edge, headers: &HeaderMap) -> Response {
        match self {
            Self::Index => response::json_response(StatusCode::OK, INDEX.into()),
            Self::OpenApi => edge.openapi.respond(headers),
            Self::Health => text("ok\n"),
            Self::Ready if edge.health.is_ready() => text("ready\n"),
            Self::Ready if edge.stop.is_cancelled() => {
                problem::refuse(Problem::unavailable("The gateway is stopping."))
            }
            Self::Ready => problem::refuse(Problem::unavailable(
                "The users service cannot be asked for the keys that access tokens are verified with.",
            )),
        }
    }
}

const INDEX: &str = concat!(
    r#"{"name":"Movie Booking Platform","version":""#,
    env!("CARGO_PKG_VERSION"),
    r#"","openapi":"/openapi.json","movies":"/movies","theaters":"/theaters","showtimes":"/showtimes"}"#
);

fn text(text: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// A text that never changes while the process runs, with its etag.
#[derive(Debug)]
pub(crate) struct Document {
    text: Bytes,
    etag: HeaderValue,
}

impl Document {
    pub(crate) fn new(text: String) -> Self {
        use std::hash::{DefaultHasher, Hash as _, Hasher as _};
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let etag = HeaderValue::try_from(format!("\"{:016x}\"", hasher.finish()));
        Self { text: text.into(), etag: etag.unwrap_or(HeaderValue::from_static("\"0\"")) }
    }

    fn respond(&self, headers: &HeaderMap) -> Response {
        let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        let etag = self.etag.to_str().unwrap_or_default();
        // Compression on the way makes the etag a weak one; for this comparison that does not matter (RFC 9110, 13.1.2).
        let fresh = known.flat_map(|list| list.split(',')).any(|known| {
            let known = known.trim();
            known == "*" || known.strip_prefix("W/").unwrap_or(known) == etag
        });
        let mut response = if fresh {
            response::status_only(StatusCode::NOT_MODIFIED)
        } else {
            response::json_response(StatusCode::OK, self.text.clone().into())
        };
        response.headers_mut().insert(ETAG, self.etag.clone());
        response
    }
}
