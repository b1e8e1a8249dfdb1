//! Tokens of both kinds, the keys they are verified with, and who may call what.

mod access;
mod tokens;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use axum::{Router, extract::State, response::Response, routing::post};
use jiff::{SignedDuration, Timestamp};
use moviebooking_domain::{
    clock::{Clock as _, ManualClock},
    id::{SessionId, TheaterId, UserId},
};
use moviebooking_proto::{
    Reason,
    problem::reason_of,
    users::v1::{GetJwksRequest, Jwk, Jwks},
};
use moviebooking_serve::Link;
use tonic::{Request, Status, service::Routes};

use crate::{Caller, Keys, KeysFromUsers, ServiceSecret, SigningKey, Verifier};

/// What this crate asks of the service that has the keys: one RPC, over the wire.
#[derive(Clone, Default)]
pub(crate) struct Users {
    keys: Arc<Mutex<HashMap<String, Jwk>>>,
    asked: Arc<AtomicUsize>,
    down: Arc<AtomicBool>,
}

impl Users {
    pub(crate) fn publish(&self, key: &SigningKey) {
        self.keys.lock().unwrap().insert(key.id().to_owned(), key.public_jwk());
    }

    pub(crate) fn withdraw(&self, key: &SigningKey) {
        self.keys.lock().unwrap().remove(key.id());
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn answer(&self) -> Result<tonic::Response<Jwks>, Status> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.down.load(Ordering::SeqCst) {
            return Err(Status::internal("a detail that nobody should see"));
        }
        let mut keys: Vec<Jwk> = self.keys.lock().unwrap().values().cloned().collect();
        // Keys of other kinds are no reason to fail.
        keys.push(Jwk { kty: "RSA".to_owned(), kid: "other".to_owned(), ..Jwk::default() });
        Ok(tonic::Response::new(Jwks { keys }))
    }

    fn routes(&self) -> Routes {
        let path = "/moviebooking.users.v1.UsersService/GetJwks";
        Routes::from(Router::new().route(path, post(get_jwks)).with_state(self.clone()))
    }
}

async fn get_jwks(State(users): State<Users>, request: axum::extract::Request) -> Response {
    let answer = tower::service_fn(move |_: Request<GetJwksRequest>| std::future::ready(users.answer()));
    let mut grpc = tonic::server::Grpc::new(tonic_prost::ProstCodec::<Jwks, GetJwksRequest>::default());
    grpc.unary(answer, request).await.map(axum::body::Body::new)
}

/// A verifier of the service "movies", whose keys come from [`Users`].
pub(crate) struct World {
    pub(crate) users: Users,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) secret: ServiceSecret,
    pub(crate) verifier: Verifier,
}

impl World {
    pub(crate) fn new() -> Self {
        let (users, secret) = (Users::default(), ServiceSecret::random());
        let clock = ManualClock::at("2026-11-22T12:00:00Z".parse::<Timestamp>().unwrap());
        let verifier = verifier(&users, &clock, Some(secret.clone()));
        Self { users, clock, secret, verifier }
    }

    /// A key that is published.
    pub(crate) fn key(&self, id: &str) -> SigningKey {
        let key = SigningKey::generate(id.to_owned()).unwrap();
        self.users.publish(&key);
        key
    }

    /// A token of some account, made now.
    pub(crate) fn token(&self, key: &SigningKey, admin: bool, staff_of: &[TheaterId]) -> String {
        let now = self.clock.now();
        key.sign(UserId::new(now), SessionId::new(now), admin, staff_of, now).unwrap()
    }

    pub(crate) async fn reason(&self, token: &str) -> Option<Reason> {
        reason_of(&self.verifier.verify(token).await.expect_err("it is refused"))
    }

    pub(crate) fn pass(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }
}

pub(crate) fn verifier(users: &Users, clock: &Arc<ManualClock>, secret: Option<ServiceSecret>) -> Verifier {
    let source = KeysFromUsers::new(Link::local(users.routes()));
    let keys = Keys::new(source, Arc::clone(clock) as _);
    Verifier::new("movies", Arc::new(keys), secret, Arc::clone(clock) as _)
}

pub(crate) fn service(name: &str) -> Caller {
    Caller::Service(name.into())
}
