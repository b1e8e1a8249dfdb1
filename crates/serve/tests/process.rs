//! A whole process: its start, its health, its reflection and its end by signals.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

use axum::{body::Body, routing::get};
use bytes::Bytes;
use moviebooking_serve as serve;
use std::{
    convert::Infallible,
    io::{BufRead, BufReader, Read},
    process::{Child, Command, ExitCode, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

const SOON: Duration = Duration::from_secs(10);
const NAME: &str = "one.Service";

#[derive(clap::Parser)]
struct Args {
    #[command(flatten)]
    log: serve::LogArgs,
}

async fn serve_until_stopped() -> Result<(), serve::StartError> {
    let listener = serve::bind(([127, 0, 0, 1], 0).into(), "--listen").await?;
    let address = listener.local_addr().unwrap();
    let shutdown = serve::shutdown_signal()?;
    let health = serve::Health::new(&[NAME]).await;
    let check = async || Ok::<(), std::io::Error>(());
    tokio::spawn(health.clone().watch(check, shutdown.clone()));
    let router = serve::grpc_router(Routes::default(), &health, &[], &[NAME])?;
    let router = router.route(
        "/endless",
        get(async || Body::from_stream(tokio_stream::pending::<Result<Bytes, Infallible>>())),
    );
    // The harness leaves its own line unfinished.
    println!("\nlistening on {address}");
    serve::Server::new(router).run(listener, shutdown).await;
    Ok(())
}

/// Not a test of its own: what the tests below start as a process.
#[test]
#[ignore = "started by the other tests as a process of its own"]
fn child() {
    let args = <Args as clap::Parser>::parse_from(["child"]);
    let code = serve::main(&args.log, serve_until_stopped());
    std::process::exit(i32::from(code != ExitCode::SUCCESS));
}

/// [`child`] once it listens, and its address.
fn start_child() -> (Child, String) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address =
        lines.map(Result::unwrap).find_map(|line| line.strip_prefix("listening on ").map(str::to_owned));
    (child, address.expect("the child prints its address"))
}

fn terminate(child: &Child) {
    let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// The exit code of `child`, which must end soon.
async fn exit_code(mut child: Child) -> Option<i32> {
    let deadline = Instant::now() + SOON;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            let mut log = String::new();
            child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
            panic!("still running: {log}");
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until `url` answers with `status`.
async fn until(url: &str, status: u16) {
    let deadline = Instant::now() + SOON;
    loop {
        let answer = reqwest::get(url).await.unwrap().status();
        if answer == status {
            return;
        }
        assert!(Instant::now() < deadline, "{url} still answers {answer}");
    }
}

#[tokio::test]
async fn a_signal_ends_a_process_with_success() {
    let (child, address) = start_child();
    until(&format!("http://{address}/readyz"), 200).await;
    terminate(&child);
    assert_eq!(exit_code(child).await, Some(0));
}

#[tokio::test]
async fn a_second_signal_ends_a_process_at_once() {
    let (child, address) = start_child();
    let url = format!("http://{address}/endless");
    // Its head has come, and its body never does.
    let running = reqwest::get(url).await.unwrap();
    terminate(&child);
    let deadline = Instant::now() + SOON;
    while tokio::net::TcpStream::connect(&address).await.is_ok() {
        assert!(Instant::now() < deadline, "still listening");
    }
    terminate(&child);
    assert_eq!(exit_code(child).await, Some(143));
    assert!(running.bytes().await.is_err());
}

#[tokio::test]
async fn readiness_follows_the_check_and_the_stop() {
    static WORKS: AtomicBool = AtomicBool::new(false);
    let check = async || if WORKS.load(Ordering::SeqCst) { Ok(()) } else { Err("the database is down") };
    let health = serve::Health::new(&[NAME]).await;
    let stop = CancellationToken::new();
    let watching = tokio::spawn(health.clone().watch(check, stop.clone()));
    let router = serve::grpc_router(Routes::default(), &health, &[], &[NAME]).unwrap();
    let listener = serve::bind(([127, 0, 0, 1], 0).into(), "--listen").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(serve::Server::new(router).run(listener, CancellationToken::new()));
    let link = serve::Link::connect(&base, &serve::ConnectOptions::default()).unwrap();
    let mut client = HealthClient::new(link);
    let mut status = async |name: &str| {
        let request = HealthCheckRequest { service: name.to_owned() };
        client.check(request).await.unwrap().into_inner().status()
    };

    until(&format!("{base}/healthz"), 200).await;
    until(&format!("{base}/readyz"), 503).await;
    assert_eq!(status(NAME).await, ServingStatus::NotServing);
    WORKS.store(true, Ordering::SeqCst);
    until(&format!("{base}/readyz"), 200).await;
    stop.cancel();
    watching.await.unwrap();
    until(&format!("{base}/readyz"), 503).await;
    until(&format!("{base}/healthz"), 200).await;
    assert_eq!(status("").await, ServingStatus::NotServing);
}

#[tokio::test]
async fn reflection_lists_the_services() {
    let routes = serve::add_reflection(Routes::default(), &[], &[NAME]).unwrap();
    let mut client = ServerReflectionClient::new(serve::Link::local(routes));
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = client.server_reflection_info(tokio_stream::once(request)).await.unwrap().into_inner();
    let answer = answers.next().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = answer else { panic!("{answer:?}") };
    let names: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
    assert!(names.contains(&NAME) && names.contains(&"grpc.health.v1.Health"), "{names:?}");
    assert!(serve::add_reflection(Routes::default(), &[255, 255], &[NAME]).is_err());
}
