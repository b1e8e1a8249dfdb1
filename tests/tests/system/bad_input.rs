//! Bad input over REST: one clear answer that names the field and the fix, and never a 5xx.

use moviebooking_tests::{Answer, Rest, key};
use reqwest::{
    Method,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use serde_json::{Value, json};

async fn send_raw(rest: &Rest, path: &str, content_type: &str, body: impl Into<reqwest::Body>) -> Answer {
    let request =
        rest.request(Method::POST, path).header("idempotency-key", key()).header(CONTENT_TYPE, content_type);
    rest.send(request.body(body)).await
}

/// A hold of these seats of a showtime.
async fn hold(rest: &Rest, showtime: &str, seats: Value) -> Answer {
    rest.post("/reservations", json!({"showtimeId": showtime, "seats": seats})).await
}

#[tokio::test]
async fn bodies_that_are_not_what_the_route_takes() {
    let system = crate::system();
    let customer = system.new_customer().await;
    let send = |body: String| {
        let customer = customer.clone();
        async move { send_raw(&customer, "/reservations", "application/json", body).await }
    };
    send("{".to_owned()).await.problem(400, "MALFORMED_BODY");
    send("[1]".to_owned()).await.problem(400, "MALFORMED_BODY");
    send(format!("{}{}", "[".repeat(10_000), "]".repeat(10_000))).await.problem(400, "MALFORMED_BODY");
    let nested = format!("{{\"bestAvailable\":{}1{}}}", "{\"count\":".repeat(5_000), "}".repeat(5_000));
    send(nested).await.problem(400, "MALFORMED_BODY");
    send(json!({"showtimeId": "x", "surprise": 1}).to_string()).await.bad_field(
        400,
        "INVALID_ARGUMENT",
        "surprise",
    );
    send(json!({"showtimeId": 5}).to_string()).await.bad_field(400, "INVALID_ARGUMENT", "showtimeId");
    send(json!({"bestAvailable": {"count": "many"}}).to_string()).await.bad_field(
        400,
        "INVALID_ARGUMENT",
        "bestAvailable.count",
    );
    send(json!({"bestAvailable": {"count": 99_999_999_999_u64}}).to_string()).await.bad_field(
        400,
        "INVALID_ARGUMENT",
        "bestAvailable.count",
    );

    send_raw(&customer, "/reservations", "text/plain", "{}").await.problem(415, "UNSUPPORTED_MEDIA_TYPE");
    let invalid_utf8 = b"{\"showtimeId\":\"\xff\xfe\"}".to_vec();
    send_raw(&customer, "/reservations", "application/json", invalid_utf8)
        .await
        .problem(400, "MALFORMED_BODY");
    let huge = vec![b' '; 100 * 1024 * 1024];
    send_raw(&customer, "/reservations", "application/json", huge).await.problem(413, "BODY_TOO_LARGE");
    customer.get("/users/me").await.ok();
}

#[tokio::test]
async fn paths_and_queries_that_lead_nowhere() {
    let system = crate::system();
    let visitor = system.rest();
    visitor.get("/nowhere").await.problem(404, "ROUTE_NOT_FOUND");
    let answer = visitor.send(visitor.request(Method::DELETE, "/movies")).await;
    assert!(answer.headers["allow"].to_str().unwrap().contains("GET"));
    answer.problem(405, "METHOD_NOT_ALLOWED");
    visitor.get("/movies/not-an-id").await.bad_field(400, "INVALID_ARGUMENT", "id");
    visitor.get("/movies/%ff%fe").await.problem(400, "INVALID_ARGUMENT");
    visitor.get(&format!("/movies/{}", key())).await.problem(404, "MOVIE_NOT_FOUND");
    visitor.get("/movies?surprise=1").await.bad_field(400, "INVALID_ARGUMENT", "surprise");
    visitor.get("/movies?pageSize=many").await.bad_field(400, "INVALID_ARGUMENT", "pageSize");
    visitor.get("/movies?pageSize=-1").await.bad_field(400, "INVALID_ARGUMENT", "pageSize");
    assert_eq!(visitor.get("/movies?pageSize=0").await.ok()["movies"].as_array().unwrap().len(), 50);
    assert_eq!(
        visitor.get("/movies?pageSize=1000000000").await.ok()["movies"].as_array().unwrap().len(),
        200
    );
    visitor.get("/movies?pageSize=99999999999").await.bad_field(400, "INVALID_ARGUMENT", "pageSize");
    visitor.get("/movies?releasedFrom=2026-02-30").await.bad_field(400, "INVALID_ARGUMENT", "releasedFrom");
    visitor.get("/showtimes?localDate=2026-13-01").await.bad_field(400, "INVALID_ARGUMENT", "localDate");
    visitor.get("/showtimes?startTimeFrom=yesterday").await.bad_field(
        400,
        "INVALID_ARGUMENT",
        "startTimeFrom",
    );
    visitor.get("/movies?query=%00").await.problem(400, "INVALID_ARGUMENT");
}

#[tokio::test]
async fn page_tokens_belong_to_their_list_and_filters() {
    let visitor = crate::system().rest();
    let first = visitor.get("/movies?pageSize=2&query=the").await.ok();
    let token = first["nextPageToken"].as_str().unwrap();
    let second = visitor.get(&format!("/movies?pageSize=2&query=the&pageToken={token}")).await.ok();
    assert_ne!(first["movies"], second["movies"]);
    visitor.get(&format!("/movies?pageToken={token}")).await.bad_field(
        400,
        "INVALID_PAGE_TOKEN",
        "pageToken",
    );
    let mut tampered = token.to_owned();
    tampered.replace_range(3..4, if &token[3..4] == "A" { "B" } else { "A" });
    visitor.get(&format!("/movies?query=the&pageToken={tampered}")).await.bad_field(
        400,
        "INVALID_PAGE_TOKEN",
        "pageToken",
    );
}

#[tokio::test]
async fn idempotency_keys_that_are_missing_or_no_keys() {
    let system = crate::system();
    let customer = system.new_customer().await;
    let body = json!({"showtimeId": system.showtime().await, "bestAvailable": {"count": 1}});
    let without = customer.send(customer.request(Method::POST, "/reservations").json(&body)).await;
    without.problem(400, "IDEMPOTENCY_KEY_MISSING");
    let long = customer.request(Method::POST, "/reservations").header("idempotency-key", "x".repeat(300));
    let problem = customer.send(long.json(&body)).await;
    assert_eq!(problem.status, 400, "{}", problem.json);
}

#[tokio::test]
async fn seats_that_cannot_be_held() {
    let system = crate::system();
    let (customer, showtime) = (system.new_customer().await, system.showtime().await);
    hold(&customer, &showtime, json!(["ZZ99"])).await.bad_field(400, "SEAT_NOT_FOUND", "seats[0]");
    hold(&customer, &showtime, json!(["D5", "D5"])).await.bad_field(400, "INVALID_ARGUMENT", "seats[1]");
    hold(&customer, &showtime, json!([])).await.bad_field(400, "INVALID_ARGUMENT", "seats");
    let eleven: Vec<String> = (1..=11).map(|number| format!("D{number}")).collect();
    hold(&customer, &showtime, json!(eleven)).await.bad_field(400, "INVALID_ARGUMENT", "seats");
    let best = |count: i64| {
        let body = json!({"showtimeId": showtime, "bestAvailable": {"count": count}});
        let customer = customer.clone();
        async move { customer.post("/reservations", body).await }
    };
    best(0).await.bad_field(400, "INVALID_ARGUMENT", "bestAvailable.count");
    best(11).await.bad_field(400, "INVALID_ARGUMENT", "bestAvailable.count");
    hold(&customer, &key(), json!(["A1"])).await.problem(404, "SHOWTIME_NOT_FOUND");
    hold(&customer, "today", json!(["A1"])).await.bad_field(400, "INVALID_ARGUMENT", "showtimeId");

    // Taken by somebody else: the answer names the seat.
    let taken = customer
        .post(
            "/reservations",
            json!({"showtimeId": showtime, "bestAvailable": {"count": 2, "together": true}}),
        )
        .await
        .ok();
    let label = taken["seats"][0]["label"].as_str().unwrap();
    let other = system.new_customer().await;
    let problem = hold(&other, &showtime, json!([label])).await.problem(409, "SEAT_UNAVAILABLE");
    assert!(problem["detail"].as_str().unwrap().contains(label), "{problem}");
}

#[tokio::test]
async fn money_that_does_not_fit_the_hold() {
    let system = crate::system();
    let (customer, other) = (system.new_customer().await, system.new_customer().await);
    let showtime = system.showtime().await;
    let held = customer
        .post("/reservations", json!({"showtimeId": showtime, "bestAvailable": {"count": 1}}))
        .await
        .ok();
    let charge = |who: &Rest, amount: Value, token: &str| {
        let body = json!({"reservationId": held["id"], "amount": amount, "paymentToken": token});
        let who = who.clone();
        async move { who.post("/payments/charge", body).await }
    };
    let total = held["total"].clone();
    charge(&customer, json!({"amountMinor": "1", "currencyCode": "EUR"}), "tok_approve")
        .await
        .problem(409, "AMOUNT_MISMATCH");
    let dollars = json!({"amountMinor": total["amountMinor"], "currencyCode": "USD"});
    charge(&customer, dollars, "tok_approve").await.problem(409, "AMOUNT_MISMATCH");
    let no_currency = json!({"amountMinor": total["amountMinor"], "currencyCode": "ZZZ"});
    charge(&customer, no_currency, "tok_approve").await.bad_field(
        400,
        "INVALID_ARGUMENT",
        "amount.currencyCode",
    );
    charge(&customer, total.clone(), "tok_unheard_of").await.bad_field(
        400,
        "INVALID_PAYMENT_TOKEN",
        "paymentToken",
    );
    charge(&other, total.clone(), "tok_approve").await.problem(404, "RESERVATION_NOT_FOUND");
    let id = held["id"].as_str().unwrap();
    other.delete(&format!("/reservations/{id}")).await.problem(404, "RESERVATION_NOT_FOUND");
    customer.delete(&format!("/reservations/{id}")).await.ok();
    charge(&customer, total, "tok_approve").await.problem(409, "HOLD_RELEASED");
}

#[tokio::test]
async fn theaters_halls_and_showtimes_that_cannot_be() {
    let system = crate::system();
    let (admin, staff) = (system.admin().await, system.staff().await);
    let theater = |time_zone: &str, currency: &str| {
        let body = json!({"displayName": "Nowhere", "timeZone": time_zone, "currencyCode": currency});
        let admin = admin.clone();
        async move { admin.post("/theaters", body).await }
    };
    theater("Mars/Olympus", "EUR").await.bad_field(400, "INVALID_ARGUMENT", "timeZone");
    theater("Europe/Berlin", "EURO").await.bad_field(400, "INVALID_ARGUMENT", "currencyCode");

    let shown = staff.get(&format!("/showtimes/{}", system.showtime().await)).await.ok();
    let showtime = |hall: &str, start: &str| {
        let body = json!({"movieId": shown["movieId"], "hallId": hall, "startTime": start, "prices": []});
        let staff = staff.clone();
        async move { staff.post("/showtimes", body).await }
    };
    showtime(&key(), "2030-01-01T12:00:00Z").await.problem(404, "HALL_NOT_FOUND");
    let foreign = admin.get("/theaters?pageSize=200").await.ok();
    let new_york =
        foreign["theaters"].as_array().unwrap().iter().find(|t| t["timeZone"] == "America/New_York").unwrap();
    let halls = admin.get(&format!("/theaters/{}/halls", new_york["id"].as_str().unwrap())).await.ok();
    let foreign_hall = halls["halls"][0]["id"].as_str().unwrap();
    showtime(foreign_hall, "2030-01-01T12:00:00Z").await.problem(403, "PERMISSION_DENIED");
    let hall = shown["hallId"].as_str().unwrap();
    showtime(hall, "2030-02-30T12:00:00Z").await.bad_field(400, "INVALID_ARGUMENT", "startTime");
    showtime(hall, "2001-01-01T12:00:00Z").await.bad_field(400, "INVALID_ARGUMENT", "startTime");
}

#[tokio::test]
async fn layouts_that_no_hall_can_have() {
    let system = crate::system();
    let admin = system.admin().await;
    let shown = admin.get(&format!("/showtimes/{}", system.showtime().await)).await.ok();
    let path = format!("/theaters/{}/halls", shown["theaterId"].as_str().unwrap());
    let hall = admin.post(&path, json!({"displayName": format!("Hall {}", key())})).await.ok();
    let layouts = format!("/halls/{}/layouts", hall["id"].as_str().unwrap());
    let publish = |seats: Value| {
        let layout = json!({
            "categories": [{"name": "standard", "color": "#112233"}],
            "rows": [{"label": "A", "seats": seats}],
        });
        let (admin, layouts) = (admin.clone(), layouts.clone());
        async move { admin.post(&layouts, layout).await }
    };
    let seat = |label: &str, x: i32, kind: &str, of: &str| json!({"label": label, "category": "standard", "kind": kind, "x": x, "companionOf": of});
    publish(json!([seat("A1", 0, "STANDARD", ""), seat("A1", 100, "STANDARD", "")])).await.bad_field(
        400,
        "INVALID_ARGUMENT",
        "rows[0].seats[1].label",
    );
    publish(json!([seat("A1", 0, "STANDARD", ""), seat("A2", 10, "STANDARD", "")]))
        .await
        .problem(400, "INVALID_ARGUMENT");
    publish(json!([seat("A1", 0, "COMPANION", "A9")])).await.bad_field(
        400,
        "INVALID_ARGUMENT",
        "rows[0].seats[0].companionOf",
    );
    assert_eq!(publish(json!([seat("A1", 0, "STANDARD", "")])).await.ok()["version"], 1);
}

#[tokio::test]
async fn guessing_passwords_is_stopped_and_says_for_how_long() {
    let system = crate::system();
    let (email, visitor) = (format!("{}@buyers.example", key()), system.rest());
    let guess = || visitor.post("/users/login", json!({"email": email, "password": "not the password"}));
    let mut refused = 0;
    let stopped = loop {
        let answer = guess().await;
        if answer.status == 429 {
            break answer;
        }
        answer.problem(401, "INVALID_CREDENTIALS");
        refused += 1;
        assert!(refused < 50, "nobody stops the guessing");
    };
    let wait: u64 = stopped.headers[RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=15 * 60).contains(&wait), "{wait}");
    stopped.problem(429, "RATE_LIMITED");
}
