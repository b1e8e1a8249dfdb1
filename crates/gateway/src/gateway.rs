//! The gateway as a whole.

use std::{collections::HashMap, sync::Arc};

use axum::{Router, extract::Request, response::Response};
use moviebooking_auth::Verifier;
use moviebooking_proto::{access, json::Writer};
use moviebooking_serve::{Health, Link, StartError, add_reflection};
use prost_reflect::MethodDescriptor;
use tokio_util::sync::CancellationToken;
use tonic::{Status, service::Routes};
use tower::ServiceExt as _;

use crate::{
    Config, Upstreams,
    annotation::Annotations,
    builtin::Document,
    cors, grpc,
    limits::Limits,
    openapi, reflection, rest,
    table::{Answer, Table, TableError},
};

/// Why there is no gateway. Nothing that a person configures: the build is wrong.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// An annotation in the descriptor set cannot be offered.
    #[error("the descriptor set cannot be offered: {0}")]
    Table(#[from] TableError),
    /// A service has no link.
    #[error("there is no link to the service {0}")]
    NoUpstream(String),
    /// The descriptor set does not serve reflection.
    #[error("the descriptor set cannot be reflected: {0}")]
    Reflection(String),
    /// The routes make no OpenAPI document.
    #[error("the OpenAPI document cannot be written: {0}")]
    OpenApi(String),
}

impl From<GatewayError> for StartError {
    fn from(error: GatewayError) -> Self {
        Self::software(error.to_string())
    }
}

/// The gateway: every protocol on one port.
pub struct Gateway {
    edge: Arc<Edge>,
}

/// What all requests share.
pub(crate) struct Edge {
    pub(crate) table: Table,
    pub(crate) annotations: Annotations,
    pub(crate) writer: Writer,
    pub(crate) links: HashMap<String, Link>,
    pub(crate) verifier: Verifier,
    pub(crate) limits: Limits,
    pub(crate) openapi: Document,
    pub(crate) health: Health,
    /// gRPC health and reflection, which the gateway answers itself.
    pub(crate) own: Router,
    /// Streams end when this is cancelled.
    pub(crate) stop: CancellationToken,
    pub(crate) config: Config,
}

/// The platform's table and annotations.
pub(crate) fn platform() -> Result<(Table, Annotations), TableError> {
    let level = |rpc: &MethodDescriptor| access::of(&access::path(rpc)).map(|rule| rule.level);
    let annotations = Annotations::of(access::pool()).ok_or(TableError::NoAnnotations)?;
    Ok((Table::new(access::pool(), level)?, annotations))
}

impl Gateway {
    /// The gateway in front of these services. The verifier checks access tokens before anything is passed on.
    ///
    /// # Errors
    /// When an annotation in the protos is wrong, or a service that they name has no link.
    pub async fn new(upstreams: Upstreams, verifier: Verifier, config: Config) -> Result<Self, GatewayError> {
        let (table, annotations) = platform()?;
        let links: HashMap<String, Link> =
            upstreams.into_iter().map(|(service, link)| (service.to_owned(), link)).collect();
        if let Some(rpc) = table.rpcs.values().find(|rpc| !links.contains_key(&rpc.service)) {
            return Err(GatewayError::NoUpstream(rpc.service.clone()));
        }
        let names = reflection::services(&table);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let health = Health::new(&names).await;
        let broken = |error: StartError| GatewayError::Reflection(error.to_string());
        let set = reflection::descriptor_set()
            .ok_or_else(|| GatewayError::Reflection("it is incomplete".to_owned()))?;
        let own = add_reflection(health.add_grpc(Routes::default()), set, &names).map_err(broken)?;
        let answered =
            table.routes.iter().filter(|route| !matches!(route.answer, Answer::Raw | Answer::Empty));
        let edge = Edge {
            writer: Writer::new(answered.map(|route| route.rpc.output())),
            openapi: Document::new(openapi::of(&table, &annotations)?),
            limits: Limits::new(&config, links.keys()),
            own: own.prepare().into_axum_router(),
            stop: CancellationToken::new(),
            table,
            annotations,
            links,
            verifier,
            health,
            config,
        };
        Ok(Self { edge: Arc::new(edge) })
    }

    /// What to serve.
    pub fn router(&self) -> Router {
        let edge = Arc::clone(&self.edge);
        let rest = rest::router(Arc::clone(&edge));
        let answer = async move |request: Request| answer(edge, rest, request).await;
        let router = Router::new().fallback(answer);
        match cors::layer(&self.edge.config.cors_origins) {
            Some(layer) => router.layer(layer),
            None => router,
        }
    }

    /// Whether it is ready, for a second port that says so.
    pub fn health(&self) -> &Health {
        &self.edge.health
    }

    /// Watches over readiness until `shutdown`; then reports that the gateway is not ready and ends the streams. Spawn
    /// it, or run it beside the server.
    pub async fn run_background(&self, shutdown: CancellationToken) {
        let edge = &self.edge;
        let ready = async || -> Result<(), Status> { edge.verifier.ready().await };
        tokio::join!(edge.health.clone().watch(ready, shutdown.clone()), async {
            shutdown.cancelled().await;
            edge.stop.cancel();
        });
    }
}

async fn answer(edge: Arc<Edge>, rest: Router, request: Request) -> Response {
    if grpc::is_grpc(request.headers()) {
        return grpc::answer(edge, request).await;
    }
    match rest.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
