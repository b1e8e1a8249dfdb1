//! Limits, browsers of other origins, and what the gateway answers by itself.

use std::time::Duration;

use axum::body::{Body, Bytes};
use futures::stream;
use http::{Method, StatusCode};
use moviebooking_gateway::Config;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::platform::{Answer, As, Platform};

/// What must happen, happens within this.
const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_refused_unread() {
    let platform = Platform::new().await;
    // Reading it would wait for ever.
    let endless = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
    let request = platform.request(As::Customer, Method::POST, "/reservations");
    let request = request.header("content-type", "application/json").header("content-length", "100000000");
    let answer = tokio::time::timeout(SOON, platform.send(request.body(endless).unwrap())).await.unwrap();
    answer.problem(413, "BODY_TOO_LARGE", "");
}

#[tokio::test]
async fn a_body_that_turns_out_too_large_is_refused_where_it_does() {
    let platform = Platform::new().await;
    let endless =
        Body::from_stream(stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 4096]))));
    let answer = platform.json(As::Customer, Method::POST, "/reservations", endless).await;
    answer.problem(413, "BODY_TOO_LARGE", "");
}

#[tokio::test]
async fn a_client_that_sends_too_much_still_sees_the_answer() {
    let platform = Platform::new().await;
    let served = platform.serve().await;
    let chunk = Bytes::from(vec![b' '; 1 << 20]);
    let client = reqwest::Client::new();
    let token = platform.token(As::Customer).unwrap();
    let send = async |body: reqwest::Body| {
        let request = client.post(format!("{}/reservations", served.url)).bearer_auth(&token);
        let answer = request.header("content-type", "application/json").body(body).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    };
    let whole = vec![b' '; 100 << 20];
    let pieces = stream::iter((0..100).map(move |_| Ok::<_, std::io::Error>(chunk.clone())));
    for body in [reqwest::Body::from(whole), reqwest::Body::wrap_stream(pieces)] {
        let (status, text) = send(body).await;
        assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
        assert!(text.contains("BODY_TOO_LARGE"), "{text}");
    }
}

#[tokio::test]
async fn a_limit_of_ones_own_holds_for_every_protocol() {
    let platform = Platform::with(Config { max_body_bytes: 10, ..Config::default() }).await;
    let answer = platform.json(As::Customer, Method::POST, "/reservations", r#"{"seats":["A1"]}"#).await;
    answer.problem(413, "BODY_TOO_LARGE", "");
    let request =
        platform.request(As::Nobody, Method::POST, "/moviebooking.movies.v1.MoviesService/GetMovie");
    let request = request.header("content-type", "application/grpc-web").body(vec![0; 11].into()).unwrap();
    assert_eq!(platform.send(request).await.header("grpc-status"), "8");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_drips_is_given_up() {
    let platform = Platform::new().await;
    let dripping = Body::from_stream(stream::unfold((), async |()| {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Some((Ok::<_, std::io::Error>(Bytes::from_static(b" ")), ()))
    }));
    platform.json(As::Customer, Method::POST, "/reservations", dripping).await.problem(
        408,
        "REQUEST_TIMEOUT",
        "",
    );
}

#[tokio::test]
async fn more_requests_than_can_be_worked_on_are_refused() {
    let platform = Platform::with(Config { max_requests: 1, ..Config::default() }).await;
    let held = std::sync::Arc::<tokio::sync::Notify>::default();
    platform.services.held.lock().unwrap().insert("get_movie", held.clone());
    let request = platform.request(As::Nobody, Method::GET, "/movies/m").body(Body::empty()).unwrap();
    let running = tokio::spawn(platform.router().oneshot(request));
    tokio::time::timeout(SOON, async {
        while platform.services.was_asked() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    let refused = platform.get(As::Nobody, "/movies").await;
    refused.problem(503, "OVERLOADED", "");
    assert_eq!(refused.header("retry-after"), "1");
    let call = platform.request(As::Nobody, Method::POST, "/moviebooking.movies.v1.MoviesService/GetMovie");
    let call = call.header("content-type", "application/grpc-web").body(vec![0; 5].into()).unwrap();
    assert_eq!(platform.send(call).await.header("grpc-status"), "8");
    assert_eq!(
        platform.get(As::Nobody, "/healthz").await.status,
        StatusCode::OK,
        "health is always answered"
    );
    held.notify_one();
    let answer = Answer::of(running.await.unwrap().unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(platform.get(As::Nobody, "/movies").await.status, StatusCode::OK);
}

#[tokio::test]
async fn pages_of_other_origins_need_leave() {
    let preflight = |origin: &'static str| {
        http::Request::builder()
            .method(Method::OPTIONS)
            .uri("/reservations")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,idempotency-key,x-grpc-web")
            .body(Body::empty())
            .unwrap()
    };
    let closed = Platform::new().await;
    assert_eq!(closed.send(preflight("https://a.example")).await.header("access-control-allow-origin"), "");
    let config = Config { cors_origins: vec!["https://a.example".parse().unwrap()], ..Config::default() };
    let open = Platform::with(config).await;
    let answer = open.send(preflight("https://a.example")).await;
    assert_eq!(answer.header("access-control-allow-origin"), "https://a.example");
    for name in ["idempotency-key", "x-grpc-web", "last-event-id", "authorization"] {
        assert!(answer.header("access-control-allow-headers").contains(name), "{name}");
    }
    assert_eq!(open.send(preflight("https://b.example")).await.header("access-control-allow-origin"), "");
    let request = open.request(As::Nobody, Method::GET, "/movies").header("origin", "https://a.example");
    let answer = open.send(request.body(Body::empty()).unwrap()).await;
    for name in ["grpc-status", "grpc-message", "grpc-status-details-bin", "retry-after"] {
        assert!(answer.header("access-control-expose-headers").contains(name), "{name}");
    }
    let any = Platform::with(Config { cors_origins: vec!["*".parse().unwrap()], ..Config::default() }).await;
    assert_eq!(any.send(preflight("https://b.example")).await.header("access-control-allow-origin"), "*");
}

#[tokio::test]
async fn readiness_follows_the_keys_and_the_end() {
    let platform = Platform::new().await;
    platform.get(As::Nobody, "/readyz").await.problem(503, "UNAVAILABLE", "");
    let stop = CancellationToken::new();
    let ready = async |expected: StatusCode| {
        while platform.get(As::Nobody, "/readyz").await.status != expected {
            tokio::task::yield_now().await;
        }
    };
    let watched = async {
        tokio::time::timeout(SOON, ready(StatusCode::OK)).await.unwrap();
        stop.cancel();
        tokio::time::timeout(SOON, ready(StatusCode::SERVICE_UNAVAILABLE)).await.unwrap();
    };
    tokio::join!(platform.gateway.run_background(stop.clone()), watched);
}

#[tokio::test]
async fn the_document_is_served_with_an_etag() {
    let platform = Platform::new().await;
    let answer = platform.get(As::Nobody, "/openapi.json").await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.text(), moviebooking_gateway::openapi_document().unwrap());
    for known in
        [answer.header("etag").to_owned(), format!("\"x\", W/{}", answer.header("etag")), "*".to_owned()]
    {
        let request =
            platform.request(As::Nobody, Method::GET, "/openapi.json").header("if-none-match", known);
        let again = platform.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
    }
    assert_eq!(platform.get(As::Nobody, "/").await.json()["openapi"], "/openapi.json");
}

#[test]
fn the_committed_document_is_the_generated_one() {
    let committed = include_str!("../../../../openapi.json");
    assert!(
        committed == moviebooking_gateway::openapi_document().unwrap(),
        "`cargo xtask generate` writes it anew"
    );
}
