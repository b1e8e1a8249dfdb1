//! What a good request becomes, and what its answer does.

use axum::body::Body;
use http::{Method, StatusCode};
use moviebooking_gateway::Config;
use moviebooking_proto::{
    Problem, Reason,
    google::api::HttpBody,
    money::v1::Money,
    movies::v1::*,
    payments::v1::{Payment, ReceiveWebhookRequest, RefundRequest},
    reservations::v1::{CreateReservationRequest, GetSeatMapRequest, SeatsEvent},
    theaters::v1::{GetLayoutRequest, ImportLayoutRequest, Layout},
    users::v1::*,
};
use serde_json::json;

use crate::platform::{As, Platform};

#[tokio::test]
async fn a_path_fills_a_field_of_any_scalar_type() {
    let platform = Platform::new().await;
    assert_eq!(platform.get(As::Nobody, "/movies/a%2Fb%20%C3%A4").await.status, StatusCode::OK);
    assert_eq!(platform.services.asked().message::<GetMovieRequest>().id, "a/b ä");
    assert_eq!(platform.get(As::Nobody, "/halls/h/layouts/7").await.status, StatusCode::OK);
    let asked: GetLayoutRequest = platform.services.asked().message();
    assert_eq!((asked.hall_id.as_str(), asked.version), ("h", 7));
}

#[tokio::test]
async fn a_literal_path_wins_over_a_variable() {
    let platform = Platform::new().await;
    platform.get(As::Customer, "/users/me").await;
    assert_eq!(platform.services.asked().rpc, "get_me");
    platform.get(As::Customer, "/users/you").await;
    assert_eq!(platform.services.asked().rpc, "get_user");
    platform.get(As::Nobody, "/tickets/keys").await;
    assert_eq!(platform.services.asked().rpc, "get_ticket_keys");
}

#[tokio::test]
async fn a_query_fills_fields_by_either_name_and_lists_by_repetition() {
    let platform = Platform::new().await;
    let query =
        "page_size=20&minRunningTimeMinutes=90&genres=Drama&genres=Sci-Fi&genres=a%26b+c&query=%C3%A4";
    assert_eq!(platform.get(As::Nobody, &format!("/movies?{query}")).await.status, StatusCode::OK);
    let asked: ListMoviesRequest = platform.services.asked().message();
    assert_eq!((asked.page_size, asked.min_running_time_minutes, asked.query.as_str()), (20, 90, "ä"));
    assert_eq!(asked.genres, ["Drama", "Sci-Fi", "a&b c"]);
    let query = "startTimeFrom=2027-01-31T20:15:00.5%2B01:00&show_cancelled=true";
    assert_eq!(platform.get(As::Nobody, &format!("/showtimes?{query}")).await.status, StatusCode::OK);
    let asked: ListShowtimesRequest = platform.services.asked().message();
    let expected = prost_types::Timestamp { seconds: 1_801_422_900, nanos: 500_000_000 };
    assert_eq!((asked.start_time_from, asked.show_cancelled), (Some(expected), true));
}

#[tokio::test]
async fn a_body_is_the_message_or_one_of_its_fields() {
    let platform = Platform::new().await;
    let body = r#"{"showtimeId":"s","seats":["A1","A2"],"best_available":{"count":"2"}}"#;
    let answer = platform.json(As::Customer, Method::POST, "/reservations", body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    let asked: CreateReservationRequest = platform.services.asked().message();
    assert_eq!((asked.showtime_id.as_str(), asked.request_id.as_str()), ("s", "key-1"));
    assert_eq!(
        (asked.seats, asked.best_available.unwrap().count),
        (vec!["A1".to_owned(), "A2".to_owned()], 2)
    );
    let answer =
        platform.json(As::Staff, Method::POST, "/movies", r#"{"title":"T","runningTimeMinutes":null}"#).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    let asked: CreateMovieRequest = platform.services.asked().message();
    assert_eq!(asked.movie, Some(Movie { title: "T".to_owned(), ..Movie::default() }));
    assert_eq!(asked.request_id, "key-1");
}

#[tokio::test]
async fn an_empty_body_is_an_empty_object() {
    let platform = Platform::new().await;
    let request =
        platform.request(As::Staff, Method::POST, "/showtimes/s/cancel").body(Body::empty()).unwrap();
    assert_eq!(platform.send(request).await.status, StatusCode::OK);
    assert_eq!(platform.services.asked().message::<CancelShowtimeRequest>().id, "s");
}

#[tokio::test]
async fn the_path_fills_a_field_within_the_body() {
    let platform = Platform::new().await;
    let answer =
        platform.json(As::Staff, Method::PATCH, "/movies/m", r#"{"id":"m","title":"T","etag":"3"}"#).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let asked: UpdateMovieRequest = platform.services.asked().message();
    let movie = asked.movie.unwrap();
    assert_eq!((movie.id.as_str(), movie.title.as_str(), movie.etag.as_str()), ("m", "T", "3"));
}

#[tokio::test]
async fn an_update_changes_what_its_body_has_unless_a_mask_says_otherwise() {
    let platform = Platform::new().await;
    let mut masks = Vec::new();
    for (query, body) in [
        ("", r#"{"id":"m","title":"T","releaseDate":"","critics_score":null,"etag":"3","createTime":null}"#),
        ("?update_mask=title", r#"{"title":"T","synopsis":"S"}"#),
        ("?updateMask=title,releaseDate", "{}"),
        ("?updateMask=release_date", "{}"),
        ("?updateMask=*", r#"{"title":"T"}"#),
    ] {
        let answer = platform.json(As::Staff, Method::PATCH, &format!("/movies/m{query}"), body).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        let mut paths = platform.services.asked().message::<UpdateMovieRequest>().update_mask.unwrap().paths;
        paths.sort();
        masks.push(paths.join(","));
    }
    let expected = ["critics_score,release_date,title", "title", "release_date,title", "release_date", "*"];
    assert_eq!(masks, expected);
}

#[tokio::test]
async fn an_idempotency_key_comes_in_a_header_or_in_the_body() {
    let platform = Platform::new().await;
    let send = async |header: Option<&str>, body: &'static str| {
        let request = platform.request(As::Staff, Method::POST, "/payments/p/refund");
        let request = header.into_iter().fold(request, |request, key| request.header("idempotency-key", key));
        platform.send(request.header("content-type", "application/json").body(body.into()).unwrap()).await
    };
    for (header, body) in [
        (Some("k"), "{}"),
        (Some("\"k\""), "{}"),
        (Some("k"), r#"{"requestId":"k"}"#),
        (None, r#"{"request_id":"k"}"#),
    ] {
        let answer = send(header, body).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        let asked: RefundRequest = platform.services.asked().message();
        assert_eq!((asked.payment_id.as_str(), asked.request_id.as_str()), ("p", "k"));
    }
    send(Some("a"), r#"{"requestId":"b"}"#).await.problem(400, "INVALID_ARGUMENT", "Idempotency-Key");
    send(Some(" "), "{}").await.problem(400, "INVALID_ARGUMENT", "Idempotency-Key");
    send(None, "{}").await.problem(400, "IDEMPOTENCY_KEY_MISSING", "Idempotency-Key");
}

#[tokio::test]
async fn an_answer_is_canonical_json_with_its_defaults() {
    let platform = Platform::new().await;
    let amount = Money { amount_minor: 9_007_199_254_740_993, currency_code: "EUR".to_owned() };
    let created = prost_types::Timestamp { seconds: 1_800_000_000, nanos: 500_000_000 };
    platform.services.answers(
        "get_payment",
        Ok(Payment {
            id: "p".to_owned(),
            state: 5,
            amount: Some(amount),
            create_time: Some(created),
            ..Payment::default()
        }),
    );
    let answer = platform.get(As::Customer, "/payments/p").await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(
        answer.json(),
        json!({
            "id": "p", "reservationId": "", "userId": "", "theaterId": "", "showtimeId": "", "state": "COMPLETED",
            "amount": { "amountMinor": "9007199254740993", "currencyCode": "EUR" },
            "provider": "", "failureReason": "", "ticketIds": [], "createTime": "2027-01-15T08:00:00.500Z", "history": [],
            "providerReference": "", "parked": false, "parkedReason": "", "offers": [], "exchangeOf": "",
        })
    );
    // A state of a newer build of the service.
    platform.services.answers("get_payment", Ok(Payment { state: 42, ..Payment::default() }));
    assert_eq!(platform.get(As::Customer, "/payments/p").await.json()["state"], 42);
}

#[tokio::test]
async fn the_status_says_what_was_done() {
    let platform = Platform::new().await;
    let register = r#"{"email":"a@example.com","password":"p","displayName":"A"}"#;
    assert_eq!(platform.json(As::Nobody, Method::POST, "/users/register", register).await.status, 201);
    assert_eq!(platform.json(As::Nobody, Method::POST, "/users/login", "{}").await.status, 200);
    let deleted = platform
        .send(platform.request(As::Admin, Method::DELETE, "/movies/m").body(Body::empty()).unwrap())
        .await;
    assert_eq!((deleted.status, deleted.body.len()), (StatusCode::NO_CONTENT, 0));
    platform.services.answers("publish_layout", Ok(Layout { version: 2, ..Layout::default() }));
    assert_eq!(platform.json(As::Staff, Method::POST, "/halls/h/layouts", "{}").await.status, 201);
}

#[tokio::test]
async fn bytes_are_answered_as_they_are_with_their_own_type() {
    let platform = Platform::new().await;
    let pdf =
        HttpBody { content_type: "application/pdf".to_owned(), data: "%PDF-1.7".into(), extensions: vec![] };
    platform.services.answers("get_ticket_pdf", Ok(pdf));
    let answer = platform.get(As::Customer, "/tickets/0199-a/pdf").await;
    assert_eq!(answer.header("content-type"), "application/pdf");
    assert_eq!(answer.header("content-disposition"), "inline; filename=\"tickets-0199-a.pdf\"");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.text(), "%PDF-1.7");
}

#[tokio::test]
async fn a_raw_body_goes_on_byte_for_byte_with_what_signs_it() {
    let platform = Platform::new().await;
    for (content_type, body) in
        [("application/json", &b"{ \"id\" : 1 }\n"[..]), ("text/plain", b"\xff\0"), ("", b"")]
    {
        let request = platform
            .request(As::Nobody, Method::POST, "/payments/webhooks/stripe")
            .header("content-type", content_type)
            .header("stripe-signature", "t=1,v1=ab")
            .header("webhook-id", "msg_1")
            .header("x-secret", "s");
        let answer = platform.send(request.body(Body::from(body)).unwrap()).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        let asked = platform.services.asked();
        let message: ReceiveWebhookRequest = asked.message();
        let raw = message.body.unwrap();
        assert_eq!(
            (message.provider.as_str(), raw.content_type.as_str(), &raw.data[..]),
            ("stripe", content_type, body)
        );
        assert_eq!(asked.metadata.get("stripe-signature").unwrap(), "t=1,v1=ab");
        assert_eq!(asked.metadata.get("webhook-id").unwrap(), "msg_1");
        assert!(asked.metadata.get("x-secret").is_none());
    }
    // No other route passes them on.
    platform.get(As::Nobody, "/movies?pageSize=1").await;
    assert!(platform.services.asked().metadata.get("stripe-signature").is_none());
}

#[tokio::test]
async fn a_struct_is_any_json_object() {
    let platform = Platform::new().await;
    let plan =
        r#"{"name":"Hall","zones":[{"rows":[{"row_number":"A","seats":[{"x":1.5,"ok":true,"no":null}]}]}]}"#;
    let answer = platform.json(As::Staff, Method::POST, "/halls/h/layouts/import", plan).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    let asked: ImportLayoutRequest = platform.services.asked().message();
    assert!(asked.seating_plan.unwrap().fields.contains_key("zones"));
    // The deepest that is taken can be decoded by the service.
    let deepest = format!("{}1{}", "{\"a\":".repeat(32), "}".repeat(32));
    let answer = platform.json(As::Staff, Method::POST, "/halls/h/layouts/import", deepest).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    let mut value = platform.services.asked().message::<ImportLayoutRequest>().seating_plan.unwrap();
    let mut levels = 1;
    while let Some(prost_types::value::Kind::StructValue(inner)) = value.fields.remove("a").unwrap().kind {
        (value, levels) = (inner, levels + 1);
    }
    assert_eq!(levels, 32);
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let platform = Platform::new().await;
    for path in ["/movies", "/healthz", "/openapi.json"] {
        let get = platform.get(As::Nobody, path).await;
        let head = platform
            .send(platform.request(As::Nobody, Method::HEAD, path).body(Body::empty()).unwrap())
            .await;
        assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
    }
}

#[tokio::test]
async fn only_what_is_nobodys_own_may_be_kept() {
    let platform = Platform::new().await;
    for (caller, path, expected) in [
        (As::Nobody, "/movies", "public, max-age=5"),
        (As::Customer, "/movies", "no-store"),
        (As::Nobody, "/showtimes/s/seats", "no-cache"),
        (As::Customer, "/showtimes/s/seats", "no-store"),
        (As::Customer, "/users/me", "no-store"),
        (As::Nobody, "/nowhere", "no-store"),
    ] {
        assert_eq!(platform.get(caller, path).await.header("cache-control"), expected, "{path}");
    }
    assert_eq!(platform.services.asked().rpc, "get_me");
}

#[tokio::test]
async fn only_known_headers_go_on_and_none_come_back() {
    let platform = Platform::new().await;
    let request = platform
        .request(As::Customer, Method::GET, "/showtimes/s/seats")
        .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        .header("x-request-id", "r-1")
        .header("x-forwarded-for", "6.6.6.6")
        .header("grpc-timeout", "1n")
        .header("content-length", "0")
        .header("x-admin", "true")
        .header("connection", "keep-alive");
    let answer = platform.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("grpc-")), "{:?}", answer.headers);
    let asked = platform.services.asked();
    assert_eq!(asked.message::<GetSeatMapRequest>().showtime_id, "s");
    assert!(asked.metadata.get("authorization").is_some());
    assert_eq!(asked.metadata.get("x-request-id").unwrap(), "r-1");
    assert!(asked.metadata.get("traceparent").is_some());
    for name in ["x-admin", "x-forwarded-for", "connection", "content-length"] {
        assert!(asked.metadata.get(name).is_none(), "{name}");
    }
}

#[tokio::test]
async fn the_address_of_the_client_goes_on() {
    let platform = Platform::new().await;
    let served = platform.serve().await;
    let client = reqwest::Client::new();
    let answer = client.post(format!("{}/users/login", served.url)).header("x-forwarded-for", "6.6.6.6");
    let answer = answer.json(&json!({ "email": "a@example.com", "password": "p" })).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.headers().contains_key("x-request-id"));
    let asked = platform.services.asked();
    assert_eq!(asked.metadata.get("x-forwarded-for").unwrap(), "127.0.0.1");
    assert_eq!(asked.message::<LoginRequest>().email, "a@example.com");
}

#[tokio::test]
async fn behind_a_trusted_proxy_its_word_for_the_client_goes_on() {
    let trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let platform = Platform::with(Config { trusted_proxies, ..Config::default() }).await;
    let served = platform.serve().await;
    let request = reqwest::Client::new().get(format!("{}/movies", served.url));
    let answer = request.header("x-forwarded-for", "6.6.6.6, 198.51.100.7").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(platform.services.asked().metadata.get("x-forwarded-for").unwrap(), "198.51.100.7");
}

#[tokio::test]
async fn large_json_is_compressed_and_small_is_not() {
    let platform = Platform::new().await;
    let send = async |encoding: &'static str| {
        let request =
            platform.request(As::Nobody, Method::GET, "/movies").header("accept-encoding", encoding);
        platform.send(request.body(Body::empty()).unwrap()).await
    };
    assert_eq!(send("gzip").await.header("content-encoding"), "");
    let movie = Movie { synopsis: "long ".repeat(50), ..Movie::default() };
    platform
        .services
        .answers("list_movies", Ok(ListMoviesResponse { movies: vec![movie; 50], ..Default::default() }));
    let plain = send("identity").await;
    assert_eq!(plain.header("content-encoding"), "");
    for encoding in ["gzip", "br"] {
        let answer = send(encoding).await;
        assert_eq!(answer.header("content-encoding"), encoding);
        assert!(answer.body.len() * 5 < plain.body.len(), "{encoding}");
    }
}

#[tokio::test]
async fn services_across_the_network_are_reached_alike() {
    let platform = Platform::across_the_network().await;
    platform.services.answers("get_movie", Ok(Movie { id: "m".to_owned(), ..Movie::default() }));
    let answer = platform.get(As::Nobody, "/movies/m").await;
    assert_eq!((answer.status, &answer.json()["id"]), (StatusCode::OK, &"m".into()), "{}", answer.text());
    assert_eq!(platform.get(As::Customer, "/users/me").await.status, StatusCode::OK);
    platform.services.refuses("get_movie", Problem::new(Reason::MovieNotFound, "There is no such movie."));
    platform.get(As::Nobody, "/movies/m").await.problem(404, "MOVIE_NOT_FOUND", "");
    let events = platform.services.streams();
    events.send(Ok(SeatsEvent { sequence: 7, event: None })).await.unwrap();
    drop(events);
    let answer = platform.get(As::Nobody, "/showtimes/s/seats/watch").await;
    assert!(answer.text().contains("id: 7"), "{}", answer.text());
}
