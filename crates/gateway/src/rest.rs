//! Requests over REST.

use std::sync::Arc;

use axum::{Router, extract::Request, response::Response};
use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, VARY},
    request::Parts,
};
use moviebooking_auth::authorise;
use moviebooking_proto::{Problem, Reason, access::Level};
use tonic::Status;
use tower_http::compression::{CompressionLayer, Predicate, predicate::SizeAbove};

use crate::{
    gateway::Edge,
    headers::{self, Caching},
    problem, request, response, sse,
    table::{Answer, Body, Route, Target},
    template, upstream,
};

/// Smaller answers grow more in latency than they shrink in bytes.
const COMPRESSED_ABOVE: u64 = 1024;

/// Answers REST, compressed where the client takes it.
pub(crate) fn router(edge: Arc<Edge>) -> Router {
    let json = |_: StatusCode, _: http::Version, headers: &HeaderMap, _: &http::Extensions| {
        let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        content_type.starts_with(b"application/json") || content_type.starts_with(b"image/svg+xml")
    };
    Router::new()
        .fallback(async move |request: Request| handle(edge, request).await)
        .layer(CompressionLayer::new().compress_when(SizeAbove::new(COMPRESSED_ABOVE).and(json)))
}

async fn handle(edge: Arc<Edge>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let (mut response, caching) = match find(&edge, &parts) {
        Place::Builtin(response) => (response, Caching::Ask),
        Place::Nothing(response) => (response, Caching::Never),
        Place::Route(number, variables) => {
            let caching = caching(&edge.table.routes[number], &parts.headers);
            let call = Call { edge: Arc::clone(&edge), number, parts };
            let mut response = call.answer(&variables, body).await;
            let pattern = Arc::clone(&edge.table.routes[number].pattern);
            response.extensions_mut().insert(moviebooking_serve::metrics::Route(pattern));
            let caching = if response.status().is_success() { caching } else { Caching::Never };
            (response, caching)
        }
    };
    headers::finish(response.headers_mut(), caching);
    if caching == Caching::Briefly {
        response.headers_mut().append(VARY, HeaderValue::from_static("authorization"));
    }
    response
}

/// What stands at a path for a method.
enum Place {
    Builtin(Response),
    /// The number of the route and the texts of its variables.
    Route(usize, Vec<String>),
    /// Nothing, and the answer that says why.
    Nothing(Response),
}

fn find(edge: &Edge, parts: &Parts) -> Place {
    let Some(segments) = template::segments(parts.uri.path()) else {
        return Place::Nothing(problem::refuse(Problem::invalid("path", "percent-encode UTF-8")));
    };
    let Some(found) = edge.table.tree.find(&segments) else {
        let message = "Nothing is at this path; /openapi.json lists what is where.";
        return Place::Nothing(problem::refuse(Problem::new(Reason::RouteNotFound, message)));
    };
    let wanted = if parts.method == Method::HEAD { &Method::GET } else { &parts.method };
    match found.methods.iter().find(|(method, _)| method == wanted) {
        Some((_, Target::Builtin(builtin))) => Place::Builtin(builtin.respond(edge, &parts.headers)),
        Some((_, Target::Route(number))) => {
            Place::Route(*number, found.variables.into_iter().map(str::to_owned).collect())
        }
        None => {
            let allowed = allowed(found.methods.iter().map(|(method, _)| method));
            let mut response = if parts.method == Method::OPTIONS {
                response::status_only(StatusCode::NO_CONTENT)
            } else {
                let message = format!("This path takes {allowed} only.");
                problem::refuse(Problem::new(Reason::MethodNotAllowed, message))
            };
            if let Ok(allowed) = HeaderValue::try_from(allowed) {
                response.headers_mut().insert(ALLOW, allowed);
            }
            Place::Nothing(response)
        }
    }
}

fn allowed<'m>(methods: impl Iterator<Item = &'m Method>) -> String {
    let mut names: Vec<&str> = methods.map(Method::as_str).collect();
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    names.push("OPTIONS");
    names.sort_unstable();
    names.join(", ")
}

/// What a route's answer may be kept for. What a signed-in caller sees may be theirs alone.
fn caching(route: &Route, headers: &HeaderMap) -> Caching {
    let anybodys =
        route.level == Level::Public && route.method == Method::GET && !headers.contains_key(AUTHORIZATION);
    match anybodys {
        true if route.rpc.name().starts_with("List") => Caching::Briefly,
        true if route.answer != Answer::Events => Caching::Ask,
        _ => Caching::Never,
    }
}

/// One request to one route.
struct Call {
    edge: Arc<Edge>,
    number: usize,
    parts: Parts,
}

impl Call {
    async fn answer(self, variables: &[String], body: axum::body::Body) -> Response {
        let place = match self.edge.limits.request(&self.route().service) {
            Ok(place) => place,
            Err(problem) => return problem::refuse(problem),
        };
        let message = match self.message(variables, body).await {
            Ok(message) => message,
            Err(status) => return problem::refuse(status),
        };
        let answer = self.forward(message).await;
        drop(place);
        answer
    }

    fn route(&self) -> &Route {
        &self.edge.table.routes[self.number]
    }

    /// The RPC's message, once the caller may send it.
    async fn message(&self, variables: &[String], body: axum::body::Body) -> Result<Vec<u8>, Status> {
        let (route, edge) = (self.route(), &self.edge);
        authorise(&edge.verifier, route.path.path(), &self.parts.headers).await?;
        let body = edge.limits.read(&self.parts.headers, body).await?;
        if !matches!(route.body, Body::Nothing | Body::Raw(_)) && !body.is_empty() {
            request::check_content_type(&self.parts.headers)?;
        }
        let variables: Vec<&str> = variables.iter().map(String::as_str).collect();
        let parts = request::Parts {
            variables: &variables,
            query: self.parts.uri.query(),
            headers: &self.parts.headers,
            body: &body,
        };
        Ok(request::encode(route, &edge.annotations, &parts)?)
    }

    async fn forward(&self, message: Vec<u8>) -> Response {
        let (route, edge) = (self.route(), &self.edge);
        let mut headers = headers::pass_on(&self.parts.headers, &self.parts.extensions, &edge.config);
        if let Body::Raw(_) = route.body {
            headers::pass_on_signatures(&self.parts.headers, &mut headers);
        }
        let Some(link) = edge.links.get(&route.service) else {
            return problem::refuse(Problem::internal());
        };
        if route.answer == Answer::Events {
            let place = match edge.limits.stream() {
                Ok(place) => place,
                Err(problem) => return problem::refuse(problem),
            };
            return match upstream::stream(link, &route.path, headers, message).await {
                Ok(messages) => {
                    sse::respond(Arc::clone(edge), self.number, self.parts.version, messages, place)
                }
                Err(status) => problem::pass_on(&status, route),
            };
        }
        let answer = upstream::unary(link, &route.path, headers, message).await;
        let answer =
            answer.and_then(|message| response::unary(route, &edge.writer, &message, self.parts.uri.path()));
        answer.unwrap_or_else(|status| problem::pass_on(&status, route))
    }
}
