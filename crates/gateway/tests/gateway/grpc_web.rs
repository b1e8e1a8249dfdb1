//! gRPC-Web over HTTP/1.1, binary and text, and bodies that no client of ours would send.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{Method, StatusCode, Version};
use moviebooking_proto::{
    Problem, Reason,
    movies::v1::{GetMovieRequest, Movie},
    reservations::v1::{SeatsEvent, WatchSeatsRequest},
};
use prost::Message;

use crate::platform::{Answer, As, Platform};

const GET_MOVIE: &str = "/moviebooking.movies.v1.MoviesService/GetMovie";
const WATCH: &str = "/moviebooking.reservations.v1.ReservationsService/WatchSeats";

fn framed(message: &impl Message) -> Vec<u8> {
    let mut frame = vec![0];
    frame.extend(u32::try_from(message.encoded_len()).unwrap().to_be_bytes());
    frame.extend(message.encode_to_vec());
    frame
}

/// The messages of an answer, and its trailers as text.
fn unframed(mut body: &[u8]) -> (Vec<Vec<u8>>, String) {
    let mut messages = Vec::new();
    while let [flag, a, b, c, d, rest @ ..] = body {
        let (content, rest) = rest.split_at(u32::from_be_bytes([*a, *b, *c, *d]) as usize);
        if *flag == 0x80 {
            assert!(rest.is_empty(), "the trailers are last");
            return (messages, String::from_utf8(content.to_vec()).unwrap());
        }
        messages.push(content.to_vec());
        body = rest;
    }
    (messages, String::new())
}

async fn call(platform: &Platform, path: &str, content_type: &str, body: Vec<u8>) -> Answer {
    let text = content_type.contains("-text");
    let body = if text { STANDARD.encode(body).into_bytes() } else { body };
    let request = platform.request(As::Nobody, Method::POST, path);
    let request =
        request.header("content-type", content_type).header("accept", content_type).header("x-grpc-web", "1");
    let mut answer = platform.send(request.body(body.into()).unwrap()).await;
    if text {
        // Each frame is base64 of its own, with its own padding.
        let text = answer.text();
        let mut decoded = Vec::new();
        for part in text.split_inclusive('=').flat_map(|part| if part == "=" { None } else { Some(part) }) {
            let trimmed = part.trim_end_matches('=');
            decoded.extend(base64::engine::general_purpose::STANDARD_NO_PAD.decode(trimmed).unwrap());
        }
        answer.body = decoded;
    }
    answer
}

#[tokio::test]
async fn a_call_goes_through_in_binary_and_text() {
    let platform = Platform::new().await;
    let movie = Movie { id: "m".to_owned(), title: "T".to_owned(), ..Movie::default() };
    platform.services.answers("get_movie", Ok(movie.clone()));
    for (content_type, answered) in [
        ("application/grpc-web", "application/grpc-web+proto"),
        ("application/grpc-web+proto", "application/grpc-web+proto"),
        ("application/grpc-web-text", "application/grpc-web-text+proto"),
        ("application/grpc-web-text+proto", "application/grpc-web-text+proto"),
    ] {
        let answer =
            call(&platform, GET_MOVIE, content_type, framed(&GetMovieRequest { id: "m".to_owned() })).await;
        assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, answered));
        let (messages, trailers) = unframed(&answer.body);
        assert_eq!(messages, [movie.encode_to_vec()], "{content_type}");
        assert!(trailers.contains("grpc-status:0"), "{trailers}");
        assert_eq!(platform.services.asked().message::<GetMovieRequest>().id, "m");
    }
}

#[tokio::test]
async fn the_answer_is_of_the_kind_that_is_accepted_among_others() {
    let platform = Platform::new().await;
    for (content_type, accept, answered) in [
        ("application/grpc-web-text", None, "application/grpc-web-text+proto"),
        ("application/grpc-web-text", Some("*/*"), "application/grpc-web-text+proto"),
        (
            "application/grpc-web-text",
            Some("application/json, application/grpc-web"),
            "application/grpc-web+proto",
        ),
        ("application/grpc-web", Some("application/grpc-web-text,*/*"), "application/grpc-web-text+proto"),
        ("application/grpc-web", Some("text/html"), "application/grpc-web+proto"),
    ] {
        let request =
            platform.request(As::Nobody, Method::POST, GET_MOVIE).header("content-type", content_type);
        let request = accept.into_iter().fold(request, |request, accept| request.header("accept", accept));
        let body = framed(&GetMovieRequest::default());
        let body = if content_type.contains("text") { STANDARD.encode(body).into_bytes() } else { body };
        let answer = platform.send(request.body(body.into()).unwrap()).await;
        assert_eq!(answer.header("content-type"), answered, "{content_type} {accept:?}");
    }
}

#[tokio::test]
async fn a_refusal_goes_through_with_its_details() {
    let platform = Platform::new().await;
    platform.services.refuses("get_movie", Problem::new(Reason::MovieNotFound, "There is no such movie."));
    for content_type in ["application/grpc-web+proto", "application/grpc-web-text"] {
        let answer = call(&platform, GET_MOVIE, content_type, framed(&GetMovieRequest::default())).await;
        assert_eq!((answer.status, answer.header("grpc-status")), (StatusCode::OK, "5"));
        assert_eq!(answer.header("grpc-message"), "There%20is%20no%20such%20movie.");
        assert!(!answer.header("grpc-status-details-bin").is_empty());
    }
    let path = "/moviebooking.users.v1.UsersService/GetMe";
    let answer = call(&platform, path, "application/grpc-web", framed(&GetMovieRequest::default())).await;
    assert_eq!(answer.header("grpc-status"), "16");
    let answer = call(&platform, "/no.Service/Method", "application/grpc-web", vec![0; 5]).await;
    assert_eq!(answer.header("grpc-status"), "12");
}

#[tokio::test]
async fn a_stream_goes_through() {
    let platform = Platform::new().await;
    for content_type in ["application/grpc-web+proto", "application/grpc-web-text"] {
        let events = platform.services.streams();
        let sent = [1, 2].map(|sequence| SeatsEvent { sequence, event: None });
        for event in &sent {
            events.send(Ok(event.clone())).await.unwrap();
        }
        drop(events);
        let answer = call(&platform, WATCH, content_type, framed(&WatchSeatsRequest::default())).await;
        let (messages, trailers) = unframed(&answer.body);
        assert_eq!(messages, sent.map(|event| event.encode_to_vec()));
        assert!(trailers.contains("grpc-status:0"), "{trailers}");
    }
}

#[tokio::test]
async fn a_body_that_is_no_message_is_the_callers_fault() {
    for platform in [Platform::new().await, Platform::across_the_network().await] {
        bodies_that_are_no_message(&platform).await;
    }
}

async fn bodies_that_are_no_message(platform: &Platform) {
    let good = framed(&GetMovieRequest { id: "m".to_owned() });
    let not_utf8 = [&[0, 0, 0, 0, 4][..], &[10, 2, 0xff, 0xfe]].concat();
    for bad in [
        vec![],
        vec![0; 4],
        good[..6].to_vec(),
        [&good[..], &good].concat(),
        vec![7; 5],
        not_utf8,
        vec![0, 0, 0, 0, 2, 10, 9],
    ] {
        let answer = call(platform, GET_MOVIE, "application/grpc-web", bad.clone()).await;
        assert_eq!(answer.header("grpc-status"), "3", "{bad:?}: {:?}", answer.headers);
    }
    let request = platform
        .request(As::Nobody, Method::POST, GET_MOVIE)
        .header("content-type", "application/grpc-web-text");
    let answer = platform.send(request.body("AAAA!!!!".into()).unwrap()).await;
    assert_eq!(answer.header("grpc-status"), "3", "{:?}", answer.headers);
    let mut compressed = good.clone();
    compressed[0] = 1;
    let answer = call(platform, GET_MOVIE, "application/grpc-web", compressed).await;
    assert!(["3", "12"].contains(&answer.header("grpc-status")), "{:?}", answer.headers);
    assert_eq!(platform.services.was_asked(), 0);
}

#[tokio::test]
async fn what_is_almost_grpc_is_told_apart() {
    let platform = Platform::new().await;
    let send = async |method: Method, content_type: &str, version: Version| {
        let request = platform.request(As::Nobody, method, GET_MOVIE).version(version);
        platform.send(request.header("content-type", content_type).body(vec![0; 5].into()).unwrap()).await
    };
    let answer = send(Method::GET, "application/grpc-web", Version::HTTP_11).await;
    answer.problem(405, "METHOD_NOT_ALLOWED", "");
    assert_eq!(answer.header("allow"), "POST");
    for content_type in ["application/grpc", "application/grpc-web+json", "application/grpcish"] {
        let answer = send(Method::POST, content_type, Version::HTTP_11).await;
        answer.problem(415, "UNSUPPORTED_MEDIA_TYPE", "");
    }
    let answer = send(Method::POST, "application/grpc", Version::HTTP_2).await;
    assert_eq!(answer.headers["content-type"], "application/grpc");
}
