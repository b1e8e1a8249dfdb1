//! Connections to other processes.

use crate::{StartError, io::Wire, tls::ClientTls, watch::Peer};
use http::Uri;
use hyper_util::rt::TokioIo;
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::net::TcpStream;
use tonic::transport::{Channel, Endpoint};
use tower::Service;

/// How a link across the network is kept.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// How long connecting may take, TLS included.
    pub connect_timeout: Duration,
    /// How often an idle connection is asked for a sign of life.
    pub keep_alive_interval: Duration,
    /// How long the sign of life may take.
    pub keep_alive_timeout: Duration,
    /// By what `https` is verified and who we say we are; by the machine's certificate authorities and nobody if
    /// there is none. Plain `http` is not affected.
    pub tls: Option<ClientTls>,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(2),
            keep_alive_interval: Duration::from_secs(20),
            keep_alive_timeout: Duration::from_secs(5),
            tls: None,
        }
    }
}

/// A channel to `uri` that connects when it is first used; `timeout` bounds each request.
pub(crate) fn channel(
    uri: &str,
    options: &ConnectOptions,
    timeout: Option<Duration>,
) -> Result<Channel, StartError> {
    let refuse = |why: &str| {
        StartError::usage(format!("the address of a service must be like http://host:port: {why}"))
    };
    let parsed: Uri = uri.parse().map_err(|error| refuse(&format!("{error}")))?;
    if parsed.host().is_none_or(str::is_empty) {
        return Err(refuse("there is no host"));
    }
    let tuned = |endpoint: Endpoint| {
        let endpoint = timeout.into_iter().fold(endpoint, Endpoint::timeout);
        endpoint
            .connect_timeout(options.connect_timeout)
            .http2_keep_alive_interval(options.keep_alive_interval)
            .keep_alive_timeout(options.keep_alive_timeout)
            .keep_alive_while_idle(true)
            .tcp_nodelay(true)
    };
    match parsed.scheme_str() {
        Some("http") => Ok(tuned(Endpoint::from(parsed)).connect_lazy()),
        Some("https") => {
            let tls = options.tls.clone().map_or_else(ClientTls::by_this_machine, Ok)?;
            let connector = Connector { peer: Arc::new(peer(uri)), tls };
            // tonic wants to do TLS itself where it sees https, and could not take a new certificate then.
            let plain = format!("http://{}", parsed.authority().map_or("", |authority| authority.as_str()));
            let endpoint = Endpoint::from_shared(plain).map_err(|error| refuse(&error.to_string()))?;
            Ok(tuned(endpoint).origin(parsed).connect_with_connector_lazy(connector))
        }
        _ => Err(refuse("it begins neither with http:// nor with https://")),
    }
}

/// Where `uri` leads, which is a valid one.
pub(crate) fn peer(uri: &str) -> Peer {
    let parsed: Uri = uri.parse().unwrap_or_default();
    let default = if parsed.scheme_str() == Some("https") { 443 } else { 80 };
    Peer {
        // An IPv6 address is in brackets in an URI, and nowhere else.
        host: parsed.host().unwrap_or_default().trim_matches(['[', ']']).to_owned(),
        port: parsed.port_u16().unwrap_or(default),
    }
}

/// Makes TLS connections, each with the certificates as they are then.
#[derive(Clone)]
struct Connector {
    peer: Arc<Peer>,
    tls: ClientTls,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Wire>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<Wire>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let Self { peer, tls } = self.clone();
        Box::pin(async move {
            let stream = TcpStream::connect((&*peer.host, peer.port)).await?;
            stream.set_nodelay(true)?;
            let stream = tls.connect(&peer.host, stream).await?;
            Ok(TokioIo::new(Wire::Tls(Box::new(stream.into()))))
        })
    }
}
