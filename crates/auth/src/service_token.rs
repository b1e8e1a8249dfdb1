//! Service tokens: JWTs of a minute with which the platform's services call each other.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderValue, Request, Response, header::AUTHORIZATION};
use moviebooking_domain::clock::SharedClock;
use moviebooking_serve::{Link, LinkFuture};
use tonic::body::Body;
use tower::{BoxError, Service};

use crate::{ServiceSecret, ServiceSecrets};

/// Seconds that a service token is valid; half of that it is used.
const LIFETIME: i64 = 60;
/// No service lets another wait longer.
const LONGEST_CALL: Duration = Duration::from_secs(10);

/// What one service calls the others with.
#[derive(Clone)]
pub struct ServiceCredentials {
    name: Arc<str>,
    secret: ServiceSecret,
    clock: SharedClock,
    /// By receiving service.
    made: Arc<Mutex<HashMap<&'static str, Made>>>,
}

/// A header that was made.
struct Made {
    header: HeaderValue,
    /// The second from which on a new one is made.
    renew: i64,
    /// With what it was made; with others a new one is.
    secrets: Arc<ServiceSecrets>,
}

impl ServiceCredentials {
    /// The credentials of the service `name`: "payments".
    pub fn new(name: &str, secret: ServiceSecret, clock: SharedClock) -> Self {
        Self { name: name.into(), secret, clock, made: Arc::default() }
    }

    /// A link to the service `to` ("reservations") on which every call carries a token, and no call waits longer for
    /// its answer than ten seconds: most have a shorter deadline of their own.
    pub fn link(&self, to: &'static str, link: Link) -> ServiceLink {
        ServiceLink { credentials: self.clone(), to, link: link.with_deadline(LONGEST_CALL) }
    }

    fn header(&self, to: &'static str) -> Result<HeaderValue, BoxError> {
        let now = self.clock.now().as_second();
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let secrets = self.secret.current();
        if let Some(Made { header, renew, secrets: with }) = made.get(to)
            && now < *renew
            && Arc::ptr_eq(with, &secrets)
        {
            return Ok(header.clone());
        }
        let token = secrets.sign(&self.name, to, now + LIFETIME)?;
        let mut header = HeaderValue::try_from(format!("Bearer {token}"))?;
        header.set_sensitive(true);
        made.insert(to, Made { header: header.clone(), renew: now + LIFETIME / 2, secrets });
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
