//! Streams as server-sent events.

use std::time::Duration;

use axum::body::Body;
use futures::StreamExt as _;
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use moviebooking_gateway::Config;
use moviebooking_proto::{
    Problem, Reason,
    reservations::v1::{SeatChange, SeatChanges, SeatMap, SeatsEvent, WatchSeatsRequest, seats_event::Event},
};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tower::ServiceExt as _;

use crate::platform::{As, Platform};

const PATH: &str = "/showtimes/s/seats/watch";
const SOON: Duration = Duration::from_secs(10);

fn snapshot(sequence: i64) -> SeatsEvent {
    SeatsEvent { sequence, event: Some(Event::Snapshot(SeatMap { sequence, ..SeatMap::default() })) }
}

fn change(sequence: i64) -> SeatsEvent {
    let seats = vec![SeatChange { label: "C7".to_owned(), state: 2 }];
    SeatsEvent { sequence, event: Some(Event::Changes(SeatChanges { seats })) }
}

#[tokio::test]
async fn messages_are_events_with_their_sequence_as_id() {
    let platform = Platform::new().await;
    let events = platform.services.streams();
    events.send(Ok(change(41))).await.unwrap();
    events.send(Ok(change(42))).await.unwrap();
    drop(events);
    let answer = platform.get(As::Nobody, PATH).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), "text/event-stream");
    assert_eq!(answer.header("x-accel-buffering"), "no");
    let data = r#""changes":{"seats":[{"label":"C7","state":"HELD"}]}}"#;
    let expected = [41, 42].map(|id| format!("data: {{\"sequence\":\"{id}\",{data}\nid: {id}\n\n"));
    assert_eq!(answer.text(), expected.concat());
}

#[tokio::test]
async fn a_client_goes_on_behind_the_last_event_it_saw() {
    let platform = Platform::new().await;
    for (query, last, expected) in
        [("", None, 0), ("?afterSequence=7", None, 7), ("?after_sequence=7", Some("9"), 9)]
    {
        drop(platform.services.streams());
        let request = platform.request(As::Nobody, Method::GET, &format!("{PATH}{query}"));
        let request = last.into_iter().fold(request, |request, last| request.header("last-event-id", last));
        assert_eq!(platform.send(request.body(Body::empty()).unwrap()).await.status, StatusCode::OK);
        let asked: WatchSeatsRequest = platform.services.asked().message();
        assert_eq!((asked.showtime_id.as_str(), asked.after_sequence), ("s", expected));
    }
    let request = platform.request(As::Nobody, Method::GET, PATH).header("last-event-id", "x");
    let answer = platform.send(request.body(Body::empty()).unwrap()).await;
    answer.problem(400, "INVALID_ARGUMENT", "Last-Event-ID");
}

#[tokio::test]
async fn a_refusal_before_the_stream_is_a_problem() {
    let platform = Platform::new().await;
    platform
        .services
        .refuses("watch_seats", Problem::new(Reason::ShowtimeNotFound, "There is no such showtime."));
    platform.get(As::Nobody, PATH).await.problem(404, "SHOWTIME_NOT_FOUND", "");
}

#[tokio::test]
async fn a_failure_within_the_stream_is_an_event() {
    let platform = Platform::new().await;
    let events = platform.services.streams();
    events.send(Ok(change(1))).await.unwrap();
    events.send(Err(Status::internal("secret"))).await.unwrap();
    let answer = platform.get(As::Nobody, PATH).await;
    let text = answer.text();
    let (_, error) = text.split_once("\n\n").unwrap();
    assert!(error.contains("event: error\n") && error.contains("\"reason\":\"INTERNAL\""), "{error}");
    assert!(!text.contains("secret"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_is_kept_alive_and_never_cut() {
    let platform = Platform::new().await;
    let events = platform.services.streams();
    events.send(Ok(snapshot(1))).await.unwrap();
    let request = platform.request(As::Nobody, Method::GET, PATH).body(Body::empty()).unwrap();
    let mut body = platform.router().oneshot(request).await.unwrap().into_body().into_data_stream();
    assert!(body.next().await.unwrap().unwrap().starts_with(b"data: "));
    let begun = tokio::time::Instant::now();
    for _ in 0..20 {
        assert_eq!(body.next().await.unwrap().unwrap(), ":\n\n");
    }
    assert_eq!(begun.elapsed().as_secs(), 300);
    events.send(Ok(change(2))).await.unwrap();
    assert!(body.next().await.unwrap().unwrap().starts_with(b"data: "));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_does_not_begin_is_given_up() {
    let platform = Platform::new().await;
    platform.services.held.lock().unwrap().insert("watch_seats", Default::default());
    platform.get(As::Nobody, PATH).await.problem(504, "DEADLINE_EXCEEDED", "");
}

#[tokio::test]
async fn a_stop_ends_the_stream_cleanly_and_a_client_that_leaves_ends_it_in_the_service() {
    let platform = Platform::new().await;
    let served = platform.serve().await;
    let url = format!("{}{PATH}", served.url);
    let events = platform.services.streams();
    events.send(Ok(snapshot(1))).await.unwrap();
    let mut response = reqwest::get(&url).await.unwrap();
    assert!(response.chunk().await.unwrap().unwrap().starts_with(b"data: "));
    drop(response);
    tokio::time::timeout(SOON, events.closed()).await.expect("the service's stream ended");

    let events = platform.services.streams();
    events.send(Ok(snapshot(1))).await.unwrap();
    let mut response = reqwest::get(&url).await.unwrap();
    assert!(response.chunk().await.unwrap().unwrap().starts_with(b"data: "));
    let stop = CancellationToken::new();
    stop.cancel();
    platform.gateway.run_background(stop).await;
    assert_eq!(tokio::time::timeout(SOON, response.chunk()).await.unwrap().unwrap(), None);
    served.stop.cancel();
    tokio::time::timeout(SOON, served.done).await.unwrap().unwrap();
}

#[tokio::test]
async fn more_streams_than_may_be_open_are_refused() {
    let platform = Platform::with(Config { max_streams: 1, ..Config::default() }).await;
    let _events = platform.services.streams();
    let request = platform.request(As::Nobody, Method::GET, PATH).body(Body::empty()).unwrap();
    let open = platform.router().oneshot(request).await.unwrap();
    assert_eq!(open.status(), StatusCode::OK);
    platform.get(As::Nobody, PATH).await.problem(503, "OVERLOADED", "");
    let mut body = open.into_body();
    drop(platform.services.streams());
    drop(_events);
    assert!(body.frame().await.is_none());
    drop(body);
    assert_eq!(platform.get(As::Nobody, PATH).await.status, StatusCode::OK);
}
