//! Service tokens: JWTs of a minute with which the platform's services call each other.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use http::{HeaderValue, Request, Response, header::AUTHORIZATION};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use moviebooking_domain::clock::SharedClock;
use moviebooking_serve::{Link, LinkFuture};
use serde::{Deserialize, Serialize};
use tonic::body::Body;
use tower::{BoxError, Service};

/// `iss` of service tokens.
const ISSUER: &str = "moviebooking-service";
/// Seconds that a service token is valid; half of that it is used.
const LIFETIME: i64 = 60;
const LEAST_BYTES: usize = 32;

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    exp: i64,
}

/// The secret is too short to be one.
#[derive(Debug, thiserror::Error)]
#[error("use at least {LEAST_BYTES} random bytes, for example from `openssl rand -hex 32`")]
pub struct ServiceSecretError;

/// The secret that the platform's services share to know each other by.
#[derive(Clone)]
pub struct ServiceSecret {
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl ServiceSecret {
    /// A secret from configuration.
    ///
    /// # Errors
    /// When it is shorter than 32 bytes.
    pub fn new(secret: &[u8]) -> Result<Self, ServiceSecretError> {
        if secret.len() < LEAST_BYTES {
            return Err(ServiceSecretError);
        }
        Ok(Self { encoding: EncodingKey::from_secret(secret), decoding: DecodingKey::from_secret(secret) })
    }

    /// A random secret, for services of one process.
    pub fn random() -> Self {
        let secret: [u8; LEAST_BYTES] = rand::random();
        Self { encoding: EncodingKey::from_secret(&secret), decoding: DecodingKey::from_secret(&secret) }
    }

    /// The service that made the token for `audience`, and until when it is valid.
    pub(crate) fn verify(&self, token: &str, audience: &str) -> Option<(Arc<str>, Timestamp)> {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "iss", "sub", "aud"]);
        // The injected clock decides, not the library's.
        validation.validate_exp = false;
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &validation).ok()?.claims;
        Some((claims.sub.into(), Timestamp::from_second(claims.exp).ok()?))
    }
}

/// What one service calls the others with.
#[derive(Clone)]
pub struct ServiceCredentials {
    name: Arc<str>,
    secret: ServiceSecret,
    clock: SharedClock,
    /// By receiving service: the header and the second from which on a new one is made.
    made: Arc<Mutex<HashMap<&'static str, (HeaderValue, i64)>>>,
}

impl ServiceCredentials {
    /// The credentials of the service `name`: "payments".
    pub fn new(name: &str, secret: ServiceSecret, clock: SharedClock) -> Self {
        Self { name: name.into(), secret, clock, made: Arc::default() }
    }

    /// A link to the service `to` ("reservations") on which every call carries a token.
    pub fn link(&self, to: &'static str, link: Link) -> ServiceLink {
        ServiceLink { credentials: self.clone(), to, link }
    }

    fn header(&self, to: &'static str) -> Result<HeaderValue, BoxError> {
        let now = self.clock.now().as_second();
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((header, renew)) = made.get(to)
            && now < *renew
        {
            return Ok(header.clone());
        }
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: self.name.to_string(),
            aud: to.to_owned(),
            exp: now + LIFETIME,
        };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.secret.encoding)?;
        let mut header = HeaderValue::try_from(format!("Bearer {token}"))?;
        header.set_sensitive(true);
        made.insert(to, (header.clone(), now + LIFETIME / 2));
        Ok(header)
    }
}

/// A link on which every call carries the service's token; generated clients take it like a [`Link`].
#[derive(Clone)]
pub struct ServiceLink {
    credentials: ServiceCredentials,
    to: &'static str,
    link: Link,
}

impl Service<Request<Body>> for ServiceLink {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = LinkFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.link.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> LinkFuture {
        match self.credentials.header(self.to) {
            Ok(header) => {
                request.headers_mut().insert(AUTHORIZATION, header);
            }
            // Without a token the receiver refuses the call, which the caller of the call is told.
            Err(error) => tracing::error!(%error, to = self.to, "no service token could be made"),
        }
        self.link.call(request)
    }
}
