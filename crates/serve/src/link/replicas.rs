//! The replicas of a service behind one name: each gets its share of the calls.
//!
//! HTTP/2 keeps one connection for all calls, so a name that stands for several addresses (a headless Service of
//! Kubernetes has one for each pod that is ready) needs a connection to each. The name is looked up again and again,
//! because nothing tells when a replica comes or goes.

use crate::{StartError, connect::Destination};
use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, PoisonError, RwLock, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::net::lookup_host;
use tonic::transport::Channel;

/// How often a name is looked up.
const EVERY: Duration = Duration::from_secs(2);

/// Channels to the replicas, never none.
type Channels = RwLock<Vec<Channel>>;

/// Channels to the replicas of a service, as many as there are at a time.
#[derive(Debug)]
pub(super) struct Replicas {
    channels: Arc<Channels>,
    next: AtomicUsize,
}

impl Replicas {
    /// The replicas behind the name of `destination`, which is looked up for as long as they are used. Call it within a
    /// runtime.
    ///
    /// # Errors
    /// If the name cannot be that of an endpoint.
    pub(super) fn of(destination: Destination) -> Result<Self, StartError> {
        if destination.peer.host.parse::<IpAddr>().is_ok() {
            return Ok(Self::starting_with(destination.channel(None, None)?));
        }
        let peer = destination.peer.clone();
        let look_up = move || {
            let peer = peer.clone();
            async move { Ok(lookup_host((&*peer.host, peer.port)).await?.collect()) }
        };
        Self::following(destination, look_up)
    }

    /// The same with another way to look up the name.
    fn following<F>(
        destination: Destination,
        look_up: impl Fn() -> F + Send + 'static,
    ) -> Result<Self, StartError>
    where
        F: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    {
        let by_name = destination.channel(None, None)?;
        let replicas = Self::starting_with(by_name.clone());
        let channels = Arc::downgrade(&replicas.channels);
        tokio::spawn(async move { follow(&destination, &by_name, &channels, look_up).await });
        Ok(replicas)
    }

    fn starting_with(channel: Channel) -> Self {
        // Not every process is to begin with the same replica.
        let next = AtomicUsize::new(usize::from(rand::random::<u16>()));
        Self { channels: Arc::new(RwLock::new(vec![channel])), next }
    }

    /// The channel whose turn it is.
    pub(super) fn pick(&self) -> Channel {
        let channels = self.channels.read().unwrap_or_else(PoisonError::into_inner);
        let turn = if channels.len() > 1 { self.next.fetch_add(1, Ordering::Relaxed) } else { 0 };
        channels[turn % channels.len()].clone()
    }
}

/// Keeps the channels those of the addresses that the name stands for, until nobody uses them any more. A name for one
/// address is connected to by name, so that its connection finds out by itself where it leads.
async fn follow<F: Future<Output = io::Result<Vec<SocketAddr>>>>(
    destination: &Destination,
    by_name: &Channel,
    channels: &Weak<Channels>,
    look_up: impl Fn() -> F,
) {
    let mut known: BTreeMap<SocketAddr, Channel> = BTreeMap::new();
    loop {
        // A name that cannot be looked up now leads where it led.
        let found = look_up().await.map_or_else(|_| known.keys().copied().collect(), of_one_family);
        if !known.keys().eq(found.iter()) {
            let channel = |address: SocketAddr| match known.get(&address) {
                Some(channel) => Some((address, channel.clone())),
                None => Some((address, destination.channel(Some(address), None).ok()?)),
            };
            known = found.into_iter().filter_map(channel).collect();
            let now =
                if known.is_empty() { vec![by_name.clone()] } else { known.values().cloned().collect() };
            let Some(channels) = channels.upgrade() else { return };
            tracing::debug!(host = destination.peer.host, replicas = now.len(), "replicas have changed");
            *channels.write().unwrap_or_else(PoisonError::into_inner) = now;
        }
        tokio::time::sleep(EVERY).await;
        if channels.strong_count() == 0 {
            return;
        }
    }
}

/// The addresses in order, if there are several: of IPv4 where there are any, because a replica with two addresses is one
/// replica.
fn of_one_family(mut addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    if addresses.iter().any(SocketAddr::is_ipv4) {
        addresses.retain(SocketAddr::is_ipv4);
    }
    addresses.sort_unstable();
    addresses.dedup();
    if addresses.len() > 1 { addresses } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ConnectOptions, Server};
    use axum::{Router, body::Body, routing::get};
    use http::Request;
    use std::{collections::BTreeSet, sync::Mutex, time::Instant};
    use tokio::net::TcpListener;
    use tokio_util::sync::CancellationToken;
    use tower::ServiceExt as _;

    /// A server that answers with its own address.
    async fn replica(stop: &CancellationToken) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", get(async move || address.to_string()));
        tokio::spawn(Server::new(router).run(listener, stop.clone()));
        address
    }

    async fn who_answers(replicas: &Replicas) -> Option<SocketAddr> {
        let request = Request::get("http://users/").body(tonic::body::Body::empty()).unwrap();
        let answer = replicas.pick().oneshot(request).await.ok()?;
        let body = axum::body::to_bytes(Body::new(answer.into_body()), 100).await.unwrap();
        std::str::from_utf8(&body).unwrap().parse().ok()
    }

    /// Calls until `expected`, and nobody else, has answered the last calls.
    async fn until_shared_by(replicas: &Replicas, expected: &[SocketAddr]) {
        let expected: BTreeSet<SocketAddr> = expected.iter().copied().collect();
        let begun = Instant::now();
        loop {
            let mut answered = BTreeSet::new();
            for _ in 0..2 * expected.len() {
                answered.extend(who_answers(replicas).await);
            }
            if answered == expected {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "{answered:?}, not {expected:?}");
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn replicas_share_the_calls_as_they_come_and_go() {
        let stop = CancellationToken::new();
        let [first, second, third] = [replica(&stop).await, replica(&stop).await, replica(&stop).await];
        let addresses = Arc::new(Mutex::new(vec![second, first, first]));
        let destination = Destination::new("http://users:1", &ConnectOptions::default()).unwrap();
        let name_server = Arc::clone(&addresses);
        let look_up = move || std::future::ready(Ok(name_server.lock().unwrap().clone()));
        let replicas = Replicas::following(destination, look_up).unwrap();

        until_shared_by(&replicas, &[first, second]).await;
        *addresses.lock().unwrap() = vec![first, second, third];
        until_shared_by(&replicas, &[first, second, third]).await;
        *addresses.lock().unwrap() = vec![third, second];
        until_shared_by(&replicas, &[second, third]).await;
    }

    #[test]
    fn a_replica_with_two_addresses_counts_once() {
        let addresses =
            |texts: &[&str]| -> Vec<SocketAddr> { texts.iter().map(|text| text.parse().unwrap()).collect() };
        let both = addresses(&["[fd00::1]:1", "10.0.0.2:1", "[fd00::2]:1", "10.0.0.1:1"]);
        assert_eq!(of_one_family(both), addresses(&["10.0.0.1:1", "10.0.0.2:1"]));
        assert_eq!(of_one_family(addresses(&["[::1]:1", "127.0.0.1:1"])), []);
        assert_eq!(of_one_family(addresses(&["[fd00::2]:1", "[fd00::1]:1"])).len(), 2);
    }
}
