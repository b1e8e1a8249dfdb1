//! Connections that requests are made over: one HTTP/1.1 or HTTP/2 connection each, with as little around them as
//! possible, because the load shares the processors with what it measures.

use std::net::SocketAddr;

use anyhow::{Context as _, bail};
use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::net::TcpStream;

/// Which protocol is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// JSON over HTTP/1.1.
    Rest,
    /// gRPC over HTTP/2.
    Grpc,
}

/// A connection.
pub(crate) struct Connection {
    address: SocketAddr,
    sender: Sender,
}

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// How a request was answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// With what it asked for.
    Done(Bytes),
    /// With an error: `503`, or a gRPC code.
    Refused { code: u16, retry_after: bool },
}

/// The code of gRPC for a server that has too much to do.
const RESOURCE_EXHAUSTED: u16 = 8;
/// The code of gRPC for success.
const OK: u16 = 0;

impl Answer {
    /// What was asked for.
    pub(crate) fn done(self) -> anyhow::Result<Bytes> {
        match self {
            Self::Done(body) => Ok(body),
            Self::Refused { code, .. } => bail!("refused with {code}"),
        }
    }

    /// Whether the server had too much to do and said so.
    pub(crate) fn is_overload(&self) -> bool {
        matches!(self, Self::Refused { code: 503 | RESOURCE_EXHAUSTED, .. })
    }
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: SocketAddr, protocol: Protocol) -> anyhow::Result<Self> {
        let stream =
            TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        let io = TokioIo::new(stream);
        // A connection that ends fails the requests on it, which is where it is noticed.
        let sender = match protocol {
            Protocol::Rest => {
                let (sender, connection) = http1::handshake(io).await?;
                tokio::spawn(async move { drop(connection.await) });
                Sender::Http1(sender)
            }
            Protocol::Grpc => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
                tokio::spawn(async move { drop(connection.await) });
                Sender::Http2(sender)
            }
        };
        Ok(Self { address, sender })
    }

    /// Several connections.
    pub(crate) async fn several(
        address: SocketAddr,
        protocol: Protocol,
        count: usize,
    ) -> anyhow::Result<Vec<Self>> {
        let mut connections = Vec::with_capacity(count);
        for _ in 0..count {
            connections.push(Self::open(address, protocol).await?);
        }
        Ok(connections)
    }

    /// The same connection once more, for a request beside the others on it; `None` where there is one at a time.
    pub(crate) fn beside(&self) -> Option<Self> {
        match &self.sender {
            Sender::Http1(_) => None,
            Sender::Http2(sender) => {
                Some(Self { address: self.address, sender: Sender::Http2(sender.clone()) })
            }
        }
    }

    /// Sends a request and waits for the whole answer. A connection that broke is opened anew for the next.
    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> anyhow::Result<Answer> {
        match self.exchange(request).await {
            Ok(answer) => Ok(answer),
            Err(error) => {
                let protocol = match self.sender {
                    Sender::Http1(_) => Protocol::Rest,
                    Sender::Http2(_) => Protocol::Grpc,
                };
                *self = Self::open(self.address, protocol).await?;
                Err(error)
            }
        }
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> anyhow::Result<Answer> {
        let answer = match &mut self.sender {
            Sender::Http1(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
            Sender::Http2(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
        };
        let (head, body) = answer.into_parts();
        let body = body.collect().await?;
        let grpc = code(&head.headers).or_else(|| body.trailers().and_then(code));
        let retry_after = head.headers.contains_key(header::RETRY_AFTER);
        Ok(match (&self.sender, head.status, grpc) {
            (Sender::Http1(_), status, _) if status.is_success() => Answer::Done(body.to_bytes()),
            (Sender::Http2(_), StatusCode::OK, Some(OK)) => {
                let mut body = body.to_bytes();
                // The flag and the length of the one message.
                Answer::Done(body.split_off(5.min(body.len())))
            }
            (Sender::Http2(_), StatusCode::OK, Some(code)) => Answer::Refused { code, retry_after },
            (_, status, _) => Answer::Refused { code: status.as_u16(), retry_after },
        })
    }
}

fn code(headers: &HeaderMap) -> Option<u16> {
    headers.get("grpc-status")?.to_str().ok()?.parse().ok()
}

/// A request with a body of JSON, or with none.
pub(crate) fn rest(
    method: Method,
    path: &str,
    authorization: Option<&HeaderValue>,
    key: Option<&str>,
    json: Option<String>,
) -> anyhow::Result<Request<Full<Bytes>>> {
    let mut request = Request::builder().method(method).uri(path).header(header::HOST, "localhost");
    if let Some(authorization) = authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    if json.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    Ok(request.body(Full::from(json.unwrap_or_default()))?)
}

/// A call of the method at `path` with one message.
pub(crate) fn grpc(
    path: &str,
    authorization: &HeaderValue,
    message: &impl Message,
) -> anyhow::Result<Request<Full<Bytes>>> {
    let length = message.encoded_len();
    let mut body = BytesMut::with_capacity(5 + length);
    body.put_u8(0);
    body.put_u32(u32::try_from(length)?);
    message.encode(&mut body)?;
    let request = Request::post(format!("http://localhost{path}"))
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers")
        .header(header::AUTHORIZATION, authorization);
    Ok(request.body(Full::new(body.freeze()))?)
}
