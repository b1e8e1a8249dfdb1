//! The check before every RPC.

use axum::{
    extract::{Request, State},
    middleware::{self, Next},
    response::Response,
};
use http::{HeaderMap, header::AUTHORIZATION};
use moviebooking_proto::{
    Problem, Reason,
    access::{self, Access, Level},
};
use tonic::{Status, service::Routes};

use crate::{
    Caller, Verifier,
    caller::{denied, unauthenticated},
};

/// Puts the check before all RPCs of a service: refuses callers who may not call the RPC of the request's path and
/// leaves a [`Caller`] in the extensions of the others' requests.
pub fn protect(routes: Routes, verifier: Verifier) -> Routes {
    Routes::from(routes.into_axum_router().layer(middleware::from_fn_with_state(verifier, check)))
}

async fn check(State(verifier): State<Verifier>, mut request: Request, next: Next) -> Response {
    match authorise(&verifier, request.uri().path(), request.headers()).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(status) => status.into_http(),
    }
}

/// Who makes the request to the RPC at `path`.
///
/// # Errors
/// When that caller may not call it, the token is not valid, or the keys to tell cannot be had.
pub async fn authorise(verifier: &Verifier, path: &str, headers: &HeaderMap) -> Result<Caller, Status> {
    let Some(access) = access::of(path) else {
        return Err(Problem::new(Reason::RouteNotFound, "There is no such method.").into());
    };
    let caller = match bearer(headers) {
        None => Caller::Anonymous,
        // A stale token must not keep anybody from what needs none, such as getting a new one.
        Some(token) if access.level == Level::Public => match verifier.verify(token).await {
            Ok(caller) => caller,
            Err(_) => Caller::Anonymous,
        },
        Some(token) => verifier.verify(token).await?,
    };
    if may_call(access, &caller) {
        return Ok(caller);
    }
    Err(match caller {
        Caller::Anonymous => unauthenticated(),
        _ => denied("Your account may not do this."),
    }
    .into())
}

fn may_call(access: &Access, caller: &Caller) -> bool {
    match (access.level, caller) {
        (Level::Public, _) => true,
        (Level::SignedIn, caller) => *caller != Caller::Anonymous,
        (Level::Staff, Caller::User(user)) => user.admin || !user.staff_of.is_empty(),
        (Level::Admin, caller) => caller.is_admin(),
        (Level::Internal, Caller::Service(name)) => access.callers.iter().any(|allowed| **allowed == **name),
        _ => false,
    }
}

/// The token of `Authorization: Bearer …` (RFC 6750); the scheme's case does not matter.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
