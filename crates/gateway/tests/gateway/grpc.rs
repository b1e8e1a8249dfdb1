//! Native gRPC through the gateway, by generated clients over HTTP/2.

use std::time::Duration;

use moviebooking_proto::{
    Problem, Reason,
    movies::v1::{GetMovieRequest, Movie, movies_service_client::MoviesServiceClient},
    problem::reason_of,
    reservations::v1::{
        FreeSeatsRequest, SeatsEvent, WatchSeatsRequest,
        reservations_internal_client::ReservationsInternalClient,
        reservations_service_client::ReservationsServiceClient,
    },
    users::v1::{GetMeRequest, User, users_service_client::UsersServiceClient},
};
use moviebooking_serve::{ConnectOptions, Link};
use tokio_stream::StreamExt as _;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Status};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use crate::platform::{As, Platform, Served};

const SOON: Duration = Duration::from_secs(10);

async fn link(platform: &Platform) -> (Link, Served) {
    let served = platform.serve().await;
    (Link::connect(&served.url, &ConnectOptions::default()).unwrap(), served)
}

fn signed_in<T>(platform: &Platform, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let token = format!("Bearer {}", platform.token(As::Customer).unwrap());
    request.metadata_mut().insert("authorization", token.parse().unwrap());
    request
}

#[tokio::test]
async fn a_call_goes_through_with_its_caller() {
    let platform = Platform::new().await;
    let (link, _served) = link(&platform).await;
    platform.services.answers("get_me", Ok(User { id: "u".to_owned(), ..User::default() }));
    let mut users = UsersServiceClient::new(link);
    let mut request = signed_in(&platform, GetMeRequest {});
    request.metadata_mut().insert("x-admin", "true".parse().unwrap());
    let answer = users.get_me(request).await.unwrap();
    assert_eq!(answer.get_ref().id, "u");
    let asked = platform.services.asked();
    assert!(asked.metadata.get("x-admin").is_none());
    assert_eq!(asked.metadata.get("x-forwarded-for").unwrap(), "127.0.0.1");
    let status = users.get_me(GetMeRequest {}).await.unwrap_err();
    assert_eq!(reason_of(&status), Some(Reason::Unauthenticated));
    assert_eq!(platform.services.was_asked(), 1, "the gateway refused it");
}

#[tokio::test]
async fn a_refusal_goes_through_with_its_details() {
    let platform = Platform::new().await;
    let (link, _served) = link(&platform).await;
    let mut movies = MoviesServiceClient::new(link);
    platform.services.refuses("get_movie", Problem::new(Reason::MovieNotFound, "There is no such movie."));
    let status = movies.get_movie(GetMovieRequest { id: "m".to_owned() }).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::NotFound, "There is no such movie."));
    assert_eq!(reason_of(&status), Some(Reason::MovieNotFound));
    platform.services.refuses("get_movie", Status::internal("secret"));
    let status = movies.get_movie(GetMovieRequest { id: "m".to_owned() }).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(!format!("{status:?}").contains("secret"), "{status:?}");
}

#[tokio::test]
async fn a_stream_goes_through_and_its_failure_too() {
    let platform = Platform::new().await;
    let (link, _served) = link(&platform).await;
    let mut reservations = ReservationsServiceClient::new(link);
    let events = platform.services.streams();
    events.send(Ok(SeatsEvent { sequence: 1, event: None })).await.unwrap();
    let mut stream = reservations.watch_seats(WatchSeatsRequest::default()).await.unwrap().into_inner();
    assert_eq!(stream.next().await.unwrap().unwrap().sequence, 1);
    events.send(Err(Problem::new(Reason::ShowtimeCancelled, "It was cancelled.").into())).await.unwrap();
    let status = stream.next().await.unwrap().unwrap_err();
    assert_eq!(reason_of(&status), Some(Reason::ShowtimeCancelled));

    let events = platform.services.streams();
    events.send(Err(Status::internal("secret"))).await.unwrap();
    let mut stream = reservations.watch_seats(WatchSeatsRequest::default()).await.unwrap().into_inner();
    let status = stream.next().await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(!format!("{status:?}").contains("secret"), "{status:?}");

    let events = platform.services.streams();
    let stream = reservations.watch_seats(WatchSeatsRequest::default()).await.unwrap();
    drop(stream);
    tokio::time::timeout(SOON, events.closed()).await.expect("the service's stream ended with the client's");

    platform
        .services
        .refuses("watch_seats", Problem::new(Reason::ShowtimeNotFound, "There is no such showtime."));
    let status = reservations.watch_seats(WatchSeatsRequest::default()).await.unwrap_err();
    assert_eq!(reason_of(&status), Some(Reason::ShowtimeNotFound));
}

#[tokio::test]
async fn a_stop_ends_streams_with_a_status() {
    let platform = Platform::new().await;
    let (link, _served) = link(&platform).await;
    let _events = platform.services.streams();
    let mut reservations = ReservationsServiceClient::new(link);
    let mut stream = reservations.watch_seats(WatchSeatsRequest::default()).await.unwrap().into_inner();
    let stop = CancellationToken::new();
    stop.cancel();
    platform.gateway.run_background(stop).await;
    let status = tokio::time::timeout(SOON, stream.next()).await.unwrap().unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
}

#[tokio::test]
async fn a_deadline_is_the_callers_or_the_gateways() {
    let platform = Platform::new().await;
    let (link, _served) = link(&platform).await;
    platform.services.held.lock().unwrap().insert("get_movie", Default::default());
    let mut request = Request::new(GetMovieRequest::default());
    request.set_timeout(Duration::from_millis(50));
    let status = MoviesServiceClient::new(link).get_movie(request).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
}

#[tokio::test]
async fn what_stays_inside_does_not_exist_outside() {
    let platform = Platform::new().await;
    let (link, _served) = link(&platform).await;
    let mut internal = ReservationsInternalClient::new(link);
    for request in
        [Request::new(FreeSeatsRequest::default()), signed_in(&platform, FreeSeatsRequest::default())]
    {
        let status = internal.free_seats(request).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::Unimplemented, "There is no such method."));
    }
    assert_eq!(platform.services.was_asked(), 0);
}

#[tokio::test]
async fn reflection_shows_the_services_and_health_is_answered() {
    let platform = Platform::new().await;
    let (link, _served) = link(&platform).await;
    let request = |message| ServerReflectionRequest { host: String::new(), message_request: Some(message) };
    let requests = [
        request(MessageRequest::ListServices(String::new())),
        request(MessageRequest::FileContainingSymbol(
            "moviebooking.reservations.v1.ReservationsService".to_owned(),
        )),
        request(MessageRequest::FileContainingSymbol(
            "moviebooking.reservations.v1.ReservationsInternal".to_owned(),
        )),
    ];
    let mut reflection = ServerReflectionClient::new(link.clone());
    let answers = reflection.server_reflection_info(tokio_stream::iter(requests)).await;
    let mut answers = answers.unwrap().into_inner();
    let mut next = async || answers.next().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::ListServicesResponse(list) = next().await else { panic!("no list") };
    let names: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
    for expected in ["moviebooking.movies.v1.MoviesService", "grpc.health.v1.Health"] {
        assert!(names.contains(&expected), "{names:?}");
    }
    assert!(names.iter().all(|name| !name.ends_with("Internal")), "{names:?}");
    assert!(matches!(next().await, MessageResponse::FileDescriptorResponse(_)));
    let hidden = answers.next().await.unwrap().unwrap_err();
    assert_eq!(hidden.code(), Code::NotFound, "{hidden:?}");
    let health = HealthClient::new(link).check(HealthCheckRequest { service: String::new() }).await.unwrap();
    assert_eq!(health.get_ref().status, 2, "not ready before it runs");
}

#[tokio::test]
async fn a_large_answer_goes_through() {
    let platform = Platform::new().await;
    let (link, _served) = link(&platform).await;
    let synopsis = "x".repeat(3 << 20);
    platform.services.answers("get_movie", Ok(Movie { synopsis, ..Movie::default() }));
    let answer = MoviesServiceClient::new(link).get_movie(GetMovieRequest::default()).await.unwrap();
    assert_eq!(answer.get_ref().synopsis.len(), 3 << 20);
}
