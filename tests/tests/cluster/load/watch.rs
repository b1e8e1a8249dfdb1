//! Watchers of a seat map, over server-sent events and over gRPC. Each answer that is counted is one change that was seen.

use std::sync::Arc;

use moviebooking_proto::reservations::v1::{
    SeatsEvent, WatchSeatsRequest, reservations_service_client::ReservationsServiceClient,
};
use moviebooking_tests::Load;
use reqwest::{Client, Response};
use tokio::sync::Mutex;
use tonic::{Code, Streaming, transport::Channel};

use super::{grpc, paced, told};

/// What a watcher knows.
struct Watch<S> {
    stream: Option<S>,
    /// The number of the last change that was seen.
    last: i64,
    /// What came of an event that is not whole yet.
    pending: String,
}

impl<S> Watch<S> {
    fn new() -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self { stream: None, last: 0, pending: String::new() }))
    }

    /// Notes a change.
    fn saw(&mut self, sequence: i64) -> Result<(), String> {
        let before = std::mem::replace(&mut self.last, sequence);
        if sequence < before { Err(format!("change {sequence} came after {before}")) } else { Ok(()) }
    }
}

/// Watches as a browser's `EventSource` does, which comes back with the last event's id.
pub(super) fn over_rest(load: &mut Load, base: String, showtime: String) {
    let (client, watch) = (Client::new(), Watch::<Response>::new());
    let url = format!("{base}/showtimes/{showtime}/seats/watch");
    load.client(move |_| {
        let (client, watch, url) = (client.clone(), Arc::clone(&watch), url.clone());
        paced("watching over REST", async move {
            let mut watch = watch.lock().await;
            loop {
                if let Some(event) = watch.event() {
                    // Of what the stream ends with, an error that says that it may be opened again is none.
                    if event.lines().any(|line| line == "event: error") {
                        watch.stream = None;
                        if event.contains("\"UNAVAILABLE\"") { continue } else { return Err(event) }
                    }
                    let id = event.lines().find_map(|line| line.strip_prefix("id: "));
                    // A comment keeps the connection alive.
                    let Some(id) = id else { continue };
                    return watch.saw(id.parse().map_err(|_| event.clone())?);
                }
                let last = watch.last;
                let Some(stream) = &mut watch.stream else {
                    watch.pending.clear();
                    watch.stream = Some(open(&client, &url, last).await?);
                    continue;
                };
                match stream.chunk().await {
                    Ok(Some(chunk)) => watch.pending.push_str(&String::from_utf8_lossy(&chunk)),
                    Ok(None) => watch.stream = None,
                    Err(error) => {
                        watch.stream = None;
                        return Err(told(&error));
                    }
                }
            }
        })
    });
}

impl Watch<Response> {
    /// The next event that has come as a whole.
    fn event(&mut self) -> Option<String> {
        let end = self.pending.find("\n\n")?;
        let event = self.pending[..end].to_owned();
        self.pending.drain(..end + 2);
        Some(event)
    }
}

async fn open(client: &Client, url: &str, last: i64) -> Result<Response, String> {
    let mut request = client.get(url);
    if last > 0 {
        request = request.header("last-event-id", last.to_string());
    }
    let answer = request.send().await.map_err(|error| told(&error))?;
    let status = answer.status();
    if status.is_success() { Ok(answer) } else { Err(format!("{status}: {:?}", answer.text().await)) }
}

/// Watches over gRPC.
pub(super) fn over_grpc(load: &mut Load, base: &str, showtime: String) {
    let (channel, watch) = (grpc::channel(base), Watch::<Streaming<SeatsEvent>>::new());
    load.client(move |_| {
        let (channel, watch, showtime) = (channel.clone(), Arc::clone(&watch), showtime.clone());
        paced("watching over gRPC", async move {
            let mut watch = watch.lock().await;
            loop {
                let after_sequence = watch.last;
                let Some(stream) = &mut watch.stream else {
                    let request = WatchSeatsRequest { showtime_id: showtime.clone(), after_sequence };
                    watch.stream = Some(stream_of(&channel, request).await?);
                    continue;
                };
                match stream.message().await {
                    Ok(Some(event)) => return watch.saw(event.sequence),
                    Ok(None) => watch.stream = None,
                    Err(status) => {
                        watch.stream = None;
                        if status.code() != Code::Unavailable {
                            return Err(told(&status));
                        }
                    }
                }
            }
        })
    });
}

async fn stream_of(channel: &Channel, request: WatchSeatsRequest) -> Result<Streaming<SeatsEvent>, String> {
    grpc::answered(|| {
        let mut client = ReservationsServiceClient::new(channel.clone());
        let request = request.clone();
        async move { client.watch_seats(request).await }
    })
    .await
}
