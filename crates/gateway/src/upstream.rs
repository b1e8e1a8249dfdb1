//! Calls to services with messages that stay encoded.

use std::{collections::HashMap, time::Duration};

use bytes::{Buf as _, BufMut as _, Bytes};
use http::{Extensions, HeaderMap, uri::PathAndQuery};
use moviebooking_serve::Link;
use tonic::{
    Request, Status, Streaming,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    metadata::MetadataMap,
};

/// A link to each service, by the name that its proto package has: `users` for `moviebooking.users.v1`.
pub type Upstreams = HashMap<&'static str, Link>;

/// How long a call may take until its answer begins, unless a gRPC caller asks for less, or for more up to
/// [`LONGEST_DEADLINE`].
pub(crate) const DEADLINE: Duration = Duration::from_secs(15);
/// The longest that a gRPC caller may ask for.
pub(crate) const LONGEST_DEADLINE: Duration = Duration::from_secs(30);
/// The largest answer of a service, in bytes.
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;

/// Calls a method that answers with one message.
pub(crate) async fn unary(
    link: &Link,
    path: &PathAndQuery,
    headers: HeaderMap,
    message: Vec<u8>,
) -> Result<Bytes, Status> {
    let mut request = request(headers, message);
    request.set_timeout(DEADLINE);
    let mut client = client(link).await?;
    Ok(client.unary(request, path.clone(), Raw).await?.into_inner())
}

/// Calls a method that answers with a stream.
pub(crate) async fn stream(
    link: &Link,
    path: &PathAndQuery,
    headers: HeaderMap,
    message: Vec<u8>,
) -> Result<Streaming<Bytes>, Status> {
    let mut client = client(link).await?;
    let begins = client.server_streaming(request(headers, message), path.clone(), Raw);
    // Only the beginning is bounded: a deadline on the call would end the stream.
    match tokio::time::timeout(DEADLINE, begins).await {
        Ok(stream) => Ok(stream?.into_inner()),
        Err(_) => Err(Status::deadline_exceeded("the stream did not begin in time; try again")),
    }
}

async fn client(link: &Link) -> Result<Grpc<Link>, Status> {
    let mut client = Grpc::new(link.clone()).max_decoding_message_size(LARGEST_ANSWER);
    client.ready().await.map_err(|error| {
        tracing::warn!(error, "a service cannot be reached");
        Status::unavailable("a service that this needs cannot be reached; try again")
    })?;
    Ok(client)
}

fn request(headers: HeaderMap, message: Vec<u8>) -> Request<Bytes> {
    Request::from_parts(MetadataMap::from_headers(headers), Extensions::new(), message.into())
}

/// Messages as the bytes they are.
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
