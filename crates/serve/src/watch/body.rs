//! The body of an answer that is watched to its end.

use super::{Watch, code_of};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tonic::{Code, Status};

/// A body that ends what is watched when it ends. What it does meanwhile belongs to the request's trace.
pub(crate) struct WatchedBody<B> {
    body: B,
    watch: Watch,
}

impl<B> WatchedBody<B> {
    pub(super) fn new(body: B, watch: Watch) -> Self {
        Self { body, watch }
    }
}

impl<B> Body for WatchedBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Error + 'static,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        let frame = {
            let _entered = this.watch.enter();
            ready!(Pin::new(&mut this.body).poll_frame(cx))
        };
        match &frame {
            Some(Ok(frame)) => {
                if let Some(code) = frame.trailers_ref().and_then(code_of) {
                    this.watch.end(code);
                }
            }
            Some(Err(error)) => this.watch.end(code_of_error(error)),
            // A gRPC answer that ends without a status is what its specification calls unknown.
            None => this.watch.end(Code::Unknown),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The code of the status among the causes of `error`.
fn code_of_error(error: &(dyn Error + 'static)) -> Code {
    let mut cause = Some(error);
    while let Some(current) = cause {
        if let Some(status) = current.downcast_ref::<Status>() {
            return status.code();
        }
        cause = current.source();
    }
    Code::Unknown
}
