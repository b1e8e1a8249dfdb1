//! Who may call what.

use axum::body::Body;
use http::{
    HeaderMap, HeaderValue,
    header::{AUTHORIZATION, HeaderName},
};
use tower::ServiceExt as _;

use super::*;
use crate::{ServiceCredentials, User, authorise, protect};

const PUBLIC: &str = "/moviebooking.users.v1.UsersService/Login";
const SIGNED_IN: &str = "/moviebooking.users.v1.UsersService/GetMe";
const STAFF: &str = "/moviebooking.movies.v1.MoviesService/CreateShowtime";
const ADMIN: &str = "/moviebooking.users.v1.UsersService/ListUsers";
const INTERNAL: &str = "/moviebooking.reservations.v1.ReservationsInternal/ConfirmReservation";

fn bearer(value: &str) -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(value).unwrap())])
}

impl World {
    async fn call(&self, path: &str, authorisation: &str) -> Result<Caller, Option<Reason>> {
        let headers = if authorisation.is_empty() { HeaderMap::new() } else { bearer(authorisation) };
        authorise(&self.verifier, path, &headers).await.map_err(|status| reason_of(&status))
    }

    /// The authorisation header of the service `name`, for the service of this verifier.
    async fn service_header(&self, name: &str) -> String {
        let seen = Arc::new(Mutex::new(String::new()));
        let keep = Arc::clone(&seen);
        let answer = move |headers: HeaderMap| {
            headers[AUTHORIZATION].to_str().unwrap().clone_into(&mut keep.lock().unwrap());
            std::future::ready(())
        };
        let link = Link::local(Routes::from(Router::new().route("/any", post(answer))));
        let credentials = ServiceCredentials::new(name, self.secret.clone(), Arc::clone(&self.clock) as _);
        let call = http::Request::post("/any").body(tonic::body::Body::empty()).unwrap();
        credentials.link("movies", link).oneshot(call).await.unwrap();
        seen.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn each_level_lets_in_whom_it_should() {
    let world = World::new();
    let key = world.key("1");
    let theater = TheaterId::new(world.clock.now());
    let callers = [
        String::new(),
        format!("Bearer {}", world.token(&key, false, &[])),
        format!("Bearer {}", world.token(&key, false, &[theater])),
        format!("Bearer {}", world.token(&key, true, &[])),
        world.service_header("payments").await,
        world.service_header("tickets").await,
    ];
    let (ok, denied, anonymous) = (None, Some(Reason::PermissionDenied), Some(Reason::Unauthenticated));
    for (path, expected) in [
        (PUBLIC, [ok, ok, ok, ok, ok, ok]),
        (SIGNED_IN, [anonymous, ok, ok, ok, ok, ok]),
        (STAFF, [anonymous, denied, ok, ok, denied, denied]),
        (ADMIN, [anonymous, denied, denied, ok, denied, denied]),
        (INTERNAL, [anonymous, denied, denied, denied, ok, denied]),
    ] {
        for (caller, expected) in callers.iter().zip(expected) {
            let refused = world.call(path, caller).await.err().flatten();
            assert_eq!(refused, expected, "{path} {caller:.20}");
        }
    }
    for unknown in ["/", "/moviebooking.users.v1.UsersService/Nothing", "/grpc.health.v1.Health/Check"] {
        assert_eq!(world.call(unknown, &callers[3]).await, Err(Some(Reason::RouteNotFound)));
    }
}

#[tokio::test]
async fn the_header_is_read_as_its_standard_says() {
    let world = World::new();
    let token = world.token(&world.key("1"), true, &[]);
    for good in [format!("Bearer {token}"), format!("bearer {token}"), format!("BEARER   {token} ")] {
        assert!(world.call(ADMIN, &good).await.unwrap().is_admin(), "{good:.10}");
    }
    for none in [token.clone(), format!("Basic {token}"), "Bearer".to_owned()] {
        assert_eq!(world.call(ADMIN, &none).await, Err(Some(Reason::Unauthenticated)), "{none:.10}");
    }
    assert_eq!(world.call(ADMIN, "Bearer ").await, Err(Some(Reason::InvalidToken)));
    let odd = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_bytes(b"Bearer \xff").unwrap())]);
    assert!(authorise(&world.verifier, ADMIN, &odd).await.is_err());
}

#[tokio::test]
async fn a_stale_token_keeps_nobody_from_what_is_public() {
    let world = World::new();
    let token = world.token(&world.key("1"), false, &[]);
    let header = format!("Bearer {token}");
    assert!(matches!(world.call(PUBLIC, &header).await, Ok(Caller::User(_))));
    world.pass(15 * 60);
    assert_eq!(world.call(PUBLIC, &header).await, Ok(Caller::Anonymous));
    assert_eq!(world.call(PUBLIC, "Bearer x").await, Ok(Caller::Anonymous));
    assert_eq!(world.call(SIGNED_IN, &header).await, Err(Some(Reason::InvalidToken)));
    // Not even where the keys cannot be had.
    world.users.set_down(true);
    world.pass(1);
    let unknown = world.token(&SigningKey::generate("2".to_owned()).unwrap(), false, &[]);
    assert_eq!(world.call(PUBLIC, &format!("Bearer {unknown}")).await, Ok(Caller::Anonymous));
}

#[tokio::test]
async fn handlers_are_told_who_calls_and_are_not_called_by_others() {
    let world = World::new();
    let token = world.token(&world.key("1"), true, &[]);
    let called = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&called);
    let handler = move |request: axum::extract::Request| {
        count.fetch_add(1, Ordering::SeqCst);
        let admin = request.extensions().get::<Caller>().is_some_and(Caller::is_admin);
        std::future::ready([(HeaderName::from_static("admin"), HeaderValue::from(u16::from(admin)))])
    };
    let routes = Routes::from(Router::new().route(SIGNED_IN, post(handler)));
    let router = protect(routes, world.verifier.clone()).into_axum_router();
    let call = |authorisation: Option<String>| {
        let mut request = http::Request::post(SIGNED_IN).body(Body::empty()).unwrap();
        // A caller that somebody else put there is not believed.
        request.extensions_mut().insert(service("payments"));
        if let Some(value) = authorisation {
            request.headers_mut().extend(bearer(&value));
        }
        router.clone().oneshot(request)
    };
    let answer = call(Some(format!("Bearer {token}"))).await.unwrap();
    assert_eq!(answer.headers()["admin"], "1");
    for refused in [None, Some("Bearer x".to_owned())] {
        let answer = call(refused).await.unwrap();
        assert_eq!(answer.headers()["grpc-status"], "16");
    }
    assert_eq!(called.load(Ordering::SeqCst), 1);
}

#[test]
fn a_caller_is_what_it_is_and_no_more() {
    let now = Timestamp::UNIX_EPOCH;
    let (id, theater, other) = (UserId::new(now), TheaterId::new(now), TheaterId::new(now));
    let user = |admin, staff_of: &[TheaterId]| {
        let (session, staff_of) = (SessionId::new(now), staff_of.to_vec());
        Caller::User(Arc::new(User { id, session, admin, staff_of, expire_time: Timestamp::MAX }))
    };
    let (staff, admin) = (user(false, &[theater]), user(true, &[]));
    assert!(staff.runs(theater) && !staff.runs(other) && !staff.is_admin() && staff.is(id));
    assert!(admin.runs(other) && admin.is_admin() && !admin.is(UserId::new(now)));
    assert_eq!(staff.must_run(other).unwrap_err().reason(), Reason::PermissionDenied);
    assert!(admin.must_run(other).is_ok());
    assert_eq!(admin.user().unwrap().id, id);

    let payments = service("payments");
    assert!(payments.is_service() && !payments.is_admin() && !payments.runs(theater) && !payments.is(id));
    assert_eq!(payments.user().unwrap_err().reason(), Reason::PermissionDenied);
    assert_eq!(Caller::Anonymous.user().unwrap_err().reason(), Reason::Unauthenticated);
    let scopes = [Caller::Anonymous.key_scope(), payments.key_scope(), staff.key_scope()];
    assert_eq!(scopes, ["anonymous".to_owned(), "service:payments".to_owned(), id.to_string()]);

    let mut request = Request::new(());
    assert_eq!(Caller::of(&request), Caller::Anonymous);
    request.extensions_mut().insert(staff.clone());
    assert_eq!(Caller::of(&request), staff);
}
