//! The bodies of answers: trailers without what went wrong inside, and streams that end when the gateway stops.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use moviebooking_proto::Problem;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::Status;

/// A frame of an answer; trailers are cleaned as headers are.
pub(super) fn cleaned(frame: Frame<Bytes>) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(mut trailers) => {
            super::clean(&mut trailers);
            Frame::trailers(trailers)
        }
        Err(frame) => frame,
    }
}

/// The body of a stream. It keeps its place until it ends; when the gateway stops it ends with UNAVAILABLE, which tells
/// a client to call again.
pub(super) struct Stream {
    body: Option<tonic::body::Body>,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
    _place: OwnedSemaphorePermit,
}

impl Stream {
    pub(super) fn new(
        body: tonic::body::Body,
        stop: WaitForCancellationFutureOwned,
        place: OwnedSemaphorePermit,
    ) -> Self {
        // A refusal is complete in its headers: nothing may be added to it.
        let body = (!body.is_end_stream()).then_some(body);
        Self { body, stop: Box::pin(stop), _place: place }
    }
}

impl Body for Stream {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.body.is_none() {
            return Poll::Ready(None);
        }
        // First, so that a stream that never pauses ends too.
        if self.stop.as_mut().poll(cx).is_pending() {
            let Some(body) = &mut self.body else { return Poll::Ready(None) };
            let frame = ready!(Pin::new(body).poll_frame(cx));
            return Poll::Ready(frame.map(|frame| frame.map(cleaned)));
        }
        self.body = None;
        let mut trailers = HeaderMap::new();
        Status::from(Problem::unavailable("The gateway is stopping; call again."))
            .add_header(&mut trailers)?;
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }
}
