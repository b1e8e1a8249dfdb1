//! How much is taken on: requests and streams at once, and bytes of a request.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap,
    header::{CONTENT_LENGTH, EXPECT},
};
use http_body::Body;
use http_body_util::BodyExt as _;
use moviebooking_proto::{Problem, Reason};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tower::BoxError;

use crate::Config;

/// A body that takes longer is given up: a client that sends it drop by drop would hold its place for ever.
const BODY_TIME: Duration = Duration::from_secs(30);
/// How long the rest of a refused body is read and thrown away. A connection that is closed with bytes unread is
/// reset, and the client would see that instead of the answer.
const LINGER: Duration = Duration::from_secs(5);

/// How much is taken on.
#[derive(Debug)]
pub(crate) struct Limits {
    /// Of each service by itself: one that is slow must not use up the others' places.
    requests: HashMap<String, Arc<Semaphore>>,
    streams: Arc<Semaphore>,
    body: usize,
}

impl Limits {
    pub(crate) fn new<'s>(config: &Config, services: impl IntoIterator<Item = &'s String>) -> Self {
        let semaphore = |permits: usize| Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)));
        let requests = services.into_iter().map(|name| (name.clone(), semaphore(config.max_requests)));
        Self {
            requests: requests.collect(),
            streams: semaphore(config.max_streams),
            body: config.max_body_bytes,
        }
    }

    /// A place for a request to this service until its answer begins.
    pub(crate) fn request(&self, service: &str) -> Result<OwnedSemaphorePermit, Problem> {
        place(self.requests.get(service).ok_or_else(Problem::internal)?)
    }

    /// A place for a stream until it ends.
    pub(crate) fn stream(&self) -> Result<OwnedSemaphorePermit, Problem> {
        place(&self.streams)
    }

    /// The whole body. One that says that it is too large is refused unread, one that turns out to be where it does.
    pub(crate) async fn read<B>(&self, headers: &HeaderMap, mut body: B) -> Result<Bytes, Problem>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        let said = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if said.is_some_and(|length| length > self.body as u64) {
            // A client that waits for leave to send gets the answer instead.
            if !headers.contains_key(EXPECT) {
                linger(body);
            }
            return Err(self.too_large());
        }
        match timeout(BODY_TIME, self.collect(&mut body)).await {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(Unread::TooLarge)) => {
                linger(body);
                Err(self.too_large())
            }
            Ok(Err(Unread::Broken)) => {
                Err(Problem::new(Reason::MalformedBody, "The body broke off or is not encoded as it says."))
            }
            Err(_) => Err(Problem::new(
                Reason::RequestTimeout,
                format!("The body took longer than {} seconds.", BODY_TIME.as_secs()),
            )),
        }
    }

    async fn collect<B>(&self, body: &mut B) -> Result<Bytes, Unread>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let mut first = Bytes::new();
        let mut more = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| Unread::Broken)?.into_data() else { continue };
            if first.len() + more.len() + data.len() > self.body {
                return Err(Unread::TooLarge);
            }
            if first.is_empty() {
                // Most bodies come in one piece, which is not copied.
                first = data;
            } else {
                more.extend_from_slice(&data);
            }
        }
        if more.is_empty() {
            return Ok(first);
        }
        let mut whole = BytesMut::with_capacity(first.len() + more.len());
        whole.extend_from_slice(&first);
        whole.extend_from_slice(&more);
        Ok(whole.freeze())
    }

    fn too_large(&self) -> Problem {
        Problem::new(
            Reason::BodyTooLarge,
            format!("The body is too large: send at most {} bytes.", self.body),
        )
    }
}

enum Unread {
    TooLarge,
    Broken,
}

fn place(places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Problem> {
    Arc::clone(places).try_acquire_owned().map_err(|_| {
        Problem::new(Reason::Overloaded, "Too many requests at once; try again in a second.")
            .retry_after(Duration::from_secs(1))
    })
}

fn linger<B>(mut body: B)
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    let drain = async move { while let Some(Ok(_)) = body.frame().await {} };
    tokio::spawn(timeout(LINGER, drain));
}
