//! A stream of messages as server-sent events (HTML, section 9.2).

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::response::{
    IntoResponse as _, Response,
    sse::{Event, KeepAlive, Sse},
};
use bytes::Bytes;
use futures::stream;
use http::{HeaderValue, Version, header::CONNECTION};
use moviebooking_proto::json;
use prost_reflect::{Kind, MethodDescriptor};
use tokio::sync::OwnedSemaphorePermit;
use tonic::{Status, Streaming};

use crate::{gateway::Edge, problem, response::json_of};

/// A comment is sent when nothing else was for so long, so that nobody between takes the connection for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

struct Events {
    edge: Arc<Edge>,
    number: usize,
    messages: Option<Streaming<Bytes>>,
    _place: OwnedSemaphorePermit,
}

/// The answer of the route with this number that goes on for as long as the stream. A failure is an event of its own,
/// `error`, with a problem; when the gateway stops, the stream ends and clients come back with `Last-Event-ID`.
pub(crate) fn respond(
    edge: Arc<Edge>,
    number: usize,
    version: Version,
    messages: Streaming<Bytes>,
    place: OwnedSemaphorePermit,
) -> Response {
    let events = Events { edge, number, messages: Some(messages), _place: place };
    let events = stream::unfold(events, async |mut events| {
        let event = events.next().await?;
        Some((Ok::<_, Infallible>(event), events))
    });
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response();
    // nginx would hold events back until it has a buffer full.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    if version < Version::HTTP_2 {
        // When the gateway stops, stream and connection end at once: nobody is to send another request on it then.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

impl Events {
    async fn next(&mut self) -> Option<Event> {
        let messages = self.messages.as_mut()?;
        let next = tokio::select! {
            biased;
            () = self.edge.stop.cancelled() => return None,
            next = messages.message() => next,
        };
        match next.and_then(|message| message.map(|message| self.event(&message)).transpose()) {
            Ok(event) => event,
            Err(status) => {
                self.messages = None;
                Some(self.failure(&status))
            }
        }
    }

    fn event(&self, message: &Bytes) -> Result<Event, Status> {
        let rpc = &self.edge.table.routes[self.number].rpc;
        let json = json_of(&self.edge.writer, &rpc.output(), message)?;
        let event = data(json);
        Ok(match sequence(rpc) {
            Some(number) => event.id(json::varint(message, number).unwrap_or(0).to_string()),
            None => event,
        })
    }

    fn failure(&self, status: &Status) -> Event {
        let route = &self.edge.table.routes[self.number];
        data(problem::render(status, Some(route)).json).event("error")
    }
}

fn data(json: Vec<u8>) -> Event {
    // JSON is UTF-8 and, as it is written here, has no line breaks.
    Event::default().data(String::from_utf8(json).unwrap_or_default())
}

/// The number of the field with which a client resumes.
fn sequence(rpc: &MethodDescriptor) -> Option<u32> {
    let field = rpc.output().get_field_by_name("sequence")?;
    (field.kind() == Kind::Int64 && !field.is_list()).then(|| field.number())
}
