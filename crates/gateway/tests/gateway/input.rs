//! Bad requests: one clear answer each that names what is wrong, and no service is asked.

use axum::body::Body;
use http::{Method, StatusCode};

use crate::platform::{As, Platform};

/// Sends a body to a route that takes a whole message and asserts the refusal.
async fn refused(platform: &Platform, body: impl Into<Body>, reason: &str, field: &str) -> serde_json::Value {
    let answer = platform.json(As::Customer, Method::POST, "/reservations", body).await;
    answer.problem(400, reason, field)
}

#[tokio::test]
async fn what_is_no_json_is_refused() {
    let platform = Platform::new().await;
    for body in
        ["{", "nonsense", "{} {}", "[]", "null", "\"text\"", "5", "{\"seats\":[\"A1\"}", "{'seats':[]}"]
    {
        refused(&platform, body, "MALFORMED_BODY", "").await;
    }
    refused(&platform, &b"{\"showtimeId\":\"\xff\xfe\"}"[..], "MALFORMED_BODY", "").await;
    refused(&platform, &b"\x00"[..], "MALFORMED_BODY", "").await;
    assert_eq!(platform.services.was_asked(), 0);
}

#[tokio::test]
async fn a_wrong_value_is_refused_by_the_name_of_its_field() {
    let platform = Platform::new().await;
    for (body, field, fix) in [
        (r#"{"showtimeId":5}"#, "showtimeId", "use a text"),
        (r#"{"seats":"A1"}"#, "seats", "use a list"),
        (r#"{"seats":["A1",2]}"#, "seats[1]", "use a text"),
        (r#"{"seats":[null]}"#, "seats[0]", "use a text"),
        (r#"{"bestAvailable":{"count":"two"}}"#, "bestAvailable.count", "use a whole number"),
        (r#"{"bestAvailable":{"count":3000000000}}"#, "bestAvailable.count", "use a whole number"),
        (r#"{"bestAvailable":{"count":1e400}}"#, "bestAvailable.count", "number out of range"),
        (r#"{"bestAvailable":{"count":1.5}}"#, "bestAvailable.count", "use a whole number"),
        (r#"{"bestAvailable":{"together":"yes"}}"#, "bestAvailable.together", "use true or false"),
        (r#"{"bestAvailable":[]}"#, "bestAvailable", "use an object"),
    ] {
        let answer = platform.json(As::Customer, Method::POST, "/reservations", body).await;
        assert_eq!(answer.status, 400, "{body}");
        let problem = answer.json();
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
        assert!(problem["errors"][0]["message"].as_str().unwrap().starts_with(fix), "{problem}");
    }
    for (body, field) in [
        (r#"{"startTime":"2027-02-29T20:00:00Z"}"#, "startTime"),
        (r#"{"startTime":"2027-02-28 20:00"}"#, "startTime"),
        (r#"{"prices":[{"price":{"amountMinor":"9223372036854775808"}}]}"#, "prices[0].price.amountMinor"),
        (r#"{"state":"SOLD_OUT"}"#, "state"),
    ] {
        let answer = platform.json(As::Staff, Method::POST, "/showtimes", body).await;
        answer.problem(400, "INVALID_ARGUMENT", field);
    }
    assert_eq!(platform.services.was_asked(), 0);
}

#[tokio::test]
async fn an_unknown_field_is_refused_by_its_own_name() {
    let platform = Platform::new().await;
    for (body, field) in [
        (r#"{"seat":["A1"]}"#, "seat"),
        (r#"{"bestAvailable":{"count":1,"near":"C7"}}"#, "bestAvailable.near"),
        (r#"{"ShowtimeID":"s"}"#, "ShowtimeID"),
    ] {
        refused(&platform, body, "INVALID_ARGUMENT", field).await;
    }
    let problem = refused(&platform, r#"{"showtimeID":"s"}"#, "INVALID_ARGUMENT", "showtimeID").await;
    assert!(problem["detail"].as_str().unwrap().contains("did you mean showtimeId?"), "{problem}");
    let long = format!("{{\"{}\":1}}", "ä".repeat(100_000));
    let problem = refused(&platform, long, "INVALID_ARGUMENT", "").await;
    assert!(problem.to_string().len() < 2_000, "the name is cut");
}

#[tokio::test]
async fn a_field_is_given_once() {
    let platform = Platform::new().await;
    refused(&platform, r#"{"showtimeId":"a","showtimeId":"b"}"#, "MALFORMED_BODY", "showtimeId").await;
    refused(&platform, r#"{"showtimeId":"a","showtime_id":"b"}"#, "INVALID_ARGUMENT", "showtime_id").await;
    platform.get(As::Nobody, "/movies?page_size=1&pageSize=2").await.problem(
        400,
        "INVALID_ARGUMENT",
        "pageSize",
    );
}

#[tokio::test]
async fn depth_is_bounded_before_anything_is_decoded() {
    let platform = Platform::new().await;
    for levels in [33, 110, 5_000] {
        let body = format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
        let answer = platform.json(As::Staff, Method::POST, "/halls/h/layouts/import", body).await;
        assert_eq!(answer.status, 400);
        let problem = answer.json();
        assert!(problem["detail"].as_str().unwrap().contains("nest at most 32"), "{problem}");
        assert!(answer.body.len() < 3_000, "the path is cut: {}", answer.body.len());
    }
}

#[tokio::test]
async fn the_content_type_must_be_json_in_utf8() {
    let platform = Platform::new().await;
    let send = async |content_type: Option<&str>| {
        let request =
            platform.request(As::Customer, Method::POST, "/reservations").header("idempotency-key", "k");
        let request =
            content_type.into_iter().fold(request, |request, value| request.header("content-type", value));
        platform.send(request.body("{}".into()).unwrap()).await
    };
    for good in ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=\"UTF-8\""]
    {
        assert_eq!(send(Some(good)).await.status, StatusCode::CREATED, "{good}");
    }
    let bad = [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=latin1",
        "application/jsonp",
        "",
    ];
    for bad in bad.into_iter().map(Some).chain([None]) {
        send(bad).await.problem(415, "UNSUPPORTED_MEDIA_TYPE", "Content-Type");
    }
}

#[tokio::test]
async fn a_body_where_none_belongs_is_refused() {
    let platform = Platform::new().await;
    for method in [Method::GET, Method::DELETE] {
        let answer = platform.json(As::Admin, method, "/movies/m", "{}").await;
        answer.problem(400, "MALFORMED_BODY", "");
    }
}

#[tokio::test]
async fn a_body_that_contradicts_the_path_is_refused() {
    let platform = Platform::new().await;
    let answer = platform.json(As::Staff, Method::PATCH, "/movies/m", r#"{"id":"other","title":"T"}"#).await;
    answer.problem(400, "INVALID_ARGUMENT", "id");
    let answer = platform.json(As::Staff, Method::POST, "/showtimes/s/cancel", r#"{"id":"other"}"#).await;
    answer.problem(400, "INVALID_ARGUMENT", "id");
    let answer = platform.json(As::Staff, Method::POST, "/showtimes/s/cancel", r#"{"id":"s"}"#).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn an_update_without_a_change_is_refused() {
    let platform = Platform::new().await;
    for body in ["", "{}", r#"{"etag":"3"}"#, r#"{"id":"m","createTime":"2027-01-01T00:00:00Z"}"#] {
        platform.json(As::Staff, Method::PATCH, "/movies/m", body).await.problem(
            400,
            "INVALID_ARGUMENT",
            "body",
        );
    }
    assert_eq!(platform.services.was_asked(), 0);
}

#[tokio::test]
async fn a_wrong_query_is_refused_by_the_name_of_its_parameter() {
    let platform = Platform::new().await;
    for (query, field) in [
        ("page_size=many", "page_size"),
        ("pageSize=1000000000000", "pageSize"),
        ("pageSize=", "pageSize"),
        ("nonsense=1", "nonsense"),
        ("pageSize.x=1", "pageSize.x"),
        ("query=%FF", "query"),
        ("%FF=1", "query"),
        ("=", ""),
    ] {
        platform.get(As::Nobody, &format!("/movies?{query}")).await.problem(400, "INVALID_ARGUMENT", field);
    }
    for (path, field) in [
        ("/showtimes?startTimeFrom=2027-02-30T00:00:00Z", "startTimeFrom"),
        ("/showtimes?showCancelled=yes", "showCancelled"),
        ("/movies/m?id=n", "id"),
        ("/theaters/t/halls?theaterId=u", "theaterId"),
    ] {
        platform.get(As::Nobody, path).await.problem(400, "INVALID_ARGUMENT", field);
    }
    let answer = platform.json(As::Customer, Method::POST, "/reservations?seats=A1", "{}").await;
    answer.problem(400, "INVALID_ARGUMENT", "seats");
    let answer = platform.json(As::Staff, Method::PATCH, "/movies/m?movie.title=T", r#"{"title":"T"}"#).await;
    answer.problem(400, "INVALID_ARGUMENT", "movie.title");
    let answer = platform.json(As::Staff, Method::PATCH, "/movies/m?updateMask=ti%20tle", "{}").await;
    answer.problem(400, "INVALID_ARGUMENT", "updateMask");
    let long = format!("/movies?query={}", "a".repeat(9_000));
    platform.get(As::Nobody, &long).await.problem(400, "INVALID_ARGUMENT", "query");
    assert_eq!(platform.services.was_asked(), 0);
}

#[tokio::test]
async fn a_wrong_path_is_refused() {
    let platform = Platform::new().await;
    platform.get(As::Nobody, "/halls/h/layouts/newest").await.problem(400, "INVALID_ARGUMENT", "version");
    platform.get(As::Nobody, "/halls/h/layouts/99999999999").await.problem(
        400,
        "INVALID_ARGUMENT",
        "version",
    );
    platform.get(As::Nobody, "/movies/%FF").await.problem(400, "INVALID_ARGUMENT", "path");
    for path in ["/nowhere", "/movies/", "/movies//", "//movies", "/movies/m/x", "/Movies"] {
        platform.get(As::Nobody, path).await.problem(404, "ROUTE_NOT_FOUND", "");
    }
}

#[tokio::test]
async fn a_wrong_method_is_refused_with_the_right_ones() {
    let platform = Platform::new().await;
    let send = async |method: Method, path: &str| {
        platform.send(platform.request(As::Admin, method, path).body(Body::empty()).unwrap()).await
    };
    for (method, path, allow) in [
        (Method::PUT, "/movies", "GET, HEAD, OPTIONS, POST"),
        (Method::TRACE, "/movies/m", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        (Method::GET, "/users/login", "OPTIONS, POST"),
        (Method::PATCH, "/users/me", "GET, HEAD, OPTIONS"),
        (Method::HEAD, "/payments/charge", "OPTIONS, POST"),
        (Method::POST, "/healthz", "GET, HEAD, OPTIONS"),
    ] {
        let answer = send(method.clone(), path).await;
        assert_eq!(
            (answer.status, answer.header("allow")),
            (StatusCode::METHOD_NOT_ALLOWED, allow),
            "{method} {path}"
        );
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    let answer = send(Method::OPTIONS, "/movies").await;
    assert_eq!((answer.status, answer.header("allow")), (StatusCode::NO_CONTENT, "GET, HEAD, OPTIONS, POST"));
}
