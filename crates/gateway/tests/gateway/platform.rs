//! A gateway in front of stand-ins, and how tests call it.

use std::sync::Arc;

use axum::{Router, body::Body, response::Response};
use http::{
    HeaderMap, Method, Request, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use http_body_util::BodyExt as _;
use moviebooking_auth::{Keys, KeysFromUsers, SigningKey, Verifier, protect};
use moviebooking_domain::{
    clock::{Clock as _, SharedClock, SystemClock},
    id::{SessionId, TheaterId, UserId},
};
use moviebooking_gateway::{Config, Gateway, Upstreams};
use moviebooking_proto::{
    movies::v1::movies_service_server::MoviesServiceServer,
    payments::v1::{
        ledger_service_server::LedgerServiceServer, payments_service_server::PaymentsServiceServer,
    },
    reservations::v1::{
        reservations_internal_server::ReservationsInternalServer,
        reservations_service_server::ReservationsServiceServer,
    },
    theaters::v1::theaters_service_server::TheatersServiceServer,
    tickets::v1::tickets_service_server::TicketsServiceServer,
    users::v1::{Jwks, users_service_server::UsersServiceServer},
};
use moviebooking_serve::{ConnectOptions, Link, Server};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tower::ServiceExt as _;

use crate::stand_in::StandIn;

/// Who a request comes from.
#[derive(Clone, Copy)]
pub(crate) enum As {
    Nobody,
    Customer,
    Staff,
    Admin,
}

pub(crate) struct Platform {
    pub(crate) services: Arc<StandIn>,
    pub(crate) gateway: Gateway,
    key: SigningKey,
}

/// The services behind their own checks, as the real ones stand.
fn routes(services: &Arc<StandIn>, verifier: Verifier) -> Routes {
    let routes = Routes::new(UsersServiceServer::from_arc(Arc::clone(services)))
        .add_service(MoviesServiceServer::from_arc(Arc::clone(services)))
        .add_service(TheatersServiceServer::from_arc(Arc::clone(services)))
        .add_service(ReservationsServiceServer::from_arc(Arc::clone(services)))
        .add_service(ReservationsInternalServer::from_arc(Arc::clone(services)))
        .add_service(PaymentsServiceServer::from_arc(Arc::clone(services)))
        .add_service(LedgerServiceServer::from_arc(Arc::clone(services)))
        .add_service(TicketsServiceServer::from_arc(Arc::clone(services)));
    protect(routes, verifier)
}

async fn gateway(link: &Link, config: Config) -> Gateway {
    let names = ["users", "movies", "theaters", "reservations", "payments", "tickets"];
    let upstreams: Upstreams = names.into_iter().map(|name| (name, link.clone())).collect();
    Gateway::new(upstreams, verifier(link), config).await.unwrap()
}

fn verifier(link: &Link) -> Verifier {
    let clock: SharedClock = SystemClock::shared();
    let keys = Keys::new(KeysFromUsers::new(link.clone()), Arc::clone(&clock));
    Verifier::new("gateway", Arc::new(keys), None, clock)
}

impl Platform {
    pub(crate) async fn new() -> Self {
        Self::with(Config::default()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let key = SigningKey::generate("test".to_owned()).unwrap();
        let services = Arc::new(StandIn::new(Jwks { keys: vec![key.public_jwk()] }));
        let (link, slot) = Link::slot();
        slot.fill(routes(&services, verifier(&link)));
        Self { services, gateway: gateway(&link, config).await, key }
    }

    /// A platform whose services stand across the network.
    pub(crate) async fn across_the_network() -> Self {
        let key = SigningKey::generate("test".to_owned()).unwrap();
        let services = Arc::new(StandIn::new(Jwks { keys: vec![key.public_jwk()] }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let link = Link::connect(&url, &ConnectOptions::default()).unwrap();
        let router = routes(&services, verifier(&link)).into_axum_router();
        tokio::spawn(Server::new(router).run(listener, CancellationToken::new()));
        Self { services, gateway: gateway(&link, Config::default()).await, key }
    }

    /// A platform of which only the gateway is there.
    pub(crate) async fn down() -> Self {
        let (link, _) = Link::slot();
        Self { gateway: gateway(&link, Config::default()).await, ..Self::new().await }
    }

    pub(crate) fn token(&self, caller: As) -> Option<String> {
        let now = SystemClock.now();
        let (admin, theaters) = match caller {
            As::Nobody => return None,
            As::Customer => (false, vec![]),
            As::Staff => (false, vec![TheaterId::new(now)]),
            As::Admin => (true, vec![]),
        };
        Some(self.key.sign(UserId::new(now), SessionId::new(now), admin, &theaters, now).unwrap())
    }

    pub(crate) fn router(&self) -> Router {
        self.gateway.router()
    }

    /// A request without a body.
    pub(crate) fn request(&self, caller: As, method: Method, path: &str) -> http::request::Builder {
        let builder = Request::builder().method(method).uri(path);
        match self.token(caller) {
            Some(token) => builder.header(AUTHORIZATION, format!("Bearer {token}")),
            None => builder,
        }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        Answer::of(self.router().oneshot(request).await.unwrap()).await
    }

    pub(crate) async fn get(&self, caller: As, path: &str) -> Answer {
        self.send(self.request(caller, Method::GET, path).body(Body::empty()).unwrap()).await
    }

    /// A request with a JSON body and an idempotency key.
    pub(crate) async fn json(&self, caller: As, method: Method, path: &str, body: impl Into<Body>) -> Answer {
        let request = self.request(caller, method, path).header("Idempotency-Key", "key-1");
        self.send(request.header(CONTENT_TYPE, "application/json").body(body.into()).unwrap()).await
    }

    /// Serves the gateway on a port of its own.
    pub(crate) async fn serve(&self) -> Served {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let done = tokio::spawn(Server::new(self.router()).run(listener, stop.clone()));
        Served { url, stop, done }
    }
}

/// A gateway on a port.
pub(crate) struct Served {
    pub(crate) url: String,
    pub(crate) stop: CancellationToken,
    pub(crate) done: JoinHandle<()>,
}

/// An answer that has come to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) async fn of(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Self { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The problem that this must be: its reason, and the first field that is wrong.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, reason: &str, field: &str) -> Value {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text());
        let problem = self.json();
        assert_eq!(self.status, status, "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert_eq!(problem["reason"], reason, "{problem}");
        if !field.is_empty() {
            assert_eq!(problem["errors"][0]["field"], field, "{problem}");
            assert!(!problem["errors"][0]["message"].as_str().unwrap().is_empty(), "{problem}");
        }
        assert!(!problem["detail"].as_str().unwrap().is_empty(), "{problem}");
        problem
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
