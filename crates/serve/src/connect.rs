//! Connections to other processes.

use crate::{StartError, io::Wire, tls::ClientTls, watch::Peer};
use http::Uri;
use hyper_util::rt::TokioIo;
use std::{
    io,
    net::SocketAddr,
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
    Destination::new(uri, options)?.channel(None, timeout)
}

/// Where channels lead, known to be an address of a service.
#[derive(Debug, Clone)]
pub(crate) struct Destination {
    uri: Uri,
    pub(crate) peer: Peer,
    options: ConnectOptions,
}

impl Destination {
    /// What `uri` says.
    ///
    /// # Errors
    /// If it is not `http://host:port` or `https://host:port`, or nothing is there to verify `https` by.
    pub(crate) fn new(uri: &str, options: &ConnectOptions) -> Result<Self, StartError> {
        let parsed: Uri = uri.parse().map_err(|error| refused(&format!("{error}")))?;
        if parsed.host().is_none_or(str::is_empty) {
            return Err(refused("there is no host"));
        }
        let mut options = options.clone();
        match parsed.scheme_str() {
            Some("http") => options.tls = None,
            Some("https") if options.tls.is_none() => options.tls = Some(ClientTls::by_this_machine()?),
            Some("https") => {}
            _ => return Err(refused("it begins neither with http:// nor with https://")),
        }
        Ok(Self { peer: peer(&parsed), uri: parsed, options })
    }

    /// A channel that connects when it is first used, to one of its machines or to whichever answers to its name;
    /// `timeout` bounds each request.
    ///
    /// # Errors
    /// If its name cannot be that of an endpoint.
    pub(crate) fn channel(
        &self,
        at: Option<SocketAddr>,
        timeout: Option<Duration>,
    ) -> Result<Channel, StartError> {
        let place = match at {
            Some(address) => address.to_string(),
            None => self.uri.authority().map_or_else(String::new, ToString::to_string),
        };
        // tonic wants to do TLS itself where it sees https, and could not take a new certificate then.
        let endpoint =
            Endpoint::from_shared(format!("http://{place}")).map_err(|error| refused(&error.to_string()))?;
        let endpoint = timeout.into_iter().fold(endpoint, Endpoint::timeout);
        let endpoint = endpoint
            .origin(self.uri.clone())
            .connect_timeout(self.options.connect_timeout)
            .http2_keep_alive_interval(self.options.keep_alive_interval)
            .keep_alive_timeout(self.options.keep_alive_timeout)
            .keep_alive_while_idle(true)
            .tcp_nodelay(true);
        Ok(match &self.options.tls {
            None => endpoint.connect_lazy(),
            Some(tls) => {
                let connector = Connector { peer: Arc::new(self.peer.clone()), at, tls: tls.clone() };
                endpoint.connect_with_connector_lazy(connector)
            }
        })
    }
}

fn refused(why: &str) -> StartError {
    StartError::usage(format!("the address of a service must be like http://host:port: {why}"))
}

/// Where `uri` leads.
fn peer(parsed: &Uri) -> Peer {
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
    /// Which of its machines; any of them if there is none.
    at: Option<SocketAddr>,
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
        let Self { peer, at, tls } = self.clone();
        Box::pin(async move {
            let stream = match at {
                Some(address) => TcpStream::connect(address).await?,
                None => TcpStream::connect((&*peer.host, peer.port)).await?,
            };
            stream.set_nodelay(true)?;
            let stream = tls.connect(&peer.host, stream).await?;
            Ok(TokioIo::new(Wire::Tls(Box::new(stream.into()))))
        })
    }
}
