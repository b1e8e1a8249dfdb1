//! What a service's refusal becomes.

use std::time::Duration;

use http::{Method, StatusCode};
use moviebooking_proto::{Problem, Reason};
use tonic::Status;

use crate::platform::{As, Platform};

#[tokio::test]
async fn a_refusal_keeps_its_reason_fields_and_details() {
    let platform = Platform::new().await;
    platform.services.refuses(
        "create_reservation",
        Problem::new(Reason::SeatUnavailable, "Seat C7 was taken by another buyer.")
            .field("seats[0]", "C7 is taken: choose another seat")
            .meta("seats", "C7"),
    );
    let answer = platform.json(As::Customer, Method::POST, "/reservations", "{}").await;
    let problem = answer.problem(409, "SEAT_UNAVAILABLE", "seats[0]");
    assert_eq!((&problem["code"], &problem["metadata"]["seats"]), (&"ALREADY_EXISTS".into(), &"C7".into()));
    assert_eq!(problem["detail"], "Seat C7 was taken by another buyer.");
}

#[tokio::test]
async fn fields_have_the_names_that_the_client_wrote() {
    let platform = Platform::new().await;
    platform
        .services
        .refuses("create_movie", Problem::invalid("movie.release_date", "use a date that exists"));
    let problem = platform.json(As::Staff, Method::POST, "/movies", r#"{"releaseDate":"x"}"#).await;
    let problem = problem.problem(400, "INVALID_ARGUMENT", "releaseDate");
    assert_eq!(problem["detail"], "releaseDate: use a date that exists");
    platform.services.refuses("list_movies", Problem::invalid("page_size", "use 1 to 200"));
    platform.get(As::Nobody, "/movies?page_size=-1").await.problem(400, "INVALID_ARGUMENT", "pageSize");
    platform.services.refuses("create_movie", Problem::invalid("request_id", "use at most 100 characters"));
    let answer = platform.json(As::Staff, Method::POST, "/movies", "{}").await;
    answer.problem(400, "INVALID_ARGUMENT", "Idempotency-Key");
}

#[tokio::test]
async fn every_reason_has_its_status() {
    let platform = Platform::new().await;
    for reason in Reason::ALL {
        platform.services.refuses("get_movie", Problem::new(*reason, "No."));
        platform.get(As::Nobody, "/movies/m").await.problem(reason.http_status(), reason.name(), "");
    }
}

#[tokio::test]
async fn when_to_come_back_is_a_header_too() {
    let platform = Platform::new().await;
    let problem =
        Problem::new(Reason::RateLimited, "Too many attempts.").retry_after(Duration::from_millis(61_001));
    platform.services.refuses("login", problem);
    let answer = platform.json(As::Nobody, Method::POST, "/users/login", "{}").await;
    assert_eq!(answer.problem(429, "RATE_LIMITED", "")["retryAfter"], 62);
    assert_eq!(answer.header("retry-after"), "62");
}

#[tokio::test]
async fn who_must_sign_in_is_told_how() {
    let platform = Platform::new().await;
    let answer = platform.get(As::Nobody, "/users/me").await;
    answer.problem(401, "UNAUTHENTICATED", "");
    assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"moviebooking\"");
    let request =
        platform.request(As::Nobody, Method::GET, "/users/me").header("authorization", "Bearer nonsense");
    let answer = platform.send(request.body(axum::body::Body::empty()).unwrap()).await;
    answer.problem(401, "INVALID_TOKEN", "");
    assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"moviebooking\", error=\"invalid_token\"");
    platform.get(As::Customer, "/users").await.problem(403, "PERMISSION_DENIED", "");
    platform.json(As::Customer, Method::POST, "/movies", "{}").await.problem(403, "PERMISSION_DENIED", "");
    platform.json(As::Nobody, Method::POST, "/movies", "not read").await.problem(401, "UNAUTHENTICATED", "");
    assert_eq!(platform.services.was_asked(), 0, "nothing was passed on");
    assert_eq!(platform.get(As::Admin, "/users").await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_went_wrong_inside_is_not_told() {
    let platform = Platform::new().await;
    for status in [Status::internal("secret"), Status::unknown("secret"), Status::data_loss("secret")] {
        platform.services.refuses("get_movie", status);
        let answer = platform.get(As::Nobody, "/movies/m").await;
        answer.problem(500, "INTERNAL", "");
        assert!(!answer.text().contains("secret"), "{}", answer.text());
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_does_not_answer_is_given_up() {
    let platform = Platform::new().await;
    platform.services.held.lock().unwrap().insert("get_movie", Default::default());
    platform.get(As::Nobody, "/movies/m").await.problem(504, "DEADLINE_EXCEEDED", "");
}

#[tokio::test]
async fn a_service_that_is_down_is_unavailable() {
    let down = Platform::down().await;
    down.get(As::Nobody, "/movies").await.problem(503, "UNAVAILABLE", "");
    // Without keys nobody can be told from anybody else.
    down.get(As::Customer, "/users/me").await.problem(503, "UNAVAILABLE", "");
    down.get(As::Nobody, "/readyz").await.problem(503, "UNAVAILABLE", "");
    assert_eq!(down.get(As::Nobody, "/healthz").await.status, StatusCode::OK);
}
